/*
 * blockTiles.h: register tiles of y = x · wᵀ for weights in blocks of codes: P panels of weights times T tokens.
 *
 * Whatever the tile, an output is one chain along the columns: one ck_fma per scale and per offset of a block of 32
 * columns. So the bits of an output depend neither on the tile nor on the other tokens of a call. sum[t * P + p] is the
 * output of the rows of panel p for token t.
 */
#ifndef CK_BLOCKTILES_H
#define CK_BLOCKTILES_H

#include "blocks.h"
#include "matrix.h"
#include "split.h"

/* Most accumulators of a tile. */
enum { CK_BLOCK_SUMS = 24 };

/*
 * Panels per tile in a call of several tokens, and the most tokens of a tile, so that the accumulators, the weights and
 * one input fit the registers.
 */
#if defined CK_ISA_SCALAR || defined CK_SHORT_DOTS && !defined CK_AVX512
enum { CK_BLOCK_PANELS = 2, CK_BLOCK_TOKENS = 4 };
#else
enum { CK_BLOCK_PANELS = 2, CK_BLOCK_TOKENS = 6 };
#endif

/* Panels of a tile of an expanded format: codes of 8 bits have two sums per output where those are short. */
CK_INLINE int ck_tile_panels(const int format)
{
#if defined CK_SHORT_DOTS
    return ck_formats[format].width == 8 ? 1 : CK_BLOCK_PANELS;
#else
    (void)format;
    return CK_BLOCK_PANELS;
#endif
}

/*
 * One token takes as many panels at once as give the most from memory, next to each other or (CK_PANELS_APART) each from a
 * share of its own, and asks for blocks so many bytes of a panel before their use.
 */
#if defined CK_ISA_SCALAR || defined CK_SHORT_DOTS
enum { CK_WIDE_PANELS = 2, CK_PANELS_APART = 1, CK_AHEAD_BYTES = 1024 };
#else
enum { CK_WIDE_PANELS = 4, CK_PANELS_APART = 0, CK_AHEAD_BYTES = 2048 };
#endif

CK_INLINE float ck_load_float(const uint8_t *p)
{
    float value;
    memcpy(&value, p, sizeof value);
    return value;
}

/* -128 times the sum of the codes of part `part` of the a8 block x. */
CK_INLINE int32_t ck_code_start(const int parts, const uint8_t *x, int part)
{
    const int32_t low = ck_load_i32(x + CK_A8_LOW_START);
    return parts == 1 ? ck_load_i32(x + CK_A8_START) : part == 0 ? low : ck_load_i32(x + CK_A8_START) - low;
}

/* The scale of x times the sum of the codes of part `part`. */
CK_INLINE float ck_scaled_code_sum(const int parts, const uint8_t *x, int part)
{
    return parts == 1 ? ck_load_float(x + CK_A8_SUM)
                      : ck_load_float(x) * ((float)ck_code_start(parts, x, part) * (-1.0f / CK_A8_BIAS));
}

/* What a dot of part `part` of the a8 block x with weights of w begins with: minus what their bias adds. */
CK_INLINE ck_vi ck_dot_start(const int format, const ck_blocks *w, const uint8_t *x, int part)
{
    const ck_format f = ck_formats[format];
    if (!ck_has_bias(format)) {
        return ck_set_i(0);
    }
    const ck_vi start = ck_set_i(ck_code_start(f.scales, x, part));
    return ck_is_expanded(format) ? (f.width < 8 ? start >> w->shift : start) : start >> ck_bias_shift(format);
}

/*
 * Asks for the lines of P panels that are read CK_AHEAD_BYTES after block `block` of `blocks`, an eighth of them per group:
 * many requests at once would keep the loads behind them waiting.
 */
CK_INLINE void ck_prefetch_group(const int format, const int P, const ck_blocks *w, int64_t block, int64_t blocks,
                                 int group)
{
    const ck_format f = ck_formats[format];
    const int64_t code_bytes = f.bits * 4 * CK_LANES;
    const int64_t scale_bytes = ck_record_bytes(format) * CK_BLOCK / f.columns;
    const int64_t later = block + ck_least(blocks, (CK_AHEAD_BYTES + code_bytes - 1) / code_bytes);
    /* Where nothing follows, the begin of these panels once more. */
    const int64_t first = later < blocks ? 0 : w->next;
    const int64_t at = later < blocks ? later : later - blocks;
    CK_UNROLL
    for (int p = 0; p < P; p++) {
        const int64_t panel = first + p * w->panel_bytes;
        CK_UNROLL
        for (int64_t byte = 0; byte < code_bytes; byte += 64) {
            if ((byte / 64 * P + p) % 8 == group) {
                __builtin_prefetch(w->codes + panel + at * code_bytes + byte, 0, 3);
            }
        }
        if (p % 8 == group) {
            __builtin_prefetch(w->scales + panel + at * scale_bytes, 0, 3);
        }
    }
}

/* dot = what each begins with. */
CK_INLINE void ck_begin_dots(const int format, const int P, const int T, const ck_blocks *w, int part,
                             const uint8_t *x, int64_t x_bytes, ck_vi *dot)
{
    CK_UNROLL
    for (int t = 0; t < T; t++) {
        const ck_vi start = ck_dot_start(format, w, x + t * x_bytes, part);
        CK_UNROLL
        for (int p = 0; p < P; p++) {
            dot[t * P + p] = start;
        }
    }
}

#if defined CK_SHORT_DOTS

/* sum[i] += operand i of group `group` of block `block` of each panel times each token. */
CK_INLINE void ck_short_group(const int format, const int P, const int T, const ck_blocks *w, int64_t block, int group,
                              const uint8_t *x, int64_t x_bytes, ck_vs *sum)
{
    const int count = ck_short_codes(format);
    ck_vi codes[2 * CK_BLOCK_PANELS];
    ck_load_short(format, P, w, block, group, codes);
    CK_UNROLL
    for (int t = 0; t < T; t++) {
        const ck_inputs inputs = ck_set_inputs(x + t * x_bytes + CK_A8_CODES + 4 * group);
        CK_UNROLL
        for (int i = 0; i < count * P; i++) {
            sum[t * count * P + i] = ck_short_dot4(sum[t * count * P + i], codes[i], inputs);
        }
    }
}

/* dot = part `part` of block `block` of each panel times each token, in runs of groups whose sums fit 16 bits. */
CK_INLINE void ck_dot_part(const int format, const int P, const int T, const ck_blocks *w, int64_t block,
                           int64_t blocks, int part, const uint8_t *x, int64_t x_bytes, ck_vi *dot)
{
    const ck_format f = ck_formats[format];
    const int count = ck_short_codes(format), groups = 8 / f.scales;
    const int most = ck_short_run(count == 2 ? 4 : f.width), run = most < groups ? most : groups;
    CK_UNROLL
    for (int first = 0; first < groups; first += run) {
        const int from = part * groups + first;
        ck_vs sum[CK_BLOCK_SUMS];
        CK_UNROLL
        for (int i = 0; i < count * P * T; i++) {
            sum[i] = (ck_vs){0};
        }
        CK_UNROLL
        for (int group = from; group < from + run; group++) {
            if (!ck_is_expanded(format)) {
                ck_prefetch_group(format, P, w, block, blocks, group);
            }
            ck_short_group(format, P, T, w, block, group, x, x_bytes, sum);
        }
        if (first == 0) {
            ck_begin_dots(format, P, T, w, part, x, x_bytes, dot);
        }
        CK_UNROLL
        for (int i = 0; i < P * T; i++) {
            const ck_vs *at = &sum[i / P * count * P + i % P];
            dot[i] = ck_add_short(dot[i], at[0], 1);
            if (count == 2) {
                dot[i] = ck_add_short(dot[i], at[P], 16);
            }
        }
    }
}

#else

/* dot += group `group` of block `block` of each panel times each token. */
CK_INLINE void ck_dot_group(const int format, const int P, const int T, const ck_blocks *w, int64_t block, int group,
                            const uint8_t *x, int64_t x_bytes, ck_vi *dot)
{
    ck_codes codes[CK_WIDE_PANELS];
    CK_UNROLL
    for (int p = 0; p < P; p++) {
        codes[p] = ck_block_codes(format, w, p, block, group);
    }
    CK_UNROLL
    for (int t = 0; t < T; t++) {
        const ck_inputs inputs = ck_set_inputs(x + t * x_bytes + CK_A8_CODES + 4 * group);
        CK_UNROLL
        for (int p = 0; p < P; p++) {
            dot[t * P + p] = ck_dot4(dot[t * P + p], codes[p], inputs);
        }
    }
}

/* dot = part `part` of block `block` of each panel times each token. */
CK_INLINE void ck_dot_part(const int format, const int P, const int T, const ck_blocks *w, int64_t block,
                           int64_t blocks, int part, const uint8_t *x, int64_t x_bytes, ck_vi *dot)
{
    const int groups = 8 / ck_formats[format].scales;
    ck_begin_dots(format, P, T, w, part, x, x_bytes, dot);
    /* Stored codes are shifted by numbers that must be constants. */
    if (ck_is_expanded(format)) {
        for (int i = 0; i < groups; i++) {
            ck_dot_group(format, P, T, w, block, part * groups + i, x, x_bytes, dot);
        }
    } else {
        CK_UNROLL
        for (int i = 0; i < groups; i++) {
            ck_prefetch_group(format, P, w, block, blocks, part * groups + i);
            ck_dot_group(format, P, T, w, block, part * groups + i, x, x_bytes, dot);
        }
    }
}

#endif

/* sum += the dots of part `part` of block `block`, scaled, and what the offsets add. */
CK_INLINE void ck_scale_dots(const int format, const int P, const int T, const ck_blocks *w, int64_t block, int part,
                             const uint8_t *x, int64_t x_bytes, const ck_vi *dot, ck_vf *sum)
{
    const int parts = ck_formats[format].scales;
    ck_vf scale[4], offset[4];
    CK_UNROLL
    for (int p = 0; p < P; p++) {
        scale[p] = ck_block_scale(format, w, p, block, part);
        offset[p] = ck_formats[format].offsets ? ck_block_offset(format, w, p, block, part) : scale[p];
    }
    CK_UNROLL
    for (int t = 0; t < T; t++) {
        const ck_vf x_scale = ck_set(ck_load_float(x + t * x_bytes));
        const ck_vf x_sum = ck_set(ck_scaled_code_sum(parts, x + t * x_bytes, part));
        CK_UNROLL
        for (int p = 0; p < P; p++) {
            ck_vf *at = &sum[t * P + p];
            *at = ck_fma(scale[p] * x_scale, ck_to_float(dot[t * P + p]), *at);
            if (ck_formats[format].offsets) {
                *at = ck_fma(offset[p], x_sum, *at);
            }
        }
    }
}

/*
 * sums += the dots of `blocks` blocks of the panels of w with the tokens of x, a8 with x_bytes from token to token, and
 * `step` sums.
 */
CK_INLINE void ck_block_tile(const int format, const int P, const int T, const ck_blocks *w, int64_t blocks,
                             const uint8_t *x, int64_t x_bytes, int64_t step, ck_vf *sums)
{
    ck_vf sum[CK_BLOCK_SUMS];
    CK_UNROLL
    for (int i = 0; i < P * T; i++) {
        sum[i] = sums[i / P * step + i % P];
    }
    for (int64_t block = 0; block < blocks; block++, x += CK_A8_BYTES) {
        CK_UNROLL
        for (int part = 0; part < ck_formats[format].scales; part++) {
            ck_vi dot[CK_BLOCK_SUMS];
            ck_dot_part(format, P, T, w, block, blocks, part, x, x_bytes, dot);
            ck_scale_dots(format, P, T, w, block, part, x, x_bytes, dot, sum);
        }
    }
    CK_UNROLL
    for (int i = 0; i < P * T; i++) {
        sums[i / P * step + i % P] = sum[i];
    }
}

#if defined CK_MATRIX_TOKENS

/* The same for two panels of an expanded format and CK_MATRIX_TOKENS tokens, between ck_matrix_begin and ck_matrix_end. */
CK_INLINE void ck_matrix_tile(const int format, const ck_blocks *w, int64_t blocks, const uint8_t *x, int64_t x_bytes,
                              ck_vf *sums)
{
    enum { P = 2, T = CK_MATRIX_TOKENS };
    const int parts = ck_formats[format].scales;
    const int groups = 8 / parts;
    const ck_codes *first = (const ck_codes *)(const void *)w->codes;
    const ck_codes *second = (const ck_codes *)(const void *)(w->codes + w->panel_bytes);
    for (int64_t block = 0; block < blocks; block++, x += CK_A8_BYTES) {
        for (int part = 0; part < parts; part++, first += groups, second += groups) {
            ck_vi dot[P * T];
            ck_matrix_dots(4 * groups, x + CK_A8_CODES + 4 * groups * part, x_bytes, first, second, dot);
            for (int t = 0; t < T; t++) {
                const uint8_t *token = x + t * x_bytes;
                const ck_vi start = ck_dot_start(format, w, token, part);
                dot[t * P] += start;
                dot[t * P + 1] += start;
                ck_scale_dots(format, P, 1, w, block, part, token, x_bytes, dot + t * P, sums + t * P);
            }
        }
    }
}

#endif

#endif
