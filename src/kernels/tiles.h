/*
 * tiles.h: register tiles of y = x · wᵀ: P panels of weights times T tokens.
 *
 * Whatever the tile, an output is one chain along the columns: one ck_fma per column (float formats) or per block of 32
 * columns (block formats). So the bits of an output depend neither on the tile nor on the other tokens of a call.
 */
#ifndef CK_TILES_H
#define CK_TILES_H

#include "dot.h"

enum { CK_F32, CK_F16, CK_BF16, CK_Q8_0, CK_Q4_0 };
enum { CK_BLOCK = 32, CK_A8_BYTES = 40, CK_A8_SUM = 4, CK_A8_CODES = 8 };

/* Most accumulators of a tile. */
enum { CK_TILE = 24 };

/*
 * Panels per tile in a call of several tokens, and the most tokens of a tile, so that the accumulators, the weights and
 * one input fit the registers. Block formats on 16 registers spill some and are the faster for it.
 */
#if defined CK_AVX512 || defined CK_NEON
enum { CK_FLOAT_PANELS = 4, CK_FLOAT_TOKENS = 6 };
#else
enum { CK_FLOAT_PANELS = 2, CK_FLOAT_TOKENS = 6 };
#endif
enum { CK_BLOCK_PANELS = 2, CK_BLOCK_TOKENS = 6 };

/* One token takes more panels at once: more streams from memory. */
enum { CK_WIDE_PANELS = 4 };

/* Weights in panels; see layouts.ts. */
typedef struct {
    const uint8_t *first;
    int64_t panel_bytes;
    int64_t code_offset; /* block formats: from the scales to the codes of a panel */
} ck_panels;

CK_INLINE int64_t ck_whole_lines(int64_t bytes)
{
    return (bytes + 63) / 64 * 64;
}

CK_INLINE ck_panels ck_panels_of(const int format, const void *first, int64_t cols)
{
    ck_panels panels = {first, 0, 0};
    if (format == CK_Q8_0 || format == CK_Q4_0) {
        panels.code_offset = ck_whole_lines(cols / CK_BLOCK * CK_LANES * 2);
        panels.panel_bytes = ck_whole_lines(panels.code_offset + cols * CK_LANES / (format == CK_Q8_0 ? 1 : 2));
    } else {
        panels.panel_bytes = ck_whole_lines(cols * CK_LANES * (format == CK_F32 ? 4 : 2));
    }
    return panels;
}

CK_INLINE ck_vf ck_load_weights(const int format, const uint8_t *p, int64_t index)
{
    if (format == CK_F32) {
        return ck_load((const float *)(const void *)p + index);
    }
    const ck_vh half = ck_load_h((const uint16_t *)(const void *)p + index);
    return format == CK_F16 ? ck_from_f16(half) : ck_from_bf16(half);
}

/* out[p * T + t] = the dots of the rows of panel p of w with token t of x; x_row in elements. */
CK_INLINE void ck_float_tile(const int format, const int P, const int T, const ck_panels *w, const uint8_t *panel,
                             int64_t cols, const float *x, int64_t x_row, ck_vf *out)
{
    ck_vf sum[CK_TILE];
    CK_UNROLL
    for (int i = 0; i < P * T; i++) {
        sum[i] = ck_set(0.0f);
    }
    for (int64_t col = 0; col < cols; col++) {
        ck_vf weights[4];
        CK_UNROLL
        for (int p = 0; p < P; p++) {
            weights[p] = ck_load_weights(format, panel + p * w->panel_bytes, col * CK_LANES);
        }
        CK_UNROLL
        for (int t = 0; t < T; t++) {
            const ck_vf input = ck_set(x[t * x_row + col]);
            CK_UNROLL
            for (int p = 0; p < P; p++) {
                sum[p * T + t] = ck_fma(input, weights[p], sum[p * T + t]);
            }
        }
    }
    CK_UNROLL
    for (int i = 0; i < P * T; i++) {
        out[i] = sum[i];
    }
}

/* dot += four columns of each panel times each token. */
CK_INLINE void ck_dot_step(const int P, const int T, const ck_codes *codes, const uint8_t *x, int64_t x_bytes,
                           ck_vi *dot)
{
    CK_UNROLL
    for (int t = 0; t < T; t++) {
        const ck_inputs inputs = ck_set_inputs(x + t * x_bytes);
        CK_UNROLL
        for (int p = 0; p < P; p++) {
            dot[p * T + t] = ck_dot4(dot[p * T + t], codes[p], inputs);
        }
    }
}

/* out[p * T + t] as ck_float_tile, x being a8 with x_bytes from token to token. */
CK_INLINE void ck_block_tile(const int format, const int P, const int T, const ck_panels *w, const uint8_t *panel,
                             int64_t cols, const uint8_t *x, int64_t x_bytes, ck_vf *out)
{
    const int bias = format == CK_Q8_0 ? CK_Q8_BIAS : 8;
    ck_vf sum[CK_TILE];
    CK_UNROLL
    for (int i = 0; i < P * T; i++) {
        sum[i] = ck_set(0.0f);
    }
    const uint8_t *code = panel + w->code_offset;
    for (int64_t block = 0; block < cols / CK_BLOCK; block++) {
        ck_vi dot[CK_TILE];
        CK_UNROLL
        for (int t = 0; t < T; t++) {
            const ck_vi start = ck_set_i(-bias * ck_load_i32(x + t * x_bytes + CK_A8_SUM));
            CK_UNROLL
            for (int p = 0; p < P; p++) {
                dot[p * T + t] = start;
            }
        }
        for (int group = 0; group < (format == CK_Q8_0 ? 8 : 4); group++) {
            ck_codes codes[4];
            ck_codes high[4];
            CK_UNROLL
            for (int p = 0; p < P; p++) {
                const ck_vi stored = ck_load_codes(code + p * w->panel_bytes);
                codes[p] = format == CK_Q8_0 ? ck_codes_q8(stored) : ck_codes_q4(stored & 0x0f0f0f0f);
                high[p] = ck_codes_q4((stored >> 4) & 0x0f0f0f0f);
            }
            code += 4 * CK_LANES;
            ck_dot_step(P, T, codes, x + CK_A8_CODES + 4 * group, x_bytes, dot);
            if (format == CK_Q4_0) {
                ck_dot_step(P, T, high, x + CK_A8_CODES + 4 * group + 16, x_bytes, dot);
            }
        }
        ck_vf scale[4];
        CK_UNROLL
        for (int p = 0; p < P; p++) {
            const uint8_t *scales = panel + p * w->panel_bytes;
            scale[p] = ck_from_f16(ck_load_h((const uint16_t *)(const void *)scales + block * CK_LANES));
        }
        CK_UNROLL
        for (int t = 0; t < T; t++) {
            float input_scale;
            memcpy(&input_scale, x + t * x_bytes, sizeof input_scale);
            CK_UNROLL
            for (int p = 0; p < P; p++) {
                const ck_vf product = __builtin_convertvector(dot[p * T + t], ck_vf);
                sum[p * T + t] = ck_fma(scale[p] * ck_set(input_scale), product, sum[p * T + t]);
            }
        }
        x += CK_A8_BYTES;
    }
    CK_UNROLL
    for (int i = 0; i < P * T; i++) {
        out[i] = sum[i];
    }
}

#endif
