/*
 * floatProduct.h: products with weights that are floats.
 */
#ifndef CK_FLOAT_PRODUCT_H
#define CK_FLOAT_PRODUCT_H

#include "floatTiles.h"
#include "product.h"

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

CK_INLINE void ck_multiply_floats(const int format, const ck_product *c, int64_t panel, int64_t end)
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
            ck_float_tile_of(format, c, panels, tokens, panel, token, sum);
            ck_store_tile(c, panels, tokens, panel, token, sum);
            token += tokens;
        }
        panel += panels;
    }
}

#endif
