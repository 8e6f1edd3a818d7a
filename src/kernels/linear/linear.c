/* linear.c: y = x · wᵀ + bias, and without a bias as the two products of a gated feed-forward. */
#include "linear.h"

#include "activate.h"
#include "blockTiles.h"
#include "floatTiles.h"
#include "pieces.h"
#include "split.h"

typedef struct {
    int format;
    int pairs; /* panels 2i and 2i + 1 of w make output panel i */
    int64_t activation; /* of the first of a pair */
    int64_t tokens, rows, cols;
    const void *x; /* f32, or a8 for block formats */
    int64_t x_row; /* from token to token: elements of f32, bytes of a8 */
    const uint8_t *w;
    const float *bias; /* [rows], or NULL */
    float *y;
    int64_t y_row;
} ck_product;

/* y of output panel `panel` = v + bias, as many rows of it as there are. */
static void ck_store_panel(const ck_product *c, int64_t token, int64_t panel, ck_vf v)
{
    float *y = c->y + token * c->y_row + panel * CK_LANES;
    const int64_t left = c->rows - panel * CK_LANES;
    if (c->bias) {
        const float *bias = c->bias + panel * CK_LANES;
        v = v + (left >= CK_LANES ? ck_load(bias) : ck_load_n(bias, left));
    }
    if (left >= CK_LANES) {
        ck_store(y, v);
    } else {
        ck_store_n(y, v, left);
    }
}

/* The outputs of `panels` panels of w from `panel` on, for `tokens` tokens: sum[t * panels + p]. */
static void ck_store_tile(const ck_product *c, int panels, int64_t tokens, int64_t panel, int64_t token,
                          const ck_vf *sum)
{
    for (int64_t t = 0; t < tokens; t++, sum += panels) {
        for (int p = 0; p < panels; p += 1 + c->pairs) {
            if (c->pairs) {
                ck_store_panel(c, token + t, (panel + p) / 2, ck_activate(c->activation, sum[p]) * sum[p + 1]);
            } else {
                ck_store_panel(c, token + t, panel + p, sum[p]);
            }
        }
    }
}

/* Panels of all parts. */
CK_INLINE int64_t ck_panel_count(const ck_product *c)
{
    const int64_t panels = (c->rows + CK_LANES - 1) / CK_LANES;
    return c->pairs ? 2 * panels : panels;
}

/* Float formats: the tile of panels x tokens, one of the sizes that ck_multiply_floats asks for. */
CK_INLINE void ck_float_tile_of(const int format, const ck_product *c, int panels, int tokens, int64_t panel,
                                int64_t token, ck_vf *sum)
{
    enum { P = CK_FLOAT_PANELS, T = CK_FLOAT_TOKENS };
    const int64_t bytes = ck_float_panel_bytes(format, c->cols);
    const uint8_t *w = c->w + panel * bytes;
    const float *x = (const float *)c->x + token * c->x_row;
    const int64_t next = c->tokens == 1 && panel + panels < ck_panel_count(c) ? panels * bytes : 0;
    for (int i = 0; i < panels * tokens; i++) {
        sum[i] = ck_set(0.0f);
    }
    if (panels == P && tokens == T) {
        ck_float_tile(format, P, T, w, bytes, CK_LANES, c->cols, x, c->x_row, 1, sum);
    } else if (panels == P && tokens == T / 2) {
        ck_float_tile(format, P, T / 2, w, bytes, CK_LANES, c->cols, x, c->x_row, 1, sum);
    } else if (panels == CK_STREAM_PANELS) {
        ck_float_stream(format, CK_STREAM_PANELS, w, bytes, next, c->cols, x, sum);
    } else if (panels == CK_STREAM_PANELS / 2) {
        ck_float_stream(format, CK_STREAM_PANELS / 2, w, bytes, next, c->cols, x, sum);
    } else if (panels == 2 && tokens == T / 2) {
        ck_float_tile(format, 2, T / 2, w, bytes, CK_LANES, c->cols, x, c->x_row, 1, sum);
    } else if (panels == 2) {
        ck_float_stream(format, 2, w, bytes, next, c->cols, x, sum);
    } else if (tokens == T / 2) {
        ck_float_tile(format, 1, T / 2, w, bytes, CK_LANES, c->cols, x, c->x_row, 1, sum);
    } else {
        ck_float_stream(format, 1, w, bytes, next, c->cols, x, sum);
    }
}

static void ck_multiply_floats(const ck_product *c, int64_t panel, int64_t end)
{
    const int most_panels = c->tokens == 1 ? CK_STREAM_PANELS : CK_FLOAT_PANELS;
    const int most_tokens = CK_FLOAT_TOKENS;
    ck_vf sum[CK_FLOAT_SUMS];
    while (panel < end) {
        const int64_t below = end - panel;
        const int panels = below >= most_panels       ? most_panels
                           : below >= most_panels / 2 ? most_panels / 2
                           : below >= 2               ? 2
                                                      : 1;
        for (int64_t token = 0; token < c->tokens;) {
            const int64_t left = c->tokens - token;
            const int tall = panels == most_panels && left >= most_tokens;
            const int tokens = tall ? most_tokens : left >= most_tokens / 2 ? most_tokens / 2 : 1;
            if (c->format == CK_F32) {
                ck_float_tile_of(CK_F32, c, panels, tokens, panel, token, sum);
            } else if (c->format == CK_F16) {
                ck_float_tile_of(CK_F16, c, panels, tokens, panel, token, sum);
            } else {
                ck_float_tile_of(CK_BF16, c, panels, tokens, panel, token, sum);
            }
            ck_store_tile(c, panels, tokens, panel, token, sum);
            token += tokens;
        }
        panel += panels;
    }
}

/* DO(format) for every block format. A function for each: compilers take far longer for one that has them all. */
#define CK_EACH_FORMAT(DO)                                                                                             \
    DO(CK_Q8_0)                                                                                                        \
    DO(CK_Q4_0)                                                                                                        \
    DO(CK_Q4_1)                                                                                                        \
    DO(CK_Q5_0)                                                                                                        \
    DO(CK_Q5_1)                                                                                                        \
    DO(CK_Q2_K)                                                                                                        \
    DO(CK_Q3_K)                                                                                                        \
    DO(CK_Q4_K)                                                                                                        \
    DO(CK_Q5_K)                                                                                                        \
    DO(CK_Q6_K)                                                                                                        \
    DO(CK_IQ4_NL)                                                                                                      \
    DO(CK_IQ4_XS)                                                                                                      \
    DO(CK_MXFP4)

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

#define CK_DEFINE_ONE_TOKEN(format)                                                                                    \
    static __attribute__((noinline)) void ck_one_token_##format(const ck_product *c, int panels, int64_t panel,        \
                                                                int64_t step, ck_vf *sum)                              \
    {                                                                                                                  \
        ck_one_token(format, c, panels, panel, step, sum);                                                             \
    }
CK_EACH_FORMAT(CK_DEFINE_ONE_TOKEN)

/* sum = the outputs of `panels` panels of w, `step` from one to the next, the first one `panel`. */
static void ck_outputs_of_one(const ck_product *c, int panels, int64_t panel, int64_t step, ck_vf *sum)
{
    for (int p = 0; p < panels; p++) {
        sum[p] = ck_set(0.0f);
    }
    switch (c->format) {
#define CK_CASE(format)                                                                                                \
    case format:                                                                                                       \
        ck_one_token_##format(c, panels, panel, step, sum);                                                            \
        break;
        CK_EACH_FORMAT(CK_CASE)
#undef CK_CASE
    }
}

/* Block formats, one token: codes go from memory to registers once. */
static void ck_multiply_one(const ck_product *c, int64_t panel, int64_t end)
{
    enum { P = CK_WIDE_PANELS };
    /* Panels apart: equal shares of whole outputs, each of which is read from its begin to its end. */
    const int width = c->pairs ? 2 : 1;
    const int64_t step = CK_PANELS_APART ? (end - panel) / (P * width) * width : 0;
    for (int64_t i = 0; i < step; i += width, panel += width) {
        ck_vf sum[2][P];
        for (int j = 0; j < width; j++) {
            ck_outputs_of_one(c, P, panel + j, step, sum[j]);
        }
        for (int p = 0; p < P; p++) {
            ck_store_tile(c, width, 1, panel + p * step, 0, (const ck_vf[]){sum[0][p], sum[width - 1][p]});
        }
    }
    panel += (P - 1) * step;
    while (panel < end) {
        const int panels = end - panel >= P ? P : end - panel >= 2 ? 2 : 1;
        ck_vf sum[P];
        ck_outputs_of_one(c, panels, panel, 1, sum);
        ck_store_tile(c, panels, 1, panel, 0, sum);
        panel += panels;
    }
}

/* Expands `blocks` blocks of panel `panel` from block `block` on. */
static void ck_expand_panel(const ck_product *c, int64_t panel, int64_t block, int64_t blocks, ck_piece *piece)
{
    switch (c->format) {
#define CK_CASE(format)                                                                                                \
    case format: {                                                                                                     \
        const uint8_t *first = c->w + panel * ck_block_panel_bytes(format, c->cols);                                   \
        const ck_blocks w = ck_blocks_at(format, first, c->cols, block);                                               \
        ck_expand(format, &w, blocks, piece);                                                                          \
        break;                                                                                                         \
    }
        CK_EACH_FORMAT(CK_CASE)
#undef CK_CASE
    }
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
    static __attribute__((noinline)) void ck_multiply_run_##width##scales##offsets(                                    \
        const ck_product *c, const ck_run *run, ck_vf *sum)                                                            \
    {                                                                                                                  \
        ck_multiply_run(CK_EXPANDED_AS(width, scales, offsets), c, run, sum);                                          \
    }
CK_EACH_EXPANDED(CK_DEFINE_RUN)

/* Tokens whose sums are kept while a panel's pieces pass by. */
enum { CK_CHUNK = 32 * CK_BLOCK_TOKENS };

/*
 * Block formats, several tokens: codes are expanded to the first-level cache, a piece at a time, for as many tokens as stay in
 * the second-level one while all panels pass by.
 */
static void ck_multiply_many(const ck_product *c, int64_t panel, int64_t end)
{
    const int64_t all = c->cols / CK_BLOCK, most = ck_piece_blocks(c->format);
    ck_piece piece[CK_BLOCK_PANELS];
    ck_vf sum[CK_CHUNK * CK_BLOCK_PANELS];
    ck_run run = {
        .w = {
            .codes = (const uint8_t *)piece[0].codes,
            .scales = (const uint8_t *)piece[0].scales,
            .panel_bytes = sizeof piece[0],
            .shift = ck_has_bias(c->format) ? ck_bias_shift(c->format) : 0,
        },
    };
#if defined CK_MATRIX_TOKENS
    run.has_matrices = c->tokens >= CK_MATRIX_TOKENS && ck_matrix_begin(CK_BLOCK / ck_formats[c->format].scales);
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
                    ck_expand_panel(c, run.panel + p, run.block, run.blocks, &piece[p]);
                }
                switch (ck_expanded_format(c->format)) {
#define CK_CASE(width, scales, offsets)                                                                                \
    case CK_EXPANDED_AS(width, scales, offsets):                                                                       \
        ck_multiply_run_##width##scales##offsets(c, &run, sum);                                                        \
        break;
                    CK_EACH_EXPANDED(CK_CASE)
#undef CK_CASE
                }
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

/* The part's share of the outputs: whole blocks, so that the same part may quantise them. */
static void ck_multiply(const ck_product *c, int part, int parts)
{
    const int64_t block_panels = CK_BLOCK / CK_LANES * (c->pairs ? 2 : 1);
    int64_t panel, end;
    ck_share((c->rows + CK_BLOCK - 1) / CK_BLOCK, part, parts, &panel, &end);
    panel *= block_panels;
    end = ck_least(end * block_panels, ck_panel_count(c));
    if (c->format <= CK_BF16) {
        ck_multiply_floats(c, panel, end);
    } else if (c->tokens == 1) {
        ck_multiply_one(c, panel, end);
    } else {
        ck_multiply_many(c, panel, end);
    }
}

/* What the kernels of a dtype share: the product alone with a bias, and pairs of panels without. */
#define CK_DEFINE_FLOAT(dtype, type, format)                                                                           \
    void ck_linear_fwd_##dtype(int part, int parts, int64_t tokens, int64_t rows, int64_t cols, int64_t xRow,          \
                               int64_t yRow, const float *restrict x, const type *restrict w,                          \
                               const float *restrict bias, float *restrict y)                                          \
    {                                                                                                                  \
        const uint8_t *bytes = (const uint8_t *)w;                                                                     \
        const ck_product c = {format, 0, 0, tokens, rows, cols, x, xRow, bytes, bias, y, yRow};                        \
        ck_multiply(&c, part, parts);                                                                                  \
    }                                                                                                                  \
    void ck_linearGlu_fwd_##dtype(int part, int parts, int64_t tokens, int64_t rows, int64_t cols, int64_t xRow,       \
                                  int64_t yRow, int64_t activation, const float *restrict x, const type *restrict w,   \
                                  float *restrict y)                                                                   \
    {                                                                                                                  \
        const uint8_t *bytes = (const uint8_t *)w;                                                                     \
        const ck_product c = {format, 1, activation, tokens, rows, cols, x, xRow, bytes, NULL, y, yRow};               \
        ck_multiply(&c, part, parts);                                                                                  \
    }

#define CK_DEFINE_BLOCKS(dtype, format)                                                                                \
    void ck_linear_fwd_##dtype(int part, int parts, int64_t tokens, int64_t rows, int64_t cols, int64_t yRow,          \
                               const uint8_t *restrict x, const uint8_t *restrict w, const float *restrict bias,       \
                               float *restrict y)                                                                      \
    {                                                                                                                  \
        const int64_t x_bytes = cols / CK_BLOCK * CK_A8_BYTES;                                                         \
        const ck_product c = {format, 0, 0, tokens, rows, cols, x, x_bytes, w, bias, y, yRow};                         \
        ck_multiply(&c, part, parts);                                                                                  \
    }                                                                                                                  \
    void ck_linearGlu_fwd_##dtype(int part, int parts, int64_t tokens, int64_t rows, int64_t cols, int64_t yRow,       \
                                  int64_t activation, const uint8_t *restrict x, const uint8_t *restrict w,            \
                                  float *restrict y)                                                                   \
    {                                                                                                                  \
        const int64_t x_bytes = cols / CK_BLOCK * CK_A8_BYTES;                                                         \
        const ck_product c = {format, 1, activation, tokens, rows, cols, x, x_bytes, w, NULL, y, yRow};                \
        ck_multiply(&c, part, parts);                                                                                  \
    }

CK_DEFINE_FLOAT(f32, float, CK_F32)
CK_DEFINE_FLOAT(f16, uint16_t, CK_F16)
CK_DEFINE_FLOAT(bf16, uint16_t, CK_BF16)
CK_DEFINE_BLOCKS(q8_0, CK_Q8_0)
CK_DEFINE_BLOCKS(q4_0, CK_Q4_0)
CK_DEFINE_BLOCKS(q4_1, CK_Q4_1)
CK_DEFINE_BLOCKS(q5_0, CK_Q5_0)
CK_DEFINE_BLOCKS(q5_1, CK_Q5_1)
CK_DEFINE_BLOCKS(q2_K, CK_Q2_K)
CK_DEFINE_BLOCKS(q3_K, CK_Q3_K)
CK_DEFINE_BLOCKS(q4_K, CK_Q4_K)
CK_DEFINE_BLOCKS(q5_K, CK_Q5_K)
CK_DEFINE_BLOCKS(q6_K, CK_Q6_K)
CK_DEFINE_BLOCKS(iq4_nl, CK_IQ4_NL)
CK_DEFINE_BLOCKS(iq4_xs, CK_IQ4_XS)
CK_DEFINE_BLOCKS(mxfp4, CK_MXFP4)
