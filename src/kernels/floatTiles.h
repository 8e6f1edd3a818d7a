/*
 * floatTiles.h: register tiles of y = x · wᵀ for weights that are floats: P panels of weights times T tokens.
 *
 * Whatever the tile, an output is one chain along the columns, one ck_fma per column. So the bits of an output depend
 * neither on the tile nor on the other tokens of a call. sum[t * P + p] is the output of the rows of panel p for token t.
 */
#ifndef CK_FLOATTILES_H
#define CK_FLOATTILES_H

#include "formats.h"
#include "halves.h"
#include "split.h"

/* Most accumulators of a tile. */
enum { CK_FLOAT_SUMS = 24 };

/*
 * Panels per tile in a call of several tokens, and the most tokens of a tile, so that the accumulators, the weights and
 * one input fit the registers. One token takes as many panels at once as give the most from memory.
 */
#if defined CK_AVX512 || defined CK_NEON
enum { CK_FLOAT_PANELS = 4, CK_FLOAT_TOKENS = 6, CK_STREAM_PANELS = 8 };
#else
enum { CK_FLOAT_PANELS = 2, CK_FLOAT_TOKENS = 6, CK_STREAM_PANELS = 8 };
#endif

CK_INLINE ck_vf ck_load_weights(const int format, const uint8_t *p, int64_t index)
{
    if (format == CK_F32) {
        return ck_load((const float *)(const void *)p + index);
    }
    const ck_vh half = ck_load_h((const uint16_t *)(const void *)p + index);
    return format == CK_F16 ? ck_from_f16(half) : ck_from_bf16(half);
}

/*
 * sums += the dots of the rows of P panels, panel_bytes apart, with the tokens of x. w_col is the distance of two columns of
 * a panel, x_row and x_col are those of the tokens and the columns of x, in elements.
 */
CK_INLINE void ck_float_tile(const int format, const int P, const int T, const uint8_t *panel, int64_t panel_bytes,
                             int64_t w_col, int64_t cols, const float *x, int64_t x_row, int64_t x_col, ck_vf *sums)
{
    ck_vf sum[CK_FLOAT_SUMS];
    CK_UNROLL
    for (int i = 0; i < P * T; i++) {
        sum[i] = sums[i];
    }
    const int64_t w_step = w_col * (format == CK_F32 ? 4 : 2);
    CK_UNROLL_SOME
    for (int64_t left = cols; left > 0; left--, panel += w_step, x += x_col) {
        ck_vf weights[4];
        CK_UNROLL
        for (int p = 0; p < P; p++) {
            weights[p] = ck_load_weights(format, panel + p * panel_bytes, 0);
        }
        CK_UNROLL
        for (int t = 0; t < T; t++) {
            const ck_vf input = ck_set(x[t * x_row]);
            CK_UNROLL
            for (int p = 0; p < P; p++) {
                sum[t * P + p] = ck_fma(input, weights[p], sum[t * P + p]);
            }
        }
    }
    CK_UNROLL
    for (int i = 0; i < P * T; i++) {
        sums[i] = sum[i];
    }
}

/* Columns that are multiplied between two requests to the memory, and bytes of a panel between a request and its use. */
enum { CK_RUN_COLS = 4, CK_PREFETCH_BYTES = 1024 };

/*
 * The same for one token whose x is dense: every weight is used once, so the memory is asked for it ahead of time. `next`:
 * bytes to the panels that will be read after these, 0 where there are none.
 */
CK_INLINE void ck_float_stream(const int format, const int P, const uint8_t *panel, int64_t panel_bytes, int64_t next,
                               int64_t cols, const float *x, ck_vf *sums)
{
    const int64_t col_bytes = CK_LANES * (format == CK_F32 ? 4 : 2);
    const int64_t run_bytes = CK_RUN_COLS * col_bytes;
    ck_vf sum[CK_STREAM_PANELS];
    CK_UNROLL
    for (int p = 0; p < P; p++) {
        sum[p] = sums[p];
    }
    for (int64_t col = 0; col < cols; col += CK_RUN_COLS) {
        int64_t ahead = col * col_bytes + CK_PREFETCH_BYTES;
        if (ahead >= panel_bytes) {
            ahead = next ? next + (ahead - panel_bytes) : col * col_bytes;
        }
        CK_UNROLL
        for (int p = 0; p < P; p++) {
            CK_UNROLL
            for (int64_t byte = 0; byte < run_bytes; byte += 64) {
                __builtin_prefetch(panel + p * panel_bytes + ahead + byte, 0, 3);
            }
        }
        const int64_t end = ck_least(col + CK_RUN_COLS, cols);
        for (int64_t k = col; k < end; k++) {
            const ck_vf input = ck_set(x[k]);
            CK_UNROLL
            for (int p = 0; p < P; p++) {
                sum[p] = ck_fma(input, ck_load_weights(format, panel + p * panel_bytes, k * CK_LANES), sum[p]);
            }
        }
    }
    CK_UNROLL
    for (int p = 0; p < P; p++) {
        sums[p] = sum[p];
    }
}

#endif
