/* What gradients need of a path, in C that compilers make vectors of; NAME is that of the path.
 *
 * Nothing here may be contracted to a multiply-add or summed in another order: every machine has the same
 * numbers.  Each result is put into a float of its own, since some compilers compute with more digits between. */

/* One bit for each value; counts are multiples of SDC_PAD. */
static int NAME(passes)(const int16_t *x, uint8_t *to, size_t count, int low, int high)
{
    const int16_t a = (int16_t)low, b = (int16_t)high;
    int stopped = 0;
    for (size_t k = 0; k < count; k++)
        stopped |= (x[k] <= a) | (x[k] >= b);
    if (!stopped)
        return 1;
#if defined(v_passes)
    for (size_t k = 0; k < count; k += 2 * LANES, to += LANES / 4)
        v_passes(to, v_load(x + k), a, b);
#else
    for (size_t k = 0; k < count; k += SDC_PAD) {
        uint8_t passed[SDC_PAD];
        for (size_t i = 0; i < SDC_PAD; i++)
            passed[i] = (uint8_t)(x[k + i] > a && x[k + i] < b);
        for (size_t i = 0; i < SDC_PAD; i += 8) {
            unsigned bits = 0;
            for (unsigned j = 0; j < 8; j++)
                bits |= (unsigned)passed[i + j] << j;
            *to++ = (uint8_t)bits;
        }
    }
#endif
    return 0;
}

static void NAME(mask)(float *g, const uint8_t *passed, size_t count)
{
#if defined(v_mask)
    for (size_t k = 0; k < count; k += LANES, passed += LANES / 8)
        v_mask(g + k, passed);
#else
    for (size_t k = 0; k < count; k += 8, passed++) {
        const int32_t bits = *passed;
        for (int j = 0; j < 8; j++)
            g[k + (size_t)j] = bits & 1 << j ? g[k + (size_t)j] : 0.0f;
    }
#endif
}

/* Gradients below this are none. */
#define LEAST 1e-30f

/* 2 to the power of an exponent. */
static INLINE float NAME(power)(int exponent)
{
    const uint32_t bits = (uint32_t)(exponent + 127) << 23;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static void NAME(quantise)(float *g, const float *scale, int channels, int rows, int16_t *to, float *factors)
{
    for (int r = 0; r < rows; r++, g += channels, to += channels) {
        int32_t most = 0; /* sizes of floats are in the order of their bits */
        for (int c = 0; c < channels; c++)
            g[c] *= scale[c];
        for (int c = 0; c < channels; c++) {
            int32_t bits;
            memcpy(&bits, g + c, sizeof bits);
            bits &= 0x7fffffff;
            most = bits > most ? bits : most;
        }
        float size;
        memcpy(&size, &most, sizeof size);
        if (!(size > LEAST)) {
            memset(to, 0, sizeof *to * (size_t)channels);
            factors[r] = 0.0f;
            continue;
        }
        const int exponent = (most >> 23) - 126; /* the size is below 2 to its power */
        const float up = NAME(power)(14 - exponent);
        factors[r] = NAME(power)(exponent - 14);
        for (int c = 0; c < channels; c++) {
            const float value = g[c] * up;
            const float rounded = value + (value < 0.0f ? -0.5f : 0.5f);
            to[c] = (int16_t)(int32_t)rounded;
        }
    }
}

static void NAME(rescale)(const int32_t *x, const float *factors, int channels, int rows, float *y)
{
    for (int r = 0; r < rows; r++, x += channels, y += channels) {
        const float factor = factors[r];
        for (int c = 0; c < channels; c++)
            y[c] = (float)x[c] * factor;
    }
}

static void NAME(spread)(const float *weights, const float *from, int channels, const int32_t *taps, float *g,
                         int rows)
{
    for (int r = 0; r < rows; r++, taps += 9, g += channels)
        for (int c = 0; c < channels; c += SDC_PAD) {
            float sums[SDC_PAD];
            for (int k = 0; k < 9; k++) {
                const float *w = weights + (size_t)k * (size_t)channels + c;
                const float *row = from + (size_t)taps[8 - k] * (size_t)channels + c;
                for (int i = 0; i < SDC_PAD; i++) {
                    const float product = w[i] * row[i];
                    sums[i] = k ? sums[i] + product : product;
                }
            }
            memcpy(g + c, sums, sizeof sums);
        }
}

static void NAME(accumulate)(float *to, const float *from, size_t count)
{
    for (size_t k = 0; k < count; k++)
        to[k] += from[k];
}
