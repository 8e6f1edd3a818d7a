/*
 * product.h: what a product with weights in panels reads and writes.
 */
#ifndef CK_PRODUCT_H
#define CK_PRODUCT_H

#include "activate.h"

typedef struct {
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

#endif
