/* attendBack.h: the gradient of a strip of attention. */
#ifndef CK_ATTENDBACK_H
#define CK_ATTENDBACK_H

#include "weighStrip.h"

/* sums [keys, width] += for each key of a run its weights [keys][CK_STRIP] times the rows of the strip. */
static void ck_add_rows(const ck_attention *a, const ck_strip *s, const ck_run *run, const float *weights,
                        const float *rows, float *sums)
{
    const int64_t line = ck_whole(a->width, CK_LINE_FLOATS), lane = run->first * CK_LANES;
    ck_add_products_of_queries(&(ck_product){
        .rows = run->end - run->begin,
        .vectors = (a->width + CK_LANES - 1) / CK_LANES,
        .depth = ck_rows_of(s, run),
        .line = line,
        .a = weights + lane,
        .b = rows + lane * line,
        .y = sums + run->begin * line,
    });
}

/*
 * dq of the strip, and what it adds to dk and dv. With weights e not yet divided and g = dy / sum of e:
 * dv += e * g,  flow = e * (g · v - g · y),  dk += flow * scale * q,  dq = scale * sum of flow * k.
 */
static void ck_differentiate_strip(const ck_attention *a, const ck_room *r, ck_sequence in, int64_t head, int64_t row,
                                   float *dq)
{
    const int64_t line = ck_whole(a->width, CK_LINE_FLOATS), token = in.begin + row, column = head * a->width;
    const float *dy = a->dy + token * a->dy_row + column, *y = a->y + token * a->y_row + column;
    float means[CK_STRIP] = {0};
    ck_strip s = {.runs = r->runs};
    ck_set_strip(a, in, row, &s);
    ck_set_queries(a, r, a->q + token * a->q_row + column, s.rows);
    ck_weigh_strip(a, r, &s);
    ck_copy_rows(dy, a->dy_row, s.rows, a->width, 0.0f, s.inverse, r->gradients);
    ck_turn_rows(r->gradients, s.rows, a->width, r->turned_gradients);
    for (int64_t at = 0; at < s.rows; at++) {
        ck_vf sum = ck_set(0.0f);
        for (int64_t col = 0; col < a->width; col += CK_LANES) {
            const int64_t n = ck_least(CK_LANES, a->width - col);
            sum = ck_fma(ck_load(r->gradients + at * line + col), ck_load_n(y + at * a->y_row + col, n), sum);
        }
        means[at] = -ck_sum(sum);
    }
    memset(r->sums, 0, (size_t)(s.rows * line) * sizeof(float));
    CK_EACH_RUN (run, &s) {
        const int64_t at = (run->begin - s.begin) * CK_STRIP, lane = run->first * CK_LANES;
        float *weights = r->weights + at, *flows = a->cap > 0.0f ? r->flows + at : r->flows;
        ck_multiply_scores(&(ck_product){
            .rows = run->end - run->begin,
            .vectors = run->last - run->first,
            .depth = a->width,
            .line = line,
            .a = r->values + run->begin * line,
            .b = r->turned_gradients + lane,
            .y = flows + lane,
            .start = means + lane,
            .factor = weights + lane,
            .is_bent = a->cap > 0.0f,
        });
        ck_add_keys(a, &s, run, flows, r->keys, r->sums);
        ck_add_rows(a, &s, run, flows, r->queries, r->dk);
        ck_add_rows(a, &s, run, weights, r->gradients, r->dv);
    }
    ck_store_rows(r->sums, s.rows, a->width, a->scale, NULL, dq + (token * a->heads + head) * a->width,
                  a->heads * a->width);
}

#endif
