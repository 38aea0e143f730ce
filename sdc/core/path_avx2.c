/* AVX2: vectors of 8 sums. */

#include "core.h"

#if defined(SDC_X86)

#include <immintrin.h>
#include <string.h>

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2"))), apply_to = function)
#elif defined(__GNUC__)
#pragma GCC target("avx2")
#endif

#if defined(__GNUC__)
#define INLINE inline __attribute__((always_inline))
#else
#define INLINE __forceinline
#endif

#define PATH avx2
#define LANES 8
#define BLOCK_ROWS 2
#define BLOCK_VECTORS 4

typedef __m256i vec;

#define v_zero() _mm256_setzero_si256()
#define v_load(p) _mm256_loadu_si256((const __m256i *)(const void *)(p))
#define v_madd(sum, a, b) _mm256_add_epi32(sum, _mm256_madd_epi16(a, b))
#define v_low(a, b) _mm256_unpacklo_epi16(a, b)
#define v_high(a, b) _mm256_unpackhi_epi16(a, b)
#define v_join(p, low, high) _mm256_storeu_si256((__m256i *)(void *)(p), _mm256_packs_epi32(low, high))

static INLINE void v_store(int16_t *p, vec v)
{
    const vec packed = _mm256_permute4x64_epi64(_mm256_packs_epi32(v, v), 8);
    _mm_storeu_si128((__m128i *)(void *)p, _mm256_castsi256_si128(packed));
}

#define v_put(p, v) _mm256_storeu_si256((__m256i *)(void *)(p), v)
#define v_add16(a, b) _mm256_adds_epi16(a, b)
#define v_clamp16(v, low, high) _mm256_min_epi16(_mm256_max_epi16(v, _mm256_set1_epi16(low)), _mm256_set1_epi16(high))

static INLINE vec v_pair(const int16_t *p)
{
    int32_t both;
    memcpy(&both, p, sizeof both);
    return _mm256_set1_epi32(both);
}

static INLINE vec v_finish(vec sum, const int32_t *shift, const float *scale, int low, int high)
{
    (void)scale;
    sum = _mm256_srav_epi32(sum, v_load(shift));
    return _mm256_min_epi32(_mm256_max_epi32(sum, _mm256_set1_epi32(low)), _mm256_set1_epi32(high));
}

static int supported_avx2(void) { return sdc_processor_has(SDC_HAS_AVX2); }

#include "kernels.h"

#if defined(__clang__)
#pragma clang attribute pop
#endif

#endif
