/* Plain C, for any processor; written so that compilers see the sums of products. */

#include <string.h>

#include "core.h"

#define BLOCK_ROWS 4

static int supported_portable(void) { return 1; }

static size_t padded(int n) { return (size_t)(n + SDC_PAD - 1) / SDC_PAD * SDC_PAD; }

/* [output channels][input channels, padded] */
static int16_t *pack_pointwise_portable(const int16_t *weight, int in, int out)
{
    const size_t width = padded(in), all = padded(out);
    int16_t *packed = sdc_alloc(sizeof(int16_t) * width * all);
    if (!packed)
        return NULL;
    memset(packed, 0, sizeof(int16_t) * width * all);
    for (int o = 0; o < out; o++)
        memcpy(packed + (size_t)o * width, weight + (size_t)o * (size_t)in, sizeof(int16_t) * (size_t)in);
    return packed;
}

/* [9][channels, padded] */
static int16_t *pack_depthwise_portable(const int16_t *weight, int channels)
{
    const size_t width = padded(channels);
    int16_t *packed = sdc_alloc(sizeof(int16_t) * width * 9);
    if (!packed)
        return NULL;
    memset(packed, 0, sizeof(int16_t) * width * 9);
    for (int c = 0; c < channels; c++)
        for (int k = 0; k < 9; k++)
            packed[(size_t)k * width + (size_t)c] = weight[(size_t)c * 9 + (size_t)k];
    return packed;
}

static int16_t finished(const sdc_operator *l, int32_t sum, size_t o)
{
    const int32_t value = sum >> l->shift[o];
    return (int16_t)(value < l->low ? l->low : value > l->high ? l->high : value);
}

static void pointwise_portable(const sdc_operator *l, const int16_t *x, size_t xs, int16_t *y, size_t ys, int rows)
{
    const size_t width = padded(l->in);
    for (size_t o = 0; o < (size_t)l->out_padded; o += 2) {
        const int16_t *w = l->weights + o * width, *w2 = w + width;
        for (int r = 0; r < rows; r += 2) {
            /* A spare row holds what it happens to hold, and sums of that may overflow. */
            const int16_t *a = x + (size_t)r * xs, *b = r + 1 < rows ? a + xs : a;
            int32_t s = 0, t = 0, u = 0, v = 0;
            for (size_t i = 0; i < width; i++) {
                s += w[i] * a[i];
                t += w[i] * b[i];
                u += w2[i] * a[i];
                v += w2[i] * b[i];
            }
            int16_t *to = y + (size_t)r * ys + o;
            to[0] = finished(l, l->bias[o] + s, o);
            to[ys] = finished(l, l->bias[o] + t, o);
            to[1] = finished(l, l->bias[o + 1] + u, o + 1);
            to[ys + 1] = finished(l, l->bias[o + 1] + v, o + 1);
        }
    }
}

static void depthwise_portable(const sdc_operator *l, const int16_t *x, size_t xs, const int32_t *taps, int16_t *y,
                               size_t ys, int rows)
{
    const size_t width = (size_t)l->out_padded;
    int32_t sums[SDC_PAD];
    for (int r = 0; r < rows; r++, taps += 9, y += ys)
        for (size_t c = 0; c < width; c += SDC_PAD) {
            for (size_t i = 0; i < SDC_PAD; i++)
                sums[i] = l->bias[c + i];
            for (size_t k = 0; k < 9; k++) {
                const int16_t *w = l->weights + k * width + c, *from = x + (size_t)taps[k] * xs + c;
                for (size_t i = 0; i < SDC_PAD; i++)
                    sums[i] += w[i] * from[i];
            }
            for (size_t i = 0; i < SDC_PAD; i++)
                y[c + i] = finished(l, sums[i], c + i);
        }
}

static void add_portable(const int16_t *a, const int16_t *b, int16_t *to, size_t count, int low, int high)
{
    for (size_t k = 0; k < count; k++) {
        const int32_t sum = (int32_t)a[k] + b[k];
        to[k] = (int16_t)(sum < low ? low : sum > high ? high : sum);
    }
}

static void products_portable(const int16_t *weights, int in, int out, const int16_t *x, int32_t *y, int rows)
{
    const size_t width = padded(in), all = padded(out);
    for (size_t o = 0; o < all; o++) {
        const int16_t *w = weights + o * width;
        for (size_t r = 0; r < (size_t)rows; r++) {
            int32_t sum = 0;
            for (size_t i = 0; i < width; i++)
                sum += w[i] * x[r * width + i];
            y[r * all + o] = sum;
        }
    }
}

#define INLINE inline
#define NAME(function) function##_portable
#include "gradients.h"

const sdc_path sdc_path_portable = {
    "portable",         1, supported_portable, pack_pointwise_portable, pack_depthwise_portable, pointwise_portable,
    depthwise_portable, add_portable, products_portable, passes_portable, mask_portable, quantise_portable,
    rescale_portable, spread_portable, accumulate_portable,
};
