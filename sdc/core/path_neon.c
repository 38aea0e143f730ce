/* NEON: vectors of 4 sums. */

#include "core.h"

#if defined(SDC_NEON)

#if defined(__GNUC__)
#define INLINE inline __attribute__((always_inline))
#else
#define INLINE __forceinline
#endif

#include <arm_neon.h>
#include <string.h>

#define PATH neon
#define LANES 4
#define BLOCK_ROWS 4
#define BLOCK_VECTORS 4

/* 16 bytes, as int32. */
typedef int32x4_t vec;

#define v_zero() vdupq_n_s32(0)
#define v_load(p) vreinterpretq_s32_u8(vld1q_u8((const uint8_t *)(const void *)(p)))
#define v_16(v) vreinterpretq_s16_s32(v)
#define v_low(a, b) vreinterpretq_s32_s16(vzip1q_s16(v_16(a), v_16(b)))
#define v_high(a, b) vreinterpretq_s32_s16(vzip2q_s16(v_16(a), v_16(b)))
#define v_join(p, low, high) vst1q_s16(p, vcombine_s16(vmovn_s32(low), vmovn_s32(high)))
#define v_store(p, v) vst1_s16(p, vmovn_s32(v))

#define v_put(p, v) vst1q_u8((uint8_t *)(void *)(p), vreinterpretq_u8_s32(v))
#define v_add16(a, b) vreinterpretq_s32_s16(vqaddq_s16(v_16(a), v_16(b)))
#define v_clamp16(v, low, high) \
    vreinterpretq_s32_s16(vminq_s16(vmaxq_s16(v_16(v), vdupq_n_s16(low)), vdupq_n_s16(high)))

/* Products of pairs, added two and two, as the other paths' instruction does. */
static INLINE vec v_madd(vec sum, vec a, vec b)
{
    const int32x4_t low = vmull_s16(vget_low_s16(v_16(a)), vget_low_s16(v_16(b)));
    const int32x4_t high = vmull_high_s16(v_16(a), v_16(b));
    return vaddq_s32(sum, vpaddq_s32(low, high));
}

static INLINE vec v_pair(const int16_t *p)
{
    int32_t both;
    memcpy(&both, p, sizeof both);
    return vdupq_n_s32(both);
}

static INLINE vec v_finish(vec sum, const int32_t *shift, const float *scale, int low, int high)
{
    (void)scale;
    sum = vshlq_s32(sum, vnegq_s32(vld1q_s32(shift)));
    return vminq_s32(vmaxq_s32(sum, vdupq_n_s32(low)), vdupq_n_s32(high));
}

static int supported_neon(void) { return 1; }

#include "kernels.h"

#endif
