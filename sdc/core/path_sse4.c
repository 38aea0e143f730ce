/* SSE4.1: vectors of 4 sums. */

#include "core.h"

#if defined(SDC_X86)

#include <smmintrin.h>
#include <string.h>

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("sse4.1"))), apply_to = function)
#elif defined(__GNUC__)
#pragma GCC target("sse4.1")
#endif

#if defined(__GNUC__)
#define INLINE inline __attribute__((always_inline))
#else
#define INLINE __forceinline
#endif

#define PATH sse4
#define LANES 4
#define BLOCK_ROWS 2
#define BLOCK_VECTORS 4

typedef __m128i vec;

#define v_zero() _mm_setzero_si128()
#define v_load(p) _mm_loadu_si128((const __m128i *)(const void *)(p))
#define v_madd(sum, a, b) _mm_add_epi32(sum, _mm_madd_epi16(a, b))
#define v_low(a, b) _mm_unpacklo_epi16(a, b)
#define v_high(a, b) _mm_unpackhi_epi16(a, b)
#define v_join(p, low, high) _mm_storeu_si128((__m128i *)(void *)(p), _mm_packs_epi32(low, high))
#define v_store(p, v) _mm_storel_epi64((__m128i *)(void *)(p), _mm_packs_epi32(v, v))

#define v_put(p, v) _mm_storeu_si128((__m128i *)(void *)(p), v)
#define v_add16(a, b) _mm_adds_epi16(a, b)
#define v_clamp16(v, low, high) _mm_min_epi16(_mm_max_epi16(v, _mm_set1_epi16(low)), _mm_set1_epi16(high))

static INLINE vec v_pair(const int16_t *p)
{
    int32_t both;
    memcpy(&both, p, sizeof both);
    return _mm_set1_epi32(both);
}

/* Without a shift by vector: sums below 2^24 are exact in floating point, and so is a power of two times them. */
static INLINE vec v_finish(vec sum, const int32_t *shift, const float *scale, int low, int high)
{
    (void)shift;
    const __m128 scaled = _mm_mul_ps(_mm_cvtepi32_ps(sum), _mm_loadu_ps(scale));
    sum = _mm_cvttps_epi32(_mm_floor_ps(scaled));
    return _mm_min_epi32(_mm_max_epi32(sum, _mm_set1_epi32(low)), _mm_set1_epi32(high));
}

static int supported_sse4(void) { return sdc_processor_has(SDC_HAS_SSE4); }

#include "kernels.h"

#if defined(__clang__)
#pragma clang attribute pop
#endif

#endif
