/* quantize.c: activations to 8-bit codes, with a scale and sums of the codes per block of 32. */
#include "quantize.h"

#include "a8.h"
#include "codes.h"
#include "reduce.h"
#include "split.h"
#include "turn.h"

enum { CK_VECTORS = CK_BLOCK / CK_LANES };

CK_INLINE ck_vi ck_add_vectors(const int vectors, const ck_vi *codes)
{
    ck_vi sum = codes[0];
    CK_UNROLL
    for (int i = 1; i < vectors; i++) {
        sum += codes[i];
    }
    return sum;
}

/* What a block has in front of its codes. */
CK_INLINE void ck_set_head(uint8_t *y, float scale, float scaled_sum, int32_t start, int32_t low_start)
{
    memcpy(y, &scale, sizeof scale);
    memcpy(y + CK_A8_SUM, &scaled_sum, sizeof scaled_sum);
    memcpy(y + CK_A8_START, &start, sizeof start);
    memcpy(y + CK_A8_LOW_START, &low_start, sizeof low_start);
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
        ck_store_bytes(y + CK_A8_CODES + i * CK_LANES, codes[i]);
    }
    const int32_t low = ck_sum_i(ck_add_vectors(CK_VECTORS / 2, codes));
    const int32_t all = low + ck_sum_i(ck_add_vectors(CK_VECTORS / 2, codes + CK_VECTORS / 2));
    ck_set_head(y, scale, scale * (float)all, -CK_A8_BIAS * all, -CK_A8_BIAS * low);
}

/* Lane j of the result: the sum, or else the largest, of the lanes of v[j]; of CK_LANES vectors, which change. */
CK_INLINE ck_vi ck_combine_each(const int is_sum, ck_vi *v)
{
    CK_UNROLL
    for (int half = CK_LANES / 2; half > 0; half /= 2) {
        CK_UNROLL
        for (int i = 0; i < half; i++) {
            const ck_vi low = (ck_vi)ck_zip_low((ck_vf)v[i], (ck_vf)v[i + half]);
            const ck_vi high = (ck_vi)ck_zip_high((ck_vf)v[i], (ck_vf)v[i + half]);
            v[i] = is_sum ? low + high : ck_max_i(low, high);
        }
    }
    return v[0];
}

/* CK_LANES blocks, a lane for each, with the bits that each has alone. */
static void ck_quantize_blocks(const float *x, uint8_t *y)
{
    ck_vi some[CK_LANES], others[CK_LANES];
    CK_UNROLL
    for (int b = 0; b < CK_LANES; b++) {
        some[b] = ck_largest_magnitudes(x + b * CK_BLOCK);
    }
    const ck_vi largest_bits = ck_combine_each(0, some);
    const ck_vf largest = ck_from_bits(largest_bits);
    if (ck_largest_i(largest_bits) >= 0x7f800000 || ck_largest_i(-(largest < ck_set(0x1p-100f)))) {
        for (int b = 0; b < CK_LANES; b++) {
            ck_quantize_block(x + b * CK_BLOCK, y + b * CK_A8_BYTES);
        }
        return;
    }
    const ck_vf scale = largest / ck_set(127.0f);
    float inverse[CK_LANES];
    ck_store(inverse, ck_set(127.0f) / largest);
    CK_UNROLL
    for (int b = 0; b < CK_LANES; b++) {
        ck_vi codes[CK_VECTORS];
        CK_UNROLL
        for (int i = 0; i < CK_VECTORS; i++) {
            codes[i] = ck_nearest(ck_load(x + b * CK_BLOCK + i * CK_LANES) * ck_set(inverse[b]));
            ck_store_bytes(y + b * CK_A8_BYTES + CK_A8_CODES + i * CK_LANES, codes[i]);
        }
        some[b] = ck_add_vectors(CK_VECTORS / 2, codes);
        others[b] = ck_add_vectors(CK_VECTORS / 2, codes + CK_VECTORS / 2);
    }
    const ck_vi low = ck_combine_each(1, some), all = low + ck_combine_each(1, others);
    const ck_vf scaled_sum = scale * __builtin_convertvector(all, ck_vf);
    const ck_vi start = -CK_A8_BIAS * all, low_start = -CK_A8_BIAS * low;
    CK_UNROLL
    for (int b = 0; b < CK_LANES; b++) {
        ck_set_head(y + b * CK_A8_BYTES, scale[b], scaled_sum[b], start[b], low_start[b]);
    }
}

void ck_quantize_fwd_a8(int part, int parts, int64_t tokens, int64_t cols, int64_t pieces, int64_t xRow,
                        const float *restrict x, uint8_t *restrict y)
{
    const int64_t blocks = cols / CK_BLOCK, piece_blocks = blocks / pieces;
    int64_t item, end;
    ck_share(tokens * pieces, part, parts, &item, &end);
    end *= piece_blocks;
    for (item *= piece_blocks; item < end;) {
        const int64_t at = item % blocks, left = ck_least(end - item, blocks - at);
        const float *from = x + item / blocks * xRow + at * CK_BLOCK;
        uint8_t *to = y + item * CK_A8_BYTES;
        if (left >= CK_LANES) {
            ck_quantize_blocks(from, to);
            item += CK_LANES;
        } else {
            ck_quantize_block(from, to);
            item++;
        }
    }
}
