/*
 * pairs.h: parts of two bfloat16 matrices in the order in which their product reads them, two steps of depth in a
 * word, where the target multiplies pairs: AVX512-BF16 (Intel SDM vol. 2, VDPBF16PS).
 *
 * The instruction adds the product of the upper halves first, then that of the lower ones, each rounded once: with
 * the earlier step in the upper half a sum is the chain that ck_fma gives, but for denormals, which count as zeros. A
 * last step alone has a zero beside it.
 */
#ifndef CK_PAIRS_H
#define CK_PAIRS_H

#include "panels.h"

#if defined CK_AVX512 && (defined __AVX512BF16__ || defined CK_EMULATED_PAIRS)
#define CK_HAS_PAIRS

/* The first n <= 32 values of a row as pairs, the earlier one in the upper half; zeros behind them. */
CK_INLINE ck_vf ck_load_pairs(const uint16_t *p, int64_t n)
{
    const __mmask32 mask = n >= 32 ? ~(__mmask32)0 : n <= 0 ? 0 : ((__mmask32)1 << n) - 1;
    return (ck_vf)_mm512_rol_epi32(_mm512_maskz_loadu_epi16(mask, p), 16);
}

/* Pairs of the first n values of two rows. */
CK_INLINE ck_vf ck_join_rows(const uint16_t *first, const uint16_t *second, int64_t n)
{
    const __mmask16 mask = n >= CK_LANES ? 0xffff : n <= 0 ? 0 : (__mmask16)((1u << n) - 1);
    const __m512i high = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(mask, first));
    const __m512i low = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(second ? mask : 0, second ? second : first));
    return (ck_vf)_mm512_or_si512(_mm512_slli_epi32(high, 16), low);
}

/*
 * [group][pair][width] of the rows or columns `items` of a matrix whose steps of depth lie one behind the other, `step`
 * elements from item to item; zeros beyond the last item. `depth` begins at an even step.
 */
CK_INLINE void ck_pair_straight(const int width, const uint16_t *values, int64_t step, ck_range items, ck_range depth,
                                float *out)
{
    const int64_t pairs = (depth.end - depth.begin + 1) / 2;
    for (int64_t item = items.begin; item < items.end; item += width, out += pairs * width) {
        for (int t = 0; t < width; t += CK_LANES) {
            for (int64_t k = 0; k < pairs; k += CK_LANES) {
                const int64_t from = depth.begin + 2 * k;
                ck_vf square[CK_LANES];
                for (int lane = 0; lane < CK_LANES; lane++) {
                    const int64_t at = item + t + lane;
                    const int is_there = t + lane < width && at < items.end;
                    square[lane] = is_there ? ck_load_pairs(values + at * step + from, depth.end - from) : ck_set(0.0f);
                }
                ck_store_transposed(square, ck_least(pairs - k, CK_LANES), width, ck_least(width - t, CK_LANES),
                                    out + k * width + t);
            }
        }
    }
}

/* The same where the items lie one behind the other, `step` elements from one step of depth to the next. */
CK_INLINE void ck_pair_turned(const int width, const uint16_t *values, int64_t step, ck_range items, ck_range depth,
                              float *out)
{
    const int64_t pairs = (depth.end - depth.begin + 1) / 2, group = pairs * width;
    for (int64_t begin = items.begin; begin < items.end; begin += CK_GROUP * width, out += CK_GROUP * group) {
        const int64_t end = ck_least(begin + CK_GROUP * width, items.end);
        for (int64_t k = 0; k < pairs; k++) {
            const int64_t from = depth.begin + 2 * k;
            const uint16_t *first = values + from * step;
            const uint16_t *second = from + 1 < depth.end ? first + step : NULL;
            float *to = out + k * width;
            for (int64_t item = begin; item < end; item += width, to += group) {
                for (int t = 0; t < width; t += CK_LANES) {
                    const int64_t at = item + t;
                    if (at < items.end) {
                        const ck_vf pair = ck_join_rows(first + at, second ? second + at : NULL, items.end - at);
                        ck_store_n(to + t, pair, ck_least(width - t, CK_LANES));
                    } else {
                        ck_store_n(to + t, ck_set(0.0f), ck_least(width - t, CK_LANES));
                    }
                }
            }
        }
    }
}

static void ck_copy_pair_tiles(const uint16_t *a, int64_t a_row, int64_t a_col, ck_range rows, ck_range depth,
                               float *tiles)
{
    if (a_col == 1) {
        ck_pair_straight(CK_TALL, a, a_row, rows, depth, tiles);
    } else {
        ck_pair_turned(CK_TALL, a, a_col, rows, depth, tiles);
    }
}

static void ck_copy_pair_panels(int transposed, const uint16_t *b, int64_t b_row, ck_range cols, ck_range depth,
                                float *panels)
{
    if (transposed) {
        ck_pair_straight(CK_WIDE, b, b_row, cols, depth, panels);
    } else {
        ck_pair_turned(CK_WIDE, b, b_row, cols, depth, panels);
    }
}

/* sums += the first `height` rows of a tile times a panel, over `pairs` pairs of steps. */
CK_INLINE void ck_pair_tile(const int height, int64_t pairs, const float *tile, const float *panel, ck_vf *sums)
{
    ck_vf sum[CK_FLOAT_SUMS];
    CK_UNROLL
    for (int i = 0; i < CK_VECTORS * height; i++) {
        sum[i] = sums[i];
    }
    for (int64_t k = 0; k < pairs; k++) {
        ck_vf columns[CK_VECTORS];
        CK_UNROLL
        for (int v = 0; v < CK_VECTORS; v++) {
            columns[v] = ck_load(panel + k * CK_WIDE + v * CK_LANES);
        }
        CK_UNROLL
        for (int t = 0; t < height; t++) {
            int32_t row;
            memcpy(&row, tile + k * CK_TALL + t, sizeof row);
            const __m512bh pair = (__m512bh)_mm512_set1_epi32(row);
            CK_UNROLL
            for (int v = 0; v < CK_VECTORS; v++) {
                ck_vf *at = &sum[t * CK_VECTORS + v];
                *at = (ck_vf)_mm512_dpbf16_ps((__m512)*at, pair, (__m512bh)columns[v]);
            }
        }
    }
    CK_UNROLL
    for (int i = 0; i < CK_VECTORS * height; i++) {
        sums[i] = sum[i];
    }
}

#endif

#endif
