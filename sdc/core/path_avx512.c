/* AVX-512 with VNNI: vectors of 16 sums. */

#include "core.h"

#if defined(SDC_X86)

#include <immintrin.h>
#include <string.h>

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni"))), apply_to = function)
#elif defined(__GNUC__)
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")
#endif

#if defined(__GNUC__)
#define INLINE inline __attribute__((always_inline))
#else
#define INLINE __forceinline
#endif

#define PATH avx512
#define LANES 16
#define BLOCK_ROWS 4
#define BLOCK_VECTORS 4

typedef __m512i vec;

#define v_zero() _mm512_setzero_si512()
#define v_load(p) _mm512_loadu_si512(p)
#define v_low(a, b) _mm512_unpacklo_epi16(a, b)
#define v_high(a, b) _mm512_unpackhi_epi16(a, b)
#define v_store(p, v) _mm256_storeu_si256((__m256i *)(p), _mm512_cvtepi32_epi16(v))
#define v_join(p, low, high) _mm512_storeu_si512(p, _mm512_packs_epi32(low, high))

static INLINE vec v_madd(vec sum, vec a, vec b)
{
#if defined(__GNUC__) && !defined(__clang__)
    /* Of the intrinsic, gcc 12 copies the sum before and after. */
    __asm__("vpdpwssd %2, %1, %0" : "+v"(sum) : "v"(a), "v"(b));
    return sum;
#else
    return _mm512_dpwssd_epi32(sum, a, b);
#endif
}

#define v_put(p, v) _mm512_storeu_si512(p, v)
#define v_add16(a, b) _mm512_adds_epi16(a, b)
#define v_clamp16(v, low, high) _mm512_min_epi16(_mm512_max_epi16(v, _mm512_set1_epi16(low)), _mm512_set1_epi16(high))

static INLINE vec v_pair(const int16_t *p)
{
    int32_t both;
    memcpy(&both, p, sizeof both);
    return _mm512_set1_epi32(both);
}

static INLINE vec v_finish(vec sum, const int32_t *shift, const float *scale, int low, int high)
{
    (void)scale;
    sum = _mm512_srav_epi32(sum, v_load(shift));
    return _mm512_min_epi32(_mm512_max_epi32(sum, _mm512_set1_epi32(low)), _mm512_set1_epi32(high));
}

/* Where values lie between two, in bits. */
static INLINE void v_passes(uint8_t *to, vec x, int16_t low, int16_t high)
{
    const __mmask32 bits = _mm512_cmpgt_epi16_mask(x, _mm512_set1_epi16(low)) &
                           _mm512_cmplt_epi16_mask(x, _mm512_set1_epi16(high));
    memcpy(to, &bits, sizeof bits);
}
#define v_passes v_passes

/* Zeros where a bit is 0. */
static INLINE void v_mask(float *g, const uint8_t *passed)
{
    __mmask16 bits;
    memcpy(&bits, passed, sizeof bits);
    _mm512_storeu_ps(g, _mm512_maskz_loadu_ps(bits, g));
}
#define v_mask v_mask

static int supported_avx512(void) { return sdc_processor_has(SDC_HAS_AVX512); }

#include "kernels.h"

#if defined(__clang__)
#pragma clang attribute pop
#endif

#endif
