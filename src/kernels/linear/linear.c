/* linear.c: y = x · wᵀ + bias, and without a bias as the two products of a gated feed-forward. */
#include "linear.h"

#include "blockProduct.h"
#include "floatProduct.h"
#include "split.h"

/* Multiplies the part's share of the outputs: whole blocks, so that the same part may quantise them. */
CK_INLINE void ck_multiply(const ck_product *c, int part, int parts,
                           void (*multiply)(const ck_product *c, int64_t panel, int64_t end))
{
    const int64_t block_panels = CK_BLOCK / CK_LANES * (c->pairs ? 2 : 1);
    int64_t block, end;
    ck_share((c->rows + CK_BLOCK - 1) / CK_BLOCK, part, parts, &block, &end);
    multiply(c, block * block_panels, ck_least(end * block_panels, ck_panel_count(c)));
}

/* The kernels of a dtype: the product alone with a bias, and pairs of panels without. */
#define CK_DEFINE_FLOATS(dtype, type, format)                                                                          \
    static void ck_multiply_##dtype(const ck_product *c, int64_t panel, int64_t end)                                   \
    {                                                                                                                  \
        ck_multiply_floats(format, c, panel, end);                                                                     \
    }                                                                                                                  \
    void ck_linear_fwd_##dtype(int part, int parts, int64_t tokens, int64_t rows, int64_t cols, int64_t xRow,          \
                               int64_t yRow, const float *restrict x, const type *restrict w,                          \
                               const float *restrict bias, float *restrict y)                                          \
    {                                                                                                                  \
        const ck_product c = {0, 0, tokens, rows, cols, x, xRow, (const uint8_t *)w, bias, y, yRow};                   \
        ck_multiply(&c, part, parts, ck_multiply_##dtype);                                                             \
    }                                                                                                                  \
    void ck_linearGlu_fwd_##dtype(int part, int parts, int64_t tokens, int64_t rows, int64_t cols, int64_t xRow,       \
                                  int64_t yRow, int64_t activation, const float *restrict x, const type *restrict w,   \
                                  float *restrict y)                                                                   \
    {                                                                                                                  \
        const ck_product c = {1, activation, tokens, rows, cols, x, xRow, (const uint8_t *)w, NULL, y, yRow};          \
        ck_multiply(&c, part, parts, ck_multiply_##dtype);                                                             \
    }

#define CK_DEFINE_BLOCKS(dtype, type, format)                                                                          \
    static void ck_one_token_##dtype(const ck_product *c, int panels, int64_t panel, int64_t step, ck_vf *sum)         \
    {                                                                                                                  \
        ck_one_token(format, c, panels, panel, step, sum);                                                             \
    }                                                                                                                  \
    static void ck_expand_panel_##dtype(const ck_product *c, int64_t panel, int64_t block, int64_t blocks,             \
                                        ck_piece *piece)                                                               \
    {                                                                                                                  \
        ck_expand_panel(format, c, panel, block, blocks, piece);                                                       \
    }                                                                                                                  \
    static void ck_multiply_##dtype(const ck_product *c, int64_t panel, int64_t end)                                   \
    {                                                                                                                  \
        const ck_methods of = {format, ck_one_token_##dtype, ck_expand_panel_##dtype, ck_run_method(format)};          \
        (c->tokens == 1 ? ck_multiply_one : ck_multiply_many)(&of, c, panel, end);                                     \
    }                                                                                                                  \
    void ck_linear_fwd_##dtype(int part, int parts, int64_t tokens, int64_t rows, int64_t cols, int64_t yRow,          \
                               const uint8_t *restrict x, const type *restrict w, const float *restrict bias,          \
                               float *restrict y)                                                                      \
    {                                                                                                                  \
        const int64_t x_bytes = cols / CK_BLOCK * CK_A8_BYTES;                                                         \
        const ck_product c = {0, 0, tokens, rows, cols, x, x_bytes, w, bias, y, yRow};                                 \
        ck_multiply(&c, part, parts, ck_multiply_##dtype);                                                             \
    }                                                                                                                  \
    void ck_linearGlu_fwd_##dtype(int part, int parts, int64_t tokens, int64_t rows, int64_t cols, int64_t yRow,       \
                                  int64_t activation, const uint8_t *restrict x, const type *restrict w,               \
                                  float *restrict y)                                                                   \
    {                                                                                                                  \
        const int64_t x_bytes = cols / CK_BLOCK * CK_A8_BYTES;                                                         \
        const ck_product c = {1, activation, tokens, rows, cols, x, x_bytes, w, NULL, y, yRow};                        \
        ck_multiply(&c, part, parts, ck_multiply_##dtype);                                                             \
    }

CK_LINEAR_FLOATS(CK_DEFINE_FLOATS)
CK_LINEAR_BLOCKS(CK_DEFINE_BLOCKS)
