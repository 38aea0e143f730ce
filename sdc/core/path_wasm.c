/* WebAssembly with simd128: vectors of 4 sums. */

#include "core.h"

#if defined(__wasm_simd128__)

#define INLINE inline __attribute__((always_inline))

#include <string.h>
#include <wasm_simd128.h>

#define PATH wasm
#define LANES 4
#define BLOCK_ROWS 2
#define BLOCK_VECTORS 4

typedef v128_t vec;

#define v_zero() wasm_i32x4_splat(0)
#define v_load(p) wasm_v128_load(p)
#define v_pair(p) wasm_v128_load32_splat(p)
#define v_madd(sum, a, b) wasm_i32x4_add(sum, wasm_i32x4_dot_i16x8(a, b))
#define v_low(a, b) wasm_i16x8_shuffle(a, b, 0, 8, 1, 9, 2, 10, 3, 11)
#define v_high(a, b) wasm_i16x8_shuffle(a, b, 4, 12, 5, 13, 6, 14, 7, 15)
#define v_join(p, low, high) wasm_v128_store(p, wasm_i16x8_narrow_i32x4(low, high))
#define v_store(p, v) wasm_v128_store64_lane(p, wasm_i16x8_narrow_i32x4(v, v), 0)

#define v_put(p, v) wasm_v128_store(p, v)
#define v_add16(a, b) wasm_i16x8_add_sat(a, b)
#define v_clamp16(v, low, high) wasm_i16x8_min(wasm_i16x8_max(v, wasm_i16x8_splat(low)), wasm_i16x8_splat(high))

/* As SSE4.1 does it: sums below 2^24 are exact in floating point, and so is a power of two times them. */
static INLINE vec v_finish(vec sum, const int32_t *shift, const float *scale, int low, int high)
{
    (void)shift;
    sum = wasm_i32x4_trunc_sat_f32x4(wasm_f32x4_floor(wasm_f32x4_mul(wasm_f32x4_convert_i32x4(sum), v_load(scale))));
    return wasm_i32x4_min(wasm_i32x4_max(sum, wasm_i32x4_splat(low)), wasm_i32x4_splat(high));
}

static int supported_wasm(void) { return 1; }

#include "kernels.h"

#endif
