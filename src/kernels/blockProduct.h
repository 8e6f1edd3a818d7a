/*
 * blockProduct.h: products with weights in blocks of codes, of one token and of many.
 */
#ifndef CK_BLOCK_PRODUCT_H
#define CK_BLOCK_PRODUCT_H

#include "blockTiles.h"
#include "pieces.h"
#include "product.h"
#include "split.h"

/* A function that no format of a build may need. */
#define CK_OF_FORMATS static __attribute__((noinline, unused))

/*
 * sum += the products of `panels` panels of w, `step` from one to the next, the first one `panel`. What follows each of them
 * is asked for, whoever will work on it.
 */
CK_INLINE void ck_one_token(const int format, const ck_product *c, int panels, int64_t panel, int64_t step, ck_vf *sum)
{
    const int64_t bytes = ck_block_panel_bytes(format, c->cols);
    const int64_t later = step == 1 ? panels : 1;
    ck_blocks w = ck_blocks_at(format, c->w + panel * bytes, c->cols, 0);
    w.panel_bytes = step * bytes;
    w.next = panel + (panels - 1) * step + later < ck_panel_count(c) ? later * bytes : 0;
    const int64_t blocks = c->cols / CK_BLOCK;
    if (CK_WIDE_PANELS > 2 && panels == CK_WIDE_PANELS) {
        ck_block_tile(format, CK_WIDE_PANELS, 1, &w, blocks, c->x, 0, CK_WIDE_PANELS, sum);
    } else if (panels == 2) {
        ck_block_tile(format, 2, 1, &w, blocks, c->x, 0, 2, sum);
    } else {
        ck_block_tile(format, 1, 1, &w, blocks, c->x, 0, 1, sum);
    }
}

/* Expands `blocks` blocks of panel `panel` from block `block` on. */
CK_INLINE void ck_expand_panel(const int format, const ck_product *c, int64_t panel, int64_t block, int64_t blocks,
                               ck_piece *piece)
{
    const ck_blocks w = ck_blocks_at(format, c->w + panel * ck_block_panel_bytes(format, c->cols), c->cols, block);
    ck_expand(format, &w, blocks, piece);
}

/* Asks for the lines that the outputs of a tile will be written to. */
static void ck_prefetch_outputs(const ck_product *c, int panels, int64_t tokens, int64_t panel, int64_t token)
{
    const int64_t bytes = (int64_t)sizeof(ck_vf) * (c->pairs ? panels / 2 : panels);
    const float *y = c->y + token * c->y_row + (c->pairs ? panel / 2 : panel) * CK_LANES;
    for (int64_t t = 0; t < tokens; t++, y += c->y_row) {
        for (int64_t byte = 0; byte < bytes; byte += 64) {
            __builtin_prefetch((const uint8_t *)y + byte, 1);
        }
    }
}

/* A run of expanded blocks of `panels` panels from `panel` on, and the tokens from `token` on. */
typedef struct {
    ck_blocks w;
    int64_t block, blocks;
    int panels;
    int64_t panel, token, tokens;
    int has_matrices; /* ck_matrix_begin has been called */
} ck_run;

/* sum += the products of P panels of a run from panel `first` on with `tokens` tokens from x on: T, T / 2 or 1. */
CK_INLINE void ck_multiply_tokens(const int format, const int P, const ck_run *run, int first, int64_t tokens,
                                  const uint8_t *x, int64_t x_bytes, ck_vf *sum)
{
    enum { T = CK_BLOCK_TOKENS };
    ck_blocks w = run->w;
    w.codes += first * w.panel_bytes;
    w.scales += first * w.panel_bytes;
    if (tokens == T) {
        ck_block_tile(format, P, T, &w, run->blocks, x, x_bytes, run->panels, sum + first);
    } else if (tokens == T / 2) {
        ck_block_tile(format, P, T / 2, &w, run->blocks, x, x_bytes, run->panels, sum + first);
    } else {
        ck_block_tile(format, P, 1, &w, run->blocks, x, x_bytes, run->panels, sum + first);
    }
}

/* sum += the products of a run. */
CK_INLINE void ck_multiply_run(const int format, const ck_product *c, const ck_run *run, ck_vf *sum)
{
    enum { T = CK_BLOCK_TOKENS };
    const int P = ck_tile_panels(format);
    const int is_last = run->block + run->blocks == c->cols / CK_BLOCK;
    const uint8_t *x = (const uint8_t *)c->x + run->token * c->x_row + run->block * CK_A8_BYTES;
    for (int64_t t = 0; t < run->tokens;) {
        const int64_t left = run->tokens - t;
        const int some = left >= T ? T : left >= T / 2 ? T / 2 : 1;
        if (is_last) {
            ck_prefetch_outputs(c, run->panels, some, run->panel, run->token + t);
        }
#if defined CK_MATRIX_TOKENS
        if (run->has_matrices && run->panels == CK_BLOCK_PANELS && left >= CK_MATRIX_TOKENS) {
            ck_matrix_tile(format, &run->w, run->blocks, x, c->x_row, sum);
            t += CK_MATRIX_TOKENS;
            x += CK_MATRIX_TOKENS * c->x_row;
            sum += CK_MATRIX_TOKENS * CK_BLOCK_PANELS;
            continue;
        }
#endif
        if (P > 1 && run->panels == P) {
            ck_multiply_tokens(format, P, run, 0, some, x, c->x_row, sum);
        } else {
            for (int first = 0; first < run->panels; first++) {
                ck_multiply_tokens(format, 1, run, first, some, x, c->x_row, sum);
            }
        }
        t += some;
        x += some * c->x_row;
        sum += some * run->panels;
    }
}

/* DO(width, scales, offsets) for every format that a block format is expanded to. */
#if defined CK_SHORT_DOTS
#define CK_EACH_EXPANDED(DO)                                                                                           \
    DO(4, 1, 0)                                                                                                        \
    DO(4, 1, 1)                                                                                                        \
    DO(4, 2, 0)                                                                                                        \
    DO(4, 2, 1)                                                                                                        \
    DO(5, 1, 0)                                                                                                        \
    DO(5, 1, 1)                                                                                                        \
    DO(6, 2, 0)                                                                                                        \
    DO(8, 1, 0)
#else
#define CK_EACH_EXPANDED(DO)                                                                                           \
    DO(8, 1, 0)                                                                                                        \
    DO(8, 1, 1)                                                                                                        \
    DO(8, 2, 0)                                                                                                        \
    DO(8, 2, 1)
#endif

#define CK_DEFINE_RUN(width, scales, offsets)                                                                          \
    CK_OF_FORMATS void ck_multiply_run_##width##scales##offsets(const ck_product *c, const ck_run *run, ck_vf *sum)    \
    {                                                                                                                  \
        ck_multiply_run(CK_EXPANDED_AS(width, scales, offsets), c, run, sum);                                          \
    }
CK_EACH_EXPANDED(CK_DEFINE_RUN)

/* The functions of a block format. One for each format: compilers take far longer for one that has them all. */
typedef struct {
    int format;
    void (*one_token)(const ck_product *c, int panels, int64_t panel, int64_t step, ck_vf *sum);
    void (*expand_panel)(const ck_product *c, int64_t panel, int64_t block, int64_t blocks, ck_piece *piece);
    void (*multiply_run)(const ck_product *c, const ck_run *run, ck_vf *sum);
} ck_methods;

/* The one that multiplies runs of what `format` is expanded to. */
CK_INLINE void (*ck_run_method(const int format))(const ck_product *c, const ck_run *run, ck_vf *sum)
{
    switch (ck_expanded_format(format)) {
#define CK_CASE(width, scales, offsets)                                                                                \
    case CK_EXPANDED_AS(width, scales, offsets):                                                                       \
        return ck_multiply_run_##width##scales##offsets;
        CK_EACH_EXPANDED(CK_CASE)
#undef CK_CASE
    }
    return NULL;
}

/* sum = the outputs of `panels` panels of w, `step` from one to the next, the first one `panel`. */
CK_INLINE void ck_outputs_of_one(const ck_methods *of, const ck_product *c, int panels, int64_t panel, int64_t step,
                                 ck_vf *sum)
{
    for (int p = 0; p < panels; p++) {
        sum[p] = ck_set(0.0f);
    }
    of->one_token(c, panels, panel, step, sum);
}

/* Block formats, one token: codes go from memory to registers once. */
CK_OF_FORMATS void ck_multiply_one(const ck_methods *of, const ck_product *c, int64_t panel, int64_t end)
{
    enum { P = CK_WIDE_PANELS };
    /* Panels apart: equal shares of whole outputs, each of which is read from its begin to its end. */
    const int width = c->pairs ? 2 : 1;
    const int64_t step = CK_PANELS_APART ? (end - panel) / (P * width) * width : 0;
    for (int64_t i = 0; i < step; i += width, panel += width) {
        ck_vf sum[2][P];
        for (int j = 0; j < width; j++) {
            ck_outputs_of_one(of, c, P, panel + j, step, sum[j]);
        }
        for (int p = 0; p < P; p++) {
            ck_store_tile(c, width, 1, panel + p * step, 0, (const ck_vf[]){sum[0][p], sum[width - 1][p]});
        }
    }
    panel += (P - 1) * step;
    while (panel < end) {
        const int panels = end - panel >= P ? P : end - panel >= 2 ? 2 : 1;
        ck_vf sum[P];
        ck_outputs_of_one(of, c, panels, panel, 1, sum);
        ck_store_tile(c, panels, 1, panel, 0, sum);
        panel += panels;
    }
}

/* Tokens whose sums are kept while a panel's pieces pass by. */
enum { CK_CHUNK = 32 * CK_BLOCK_TOKENS };

/*
 * Block formats, several tokens: codes are expanded to the first-level cache, a piece at a time, for as many tokens as stay in
 * the second-level one while all panels pass by.
 */
CK_OF_FORMATS void ck_multiply_many(const ck_methods *of, const ck_product *c, int64_t panel, int64_t end)
{
    const int64_t all = c->cols / CK_BLOCK, most = ck_piece_blocks(of->format);
    ck_piece piece[CK_BLOCK_PANELS];
    ck_vf sum[CK_CHUNK * CK_BLOCK_PANELS];
    ck_run run = {
        .w = {
            .codes = (const uint8_t *)piece[0].codes,
            .scales = (const uint8_t *)piece[0].scales,
            .panel_bytes = sizeof piece[0],
            .shift = ck_has_bias(of->format) ? ck_bias_shift(of->format) : 0,
        },
    };
#if defined CK_MATRIX_TOKENS
    run.has_matrices = c->tokens >= CK_MATRIX_TOKENS && ck_matrix_begin(CK_BLOCK / ck_formats[of->format].scales);
#endif
    for (run.token = 0; run.token < c->tokens; run.token += CK_CHUNK) {
        run.tokens = ck_least(c->tokens - run.token, CK_CHUNK);
        for (run.panel = panel; run.panel < end; run.panel += run.panels) {
            run.panels = end - run.panel >= CK_BLOCK_PANELS ? CK_BLOCK_PANELS : 1;
            for (int64_t i = 0; i < run.tokens * run.panels; i++) {
                sum[i] = ck_set(0.0f);
            }
            for (run.block = 0; run.block < all; run.block += most) {
                run.blocks = ck_least(all - run.block, most);
                for (int p = 0; p < run.panels; p++) {
                    of->expand_panel(c, run.panel + p, run.block, run.blocks, &piece[p]);
                }
                of->multiply_run(c, &run, sum);
            }
            ck_store_tile(c, run.panels, run.tokens, run.panel, run.token, sum);
        }
    }
#if defined CK_MATRIX_TOKENS
    if (run.has_matrices) {
        ck_matrix_end();
    }
#endif
}

#endif
