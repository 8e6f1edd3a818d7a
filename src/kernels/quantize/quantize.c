/* quantize.c: activations to 8-bit codes, with a scale and two sums of 16 codes per block of 32. */
#include "quantize.h"

#include "a8.h"
#include "simd.h"
#include "split.h"


static int32_t ck_largest_i(ck_vi v)
{
    int32_t largest = v[0];
    for (int i = 1; i < CK_LANES; i++) {
        largest = v[i] > largest ? v[i] : largest;
    }
    return largest;
}

static void ck_quantize_block(const float *x, uint8_t *y)
{
    /* The bits of non-negative floats are in the order of their values, with infinity and then NaN on top. */
    ck_vi most = ck_set_i(0);
    for (int i = 0; i < CK_BLOCK; i += CK_LANES) {
        const ck_vi magnitude = ck_bits(ck_load(x + i)) & 0x7fffffff;
        most = ck_select_i(magnitude > most, magnitude, most);
    }
    const int32_t largest_bits = ck_largest_i(most);
    float largest, scale = 0.0f;
    memcpy(&largest, &largest_bits, sizeof largest);
    memset(y, 0, CK_A8_BYTES);
    if (largest_bits >= 0x7f800000) {
        scale = NAN;
    } else if (largest >= 0x1p-100f) {
        scale = largest / 127.0f;
        const ck_vf inverse = ck_set(127.0f / largest);
        const ck_vf shift = ck_set(0x1.8p23f);
        int16_t sum[2] = {0, 0};
        for (int i = 0; i < CK_BLOCK; i += CK_LANES) {
            /* Adding 1.5 * 2^23 leaves the nearest whole number, ties to even, in the low bits. */
            const ck_vi code = ck_bits(ck_load(x + i) * inverse + shift) - ck_bits(shift);
            const ck_vb bytes = __builtin_convertvector(code, ck_vb);
            for (int lane = 0; lane < CK_LANES; lane++) {
                sum[i / 16] = (int16_t)(sum[i / 16] + code[lane]);
            }
            memcpy(y + CK_A8_CODES + i, &bytes, sizeof bytes);
        }
        const float scaled_sum = scale * (float)(sum[0] + sum[1]);
        memcpy(y + CK_A8_SUM, &scaled_sum, sizeof scaled_sum);
        memcpy(y + CK_A8_HALF_SUMS, sum, sizeof sum);
    }
    memcpy(y, &scale, sizeof scale);
}

void ck_quantize_fwd_a8(int part, int parts, int64_t tokens, int64_t cols, int64_t xRow, const float *restrict x,
                        uint8_t *restrict y)
{
    const int64_t blocks = cols / CK_BLOCK;
    int64_t item, end;
    ck_share(tokens * blocks, part, parts, &item, &end);
    for (; item < end; item++) {
        ck_quantize_block(x + item / blocks * xRow + item % blocks * CK_BLOCK, y + item * CK_A8_BYTES);
    }
}
