/* quantize.c: activations to 8-bit codes, with a scale and sums of the codes per block of 32. */
#include "quantize.h"

#include "a8.h"
#include "codes.h"
#include "reduce.h"
#include "split.h"

enum { CK_VECTORS = CK_BLOCK / CK_LANES };

/* The sum of the codes of `vectors` vectors. */
CK_INLINE int32_t ck_codes_sum(const int vectors, const ck_vi *codes)
{
    ck_vi sum = codes[0];
    CK_UNROLL
    for (int i = 1; i < vectors; i++) {
        sum += codes[i];
    }
    return ck_sum_i(sum);
}

static void ck_quantize_block(const float *x, uint8_t *y)
{
    const int32_t largest_bits = ck_largest_magnitude(x);
    float largest, scale = 0.0f;
    memcpy(&largest, &largest_bits, sizeof largest);
    if (largest_bits >= 0x7f800000 || largest < 0x1p-100f) {
        scale = largest_bits >= 0x7f800000 ? NAN : 0.0f;
        memset(y, 0, CK_A8_BYTES);
        memcpy(y, &scale, sizeof scale);
        return;
    }
    scale = largest / 127.0f;
    const ck_vf inverse = ck_set(127.0f / largest);
    ck_vi codes[CK_VECTORS];
    CK_UNROLL
    for (int i = 0; i < CK_VECTORS; i++) {
        codes[i] = ck_nearest(ck_load(x + i * CK_LANES) * inverse);
        const ck_vb bytes = __builtin_convertvector(codes[i], ck_vb);
        memcpy(y + CK_A8_CODES + i * CK_LANES, &bytes, sizeof bytes);
    }
    const int32_t low = ck_codes_sum(CK_VECTORS / 2, codes);
    const int32_t all = low + ck_codes_sum(CK_VECTORS / 2, codes + CK_VECTORS / 2);
    const float scaled_sum = scale * (float)all;
    const int32_t start = -CK_A8_BIAS * all, low_start = -CK_A8_BIAS * low;
    memcpy(y, &scale, sizeof scale);
    memcpy(y + CK_A8_SUM, &scaled_sum, sizeof scaled_sum);
    memcpy(y + CK_A8_START, &start, sizeof start);
    memcpy(y + CK_A8_LOW_START, &low_start, sizeof low_start);
}

void ck_quantize_fwd_a8(int part, int parts, int64_t tokens, int64_t cols, int64_t pieces, int64_t xRow,
                        const float *restrict x, uint8_t *restrict y)
{
    const int64_t blocks = cols / CK_BLOCK, piece_blocks = blocks / pieces;
    int64_t item, end;
    ck_share(tokens * pieces, part, parts, &item, &end);
    for (item *= piece_blocks; item < end * piece_blocks; item++) {
        ck_quantize_block(x + item / blocks * xRow + item % blocks * CK_BLOCK, y + item * CK_A8_BYTES);
    }
}
