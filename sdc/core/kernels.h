/* Kernels of one path.  Whoever includes this defines:
 *
 *   PATH           name of the path, without quotes
 *   LANES          int32 in a vector
 *   BLOCK_ROWS     rows of a block of the pointwise product
 *   BLOCK_VECTORS  vectors of output channels of a block; LANES * BLOCK_VECTORS divides a multiple of SDC_PAD
 *   vec            a vector of int32, or of twice as many int16
 *   v_zero, v_load, v_store, v_pair, v_madd, v_low, v_high, v_finish, v_join, v_put,
 *   v_add16 (which saturates), v_clamp16
 */

#define JOIN_(a, b) a##_##b
#define JOIN(a, b) JOIN_(a, b)
#define NAME(function) JOIN(function, PATH)
#define TEXT_(a) #a
#define TEXT(a) TEXT_(a)

/* Weights by blocks of output channels; in a block by pairs of input channels, then output channels. */
static int16_t *NAME(pack_pointwise)(const int16_t *weight, int in, int out)
{
    const int pairs = (in + 1) / 2, padded = (out + SDC_PAD - 1) / SDC_PAD * SDC_PAD;
    int16_t *packed = sdc_alloc(sizeof(int16_t) * (size_t)padded * (size_t)pairs * 2);
    if (!packed)
        return NULL;
    int16_t *to = packed;
    for (int begin = 0; begin < padded;) {
        int width = LANES * BLOCK_VECTORS;
        if (width > padded - begin)
            width = padded - begin;
        for (int pair = 0; pair < pairs; pair++)
            for (int o = begin; o < begin + width; o++)
                for (int k = 2 * pair; k < 2 * pair + 2; k++)
                    *to++ = o < out && k < in ? weight[(size_t)o * (size_t)in + (size_t)k] : 0;
        begin += width;
    }
    return packed;
}

/* Weights by vectors of channels; in a vector by pairs of taps, the last of them with nothing. */
static int16_t *NAME(pack_depthwise)(const int16_t *weight, int channels)
{
    const int padded = (channels + SDC_PAD - 1) / SDC_PAD * SDC_PAD;
    int16_t *packed = sdc_alloc(sizeof(int16_t) * (size_t)padded * 10);
    if (!packed)
        return NULL;
    int16_t *to = packed;
    for (int begin = 0; begin < padded; begin += 2 * LANES)
        for (int tap = 0; tap < 10; tap += 2)
            for (int place = begin; place < begin + 2 * LANES; place++)
                for (int k = tap; k < tap + 2; k++) {
                    const int c = sdc_interleaved(place, LANES);
                    *to++ = c < channels && k < 9 ? weight[(size_t)c * 9 + (size_t)k] : 0;
                }
    return packed;
}

/* One block of rows by one of output channels; rows and vectors are constants where it is inlined. */
static INLINE void NAME(block)(const sdc_operator *l, const int16_t *w, int begin, const int16_t *x, size_t xs,
                               int16_t *y, size_t ys, const int rows, const int vectors)
{
    vec sums[BLOCK_ROWS][BLOCK_VECTORS];
    for (int r = 0; r < rows; r++)
        for (int v = 0; v < vectors; v++)
            sums[r][v] = v_load(l->bias + begin + v * LANES);
    for (int pair = 0; pair < l->pairs; pair++) {
        vec ws[BLOCK_VECTORS];
        for (int v = 0; v < vectors; v++)
            ws[v] = v_load(w + 2 * LANES * v);
        w += 2 * LANES * vectors;
        for (int r = 0; r < rows; r++) {
            const vec both = v_pair(x + (size_t)r * xs + 2 * (size_t)pair);
            for (int v = 0; v < vectors; v++)
                sums[r][v] = v_madd(sums[r][v], ws[v], both);
        }
    }
    for (int r = 0; r < rows; r++)
        for (int v = 0; v < vectors; v++) {
            const int o = begin + v * LANES;
            v_store(y + (size_t)r * ys + o, v_finish(sums[r][v], l->shift + o, l->scale + o, l->low, l->high));
        }
}

static void NAME(pointwise)(const sdc_operator *l, const int16_t *x, size_t xs, int16_t *y, size_t ys, int rows)
{
    for (int begin = 0; begin < l->out_padded;) {
        const int16_t *w = l->weights + (size_t)begin * (size_t)l->pairs * 2;
        const int left = (l->out_padded - begin) / LANES;
        if (left >= BLOCK_VECTORS) {
            for (int r = 0; r < rows; r += BLOCK_ROWS)
                NAME(block)(l, w, begin, x + (size_t)r * xs, xs, y + (size_t)r * ys, ys, BLOCK_ROWS, BLOCK_VECTORS);
            begin += LANES * BLOCK_VECTORS;
        } else {
            for (int r = 0; r < rows; r += BLOCK_ROWS)
                NAME(block)(l, w, begin, x + (size_t)r * xs, xs, y + (size_t)r * ys, ys, BLOCK_ROWS,
                            SDC_PAD / LANES < BLOCK_VECTORS ? SDC_PAD / LANES : BLOCK_VECTORS);
            begin += SDC_PAD;
        }
    }
}

static void NAME(depthwise)(const sdc_operator *l, const int16_t *x, size_t xs, const int32_t *taps, int16_t *y,
                            size_t ys, int rows)
{
    for (int r = 0; r < rows; r++, taps += 9, y += ys) {
        const int16_t *from[9];
        for (int k = 0; k < 9; k++)
            from[k] = x + (size_t)taps[k] * xs;
        const int16_t *w = l->weights;
        for (int c = 0; c < l->out_padded; c += 2 * LANES, w += 20 * LANES) {
            vec low = v_load(l->bias + c), high = v_load(l->bias + c + LANES);
            for (int k = 0; k < 8; k += 2) {
                const vec a = v_load(from[k] + c), b = v_load(from[k + 1] + c);
                low = v_madd(low, v_load(w + 2 * LANES * k), v_low(a, b));
                high = v_madd(high, v_load(w + 2 * LANES * (k + 1)), v_high(a, b));
            }
            const vec last = v_load(from[8] + c);
            low = v_madd(low, v_load(w + 16 * LANES), v_low(last, last));
            high = v_madd(high, v_load(w + 18 * LANES), v_high(last, last));
            low = v_finish(low, l->shift + c, l->scale + c, l->low, l->high);
            high = v_finish(high, l->shift + c + LANES, l->scale + c + LANES, l->low, l->high);
            v_join(y + c, low, high);
        }
    }
}

static void NAME(add)(const int16_t *a, const int16_t *b, int16_t *to, size_t count, int low, int high)
{
    for (size_t k = 0; k < count; k += 2 * LANES)
        v_put(to + k, v_clamp16(v_add16(v_load(a + k), v_load(b + k)), (int16_t)low, (int16_t)high));
}

/* ------------------------------------------------------------------ gradients */

/* As pointwise, but for the sums themselves. */
static INLINE void NAME(block_of_products)(const int16_t *w, int pairs, const int16_t *x, size_t xs, int32_t *y,
                                           size_t ys, const int rows, const int vectors)
{
    vec sums[BLOCK_ROWS][BLOCK_VECTORS];
    for (int r = 0; r < rows; r++)
        for (int v = 0; v < vectors; v++)
            sums[r][v] = v_zero();
    for (int pair = 0; pair < pairs; pair++) {
        vec ws[BLOCK_VECTORS];
        for (int v = 0; v < vectors; v++)
            ws[v] = v_load(w + 2 * LANES * v);
        w += 2 * LANES * vectors;
        for (int r = 0; r < rows; r++) {
            const vec both = v_pair(x + (size_t)r * xs + 2 * (size_t)pair);
            for (int v = 0; v < vectors; v++)
                sums[r][v] = v_madd(sums[r][v], ws[v], both);
        }
    }
    for (int r = 0; r < rows; r++)
        for (int v = 0; v < vectors; v++)
            v_put(y + (size_t)r * ys + v * LANES, sums[r][v]);
}

static void NAME(products)(const int16_t *weights, int in, int out, const int16_t *x, int32_t *y, int rows)
{
    const int pairs = (in + 1) / 2, padded = (out + SDC_PAD - 1) / SDC_PAD * SDC_PAD;
    const size_t xs = (size_t)(in + SDC_PAD - 1) / SDC_PAD * SDC_PAD, ys = (size_t)padded;
    for (int begin = 0; begin < padded;) {
        const int16_t *w = weights + (size_t)begin * (size_t)pairs * 2;
        if ((padded - begin) / LANES >= BLOCK_VECTORS) {
            for (int r = 0; r < rows; r += BLOCK_ROWS)
                NAME(block_of_products)(w, pairs, x + (size_t)r * xs, xs, y + (size_t)r * ys + begin, ys,
                                        BLOCK_ROWS, BLOCK_VECTORS);
            begin += LANES * BLOCK_VECTORS;
        } else {
            for (int r = 0; r < rows; r += BLOCK_ROWS)
                NAME(block_of_products)(w, pairs, x + (size_t)r * xs, xs, y + (size_t)r * ys + begin, ys,
                                        BLOCK_ROWS,
                                        SDC_PAD / LANES < BLOCK_VECTORS ? SDC_PAD / LANES : BLOCK_VECTORS);
            begin += SDC_PAD;
        }
    }
}

#include "gradients.h"

const sdc_path JOIN(sdc_path, PATH) = {
    TEXT(PATH), LANES, NAME(supported), NAME(pack_pointwise), NAME(pack_depthwise), NAME(pointwise),
    NAME(depthwise), NAME(add), NAME(products), NAME(passes), NAME(mask), NAME(quantise), NAME(rescale),
    NAME(spread), NAME(accumulate),
};
