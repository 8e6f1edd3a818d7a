/* linear.c: y = x · wᵀ, alone and as the gate and up products of swiglu. */
#include "linear.h"

#include "split.h"
#include "tiles.h"

typedef struct {
    int format;
    ck_panels w;
    int64_t tokens, rows, cols;
    const void *x; /* f32, or a8 for block formats */
    int64_t x_row; /* from token to token: elements of f32, bytes of a8 */
    float *y;
    int64_t y_row;
} ck_product;

static int ck_is_block_format(int format)
{
    return format == CK_Q8_0 || format == CK_Q4_0;
}

CK_INLINE void ck_tile(const int format, const int P, const int T, const ck_product *c, int64_t panel, int64_t token,
                       ck_vf *out)
{
    const uint8_t *w = c->w.first + panel * c->w.panel_bytes;
    if (format == CK_Q8_0 || format == CK_Q4_0) {
        const uint8_t *x = (const uint8_t *)c->x + token * c->x_row;
        ck_block_tile(format, P, T, &c->w, w, c->cols, x, c->x_row, out);
    } else {
        const float *x = (const float *)c->x + token * c->x_row;
        ck_float_tile(format, P, T, &c->w, w, c->cols, x, c->x_row, out);
    }
}

/* The tile of panels x tokens, one of the sizes that ck_multiply asks for, P x T being the largest. */
CK_INLINE void ck_sized_tile(const int format, const int P, const int T, const ck_product *c, int panels, int tokens,
                             int64_t panel, int64_t token, ck_vf *out)
{
    if (panels == P && tokens == T) {
        ck_tile(format, P, T, c, panel, token, out);
    } else if (panels == P && tokens == T / 2) {
        ck_tile(format, P, T / 2, c, panel, token, out);
    } else if (panels == CK_WIDE_PANELS) {
        ck_tile(format, CK_WIDE_PANELS, 1, c, panel, token, out);
    } else if (panels == 2 && tokens == T / 2) {
        ck_tile(format, 2, T / 2, c, panel, token, out);
    } else if (panels == 2) {
        ck_tile(format, 2, 1, c, panel, token, out);
    } else if (tokens == T / 2) {
        ck_tile(format, 1, T / 2, c, panel, token, out);
    } else {
        ck_tile(format, 1, 1, c, panel, token, out);
    }
}

static void ck_run_tile(const ck_product *c, int panels, int tokens, int64_t panel, int64_t token, ck_vf *out)
{
    switch (c->format) {
    case CK_F32:
        ck_sized_tile(CK_F32, CK_FLOAT_PANELS, CK_FLOAT_TOKENS, c, panels, tokens, panel, token, out);
        break;
    case CK_F16:
        ck_sized_tile(CK_F16, CK_FLOAT_PANELS, CK_FLOAT_TOKENS, c, panels, tokens, panel, token, out);
        break;
    case CK_BF16:
        ck_sized_tile(CK_BF16, CK_FLOAT_PANELS, CK_FLOAT_TOKENS, c, panels, tokens, panel, token, out);
        break;
    case CK_Q8_0:
        ck_sized_tile(CK_Q8_0, CK_BLOCK_PANELS, CK_BLOCK_TOKENS, c, panels, tokens, panel, token, out);
        break;
    default:
        ck_sized_tile(CK_Q4_0, CK_BLOCK_PANELS, CK_BLOCK_TOKENS, c, panels, tokens, panel, token, out);
        break;
    }
}

/* y of output panel `panel` = v, as many rows of it as there are. */
static void ck_store_panel(const ck_product *c, int64_t token, int64_t panel, ck_vf v)
{
    float *y = c->y + token * c->y_row + panel * CK_LANES;
    const int64_t left = c->rows - panel * CK_LANES;
    if (left >= CK_LANES) {
        ck_store(y, v);
    } else {
        ck_store_n(y, v, left);
    }
}

/* The part's share of the output panels. In pairs, panels 2i and 2i + 1 of w make output panel i. */
static void ck_multiply(const ck_product *c, int pairs, int part, int parts)
{
    const int blocks = ck_is_block_format(c->format);
    const int most_panels = c->tokens == 1 ? CK_WIDE_PANELS : blocks ? CK_BLOCK_PANELS : CK_FLOAT_PANELS;
    const int most_tokens = blocks ? CK_BLOCK_TOKENS : CK_FLOAT_TOKENS;
    ck_vf out[CK_TILE];
    int64_t panel, end;
    ck_share((c->rows + CK_LANES - 1) / CK_LANES, part, parts, &panel, &end);
    if (pairs) {
        panel *= 2;
        end *= 2;
    }
    while (panel < end) {
        const int panels = end - panel >= most_panels ? most_panels : end - panel >= 2 ? 2 : 1;
        for (int64_t token = 0; token < c->tokens;) {
            const int64_t left = c->tokens - token;
            const int tall = panels == most_panels && left >= most_tokens;
            const int tokens = tall ? most_tokens : left >= most_tokens / 2 ? most_tokens / 2 : 1;
            ck_run_tile(c, panels, tokens, panel, token, out);
            for (int t = 0; t < tokens; t++) {
                for (int p = 0; p < panels; p += 1 + pairs) {
                    const ck_vf v = out[p * tokens + t];
                    if (pairs) {
                        ck_store_panel(c, token + t, (panel + p) / 2, ck_silu(v) * out[(p + 1) * tokens + t]);
                    } else {
                        ck_store_panel(c, token + t, panel + p, v);
                    }
                }
            }
            token += tokens;
        }
        panel += panels;
    }
}

#define CK_DEFINE_FLOAT(name, type, format, pairs)                                                                     \
    void ck_##name(int part, int parts, int64_t tokens, int64_t rows, int64_t cols, int64_t xRow, int64_t yRow,        \
                   const float *restrict x, const type *restrict w, float *restrict y)                                 \
    {                                                                                                                  \
        const ck_product c = {format, ck_panels_of(format, w, cols), tokens, rows, cols, x, xRow, y, yRow};            \
        ck_multiply(&c, pairs, part, parts);                                                                           \
    }

#define CK_DEFINE_BLOCKS(name, format, pairs)                                                                          \
    void ck_##name(int part, int parts, int64_t tokens, int64_t rows, int64_t cols, int64_t yRow,                      \
                   const uint8_t *restrict x, const uint8_t *restrict w, float *restrict y)                            \
    {                                                                                                                  \
        const int64_t x_bytes = cols / CK_BLOCK * CK_A8_BYTES;                                                         \
        const ck_product c = {format, ck_panels_of(format, w, cols), tokens, rows, cols, x, x_bytes, y, yRow};         \
        ck_multiply(&c, pairs, part, parts);                                                                           \
    }

CK_DEFINE_FLOAT(linear_fwd_f32, float, CK_F32, 0)
CK_DEFINE_FLOAT(linear_fwd_f16, uint16_t, CK_F16, 0)
CK_DEFINE_FLOAT(linear_fwd_bf16, uint16_t, CK_BF16, 0)
CK_DEFINE_BLOCKS(linear_fwd_q8_0, CK_Q8_0, 0)
CK_DEFINE_BLOCKS(linear_fwd_q4_0, CK_Q4_0, 0)
CK_DEFINE_FLOAT(linearSwiglu_fwd_f32, float, CK_F32, 1)
CK_DEFINE_FLOAT(linearSwiglu_fwd_f16, uint16_t, CK_F16, 1)
CK_DEFINE_FLOAT(linearSwiglu_fwd_bf16, uint16_t, CK_BF16, 1)
CK_DEFINE_BLOCKS(linearSwiglu_fwd_q8_0, CK_Q8_0, 1)
CK_DEFINE_BLOCKS(linearSwiglu_fwd_q4_0, CK_Q4_0, 1)
