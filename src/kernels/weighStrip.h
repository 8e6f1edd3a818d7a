/* weighStrip.h: the weights by which a strip of attention's queries reads keys, and what they make of values. */
#ifndef CK_WEIGHSTRIP_H
#define CK_WEIGHSTRIP_H

#include "exp.h"
#include "lines.h"
#include "reduce.h"
#include "strips.h"

typedef struct {
    int64_t tokens, length, heads, kv_heads, width, q_row, k_row, v_row, y_row, dy_row, window;
    float scale, cap;
    int is_causal;
    const float *q, *k, *v, *y, *dy;
    const int32_t *starts;
} ck_attention;

/* A part's scratch. Rows of keys and queries are padded to whole lines with zeros. */
typedef struct {
    ck_run *runs;
    float *weights; /* [keys][CK_STRIP]: scores, then weights of the strip */
    float *flows;   /* their gradients: [keys][CK_STRIP] with a cap, else of one run */
    float *keys, *values, *dk, *dv;             /* [length] rows of one cache head */
    float *queries, *turned_queries;            /* [CK_STRIP] rows of the strip, and with axes exchanged */
    float *gradients, *turned_gradients, *sums; /* the same of dy; and of y or dq */
} ck_room;

/* Rows [begin, begin + rows) of the step: one row of the batch. */
typedef struct {
    int64_t begin, rows;
} ck_sequence;

CK_INLINE ck_sequence ck_sequence_of(const ck_attention *a, int64_t row)
{
    const int64_t begin = row * a->length, left = a->tokens - begin;
    return (ck_sequence){begin, left < 0 ? 0 : ck_least(left, a->length)};
}

/* The strip of rows that begins with `row` of a sequence: the keys that each of its rows reads. */
static void ck_set_strip(const ck_attention *a, ck_sequence in, int64_t row, ck_strip *s)
{
    const int32_t *starts = a->starts ? a->starts + in.begin : NULL;
    s->rows = ck_least(CK_STRIP, in.rows - row);
    int64_t end = row + s->rows;
    if (!a->is_causal) {
        while (end < in.rows && (!starts || starts[end] == starts[end - 1])) {
            end++;
        }
    }
    for (int64_t at = s->rows - 1; at >= 0; at--) {
        const int64_t own = row + at, start = starts ? starts[own] - in.begin : 0;
        const int64_t first = a->window > 0 && own + 1 > a->window ? own + 1 - a->window : 0;
        if (!a->is_causal && starts && at + 1 < s->rows && starts[own + 1] != starts[own]) {
            end = own + 1;
        }
        s->first[at] = (int32_t)(start > first ? start : first);
        s->last[at] = (int32_t)(a->is_causal ? own + 1 : end);
    }
    for (int64_t at = s->rows; at < CK_STRIP; at++) {
        s->first[at] = INT32_MAX;
        s->last[at] = 0;
    }
    ck_set_runs(s);
}

/* Scores of a run over the cap to capped scores; bends, where there are some: their derivative. */
static void ck_cap_run(const ck_run *run, float cap, float *scores, float *bends)
{
    for (int64_t key = 0; key < run->end - run->begin; key++) {
        for (int64_t at = run->first * CK_LANES; at < run->last * CK_LANES; at += CK_LANES) {
            const ck_vf bent = ck_tanh(ck_load(scores + key * CK_STRIP + at));
            ck_store(scores + key * CK_STRIP + at, bent * cap);
            if (bends) {
                ck_store(bends + key * CK_STRIP + at, ck_fma(-bent, bent, ck_set(1.0f)));
            }
        }
    }
}

/* The largest scores so far; scores of keys that a row does not read become -inf. */
static void ck_most_of_run(ck_strip *s, const ck_run *run, float *scores)
{
    for (int64_t at = run->first * CK_LANES; at < run->last * CK_LANES; at += CK_LANES) {
        ck_vf most = ck_load(s->most + at), other = most;
        float *score = scores + at;
        int64_t key = run->begin;
        if (run->is_masked) {
            ck_vi first, last;
            memcpy(&first, s->first + at, sizeof first);
            memcpy(&last, s->last + at, sizeof last);
            for (; key < run->end; key++, score += CK_STRIP) {
                const ck_vi own = ck_set_i((int32_t)key);
                const ck_vf kept = ck_select((first <= own) & (own < last), ck_load(score), ck_set(-INFINITY));
                ck_store(score, kept);
                most = ck_max(kept, most);
            }
        }
        for (; key + 2 <= run->end; key += 2, score += 2 * CK_STRIP) {
            most = ck_max(ck_load(score), most);
            other = ck_max(ck_load(score + CK_STRIP), other);
        }
        if (key < run->end) {
            most = ck_max(ck_load(score), most);
        }
        ck_store(s->most + at, ck_max(most, other));
    }
}

/* Scores to weights e^(score - most), and their sums. */
static void ck_weigh_run(ck_strip *s, const ck_run *run, float *scores)
{
    for (int64_t at = run->first * CK_LANES; at < run->last * CK_LANES; at += CK_LANES) {
        const ck_vf most = ck_load(s->most + at);
        ck_vf total = ck_load(s->total + at);
        float *score = scores + at;
        CK_UNROLL_SOME
        for (int64_t key = run->begin; key < run->end; key++, score += CK_STRIP) {
            const ck_vf weight = ck_exp_nonpositive(ck_load(score) - most);
            ck_store(score, weight);
            total += weight;
        }
        ck_store(s->total + at, total);
    }
}

/* Weights of all keys of the strip, not yet divided by their sums, from the turned queries times scale / cap. */
static void ck_weigh_strip(const ck_attention *a, const ck_room *r, ck_strip *s)
{
    static const float zeros[CK_STRIP];
    const int64_t line = ck_whole(a->width, CK_LINE_FLOATS);
    for (int64_t row = 0; row < CK_STRIP; row++) {
        s->most[row] = -INFINITY;
        s->total[row] = 0.0f;
    }
    CK_EACH_RUN (run, s) {
        float *scores = r->weights + (run->begin - s->begin) * CK_STRIP;
        const int64_t lane = run->first * CK_LANES;
        ck_multiply_scores(&(ck_product){
            .rows = run->end - run->begin,
            .vectors = run->last - run->first,
            .depth = a->width,
            .line = line,
            .a = r->keys + run->begin * line,
            .b = r->turned_queries + lane,
            .y = scores + lane,
            .start = zeros,
        });
        if (a->cap > 0.0f) {
            ck_cap_run(run, a->cap, scores, r->flows ? r->flows + (run->begin - s->begin) * CK_STRIP : NULL);
        }
        ck_most_of_run(s, run, scores);
    }
    for (int64_t row = 0; row < CK_STRIP; row++) {
        s->most[row] = s->first[row] < s->last[row] ? s->most[row] : 0.0f;
    }
    CK_EACH_RUN (run, s) {
        ck_weigh_run(s, run, r->weights + (run->begin - s->begin) * CK_STRIP);
    }
    for (int64_t row = 0; row < CK_STRIP; row++) {
        s->inverse[row] = s->first[row] < s->last[row] ? 1.0f / s->total[row] : 0.0f;
    }
}

/* Copies the queries of a strip, times `scale`; turned ones over the cap where there is one. */
static void ck_set_queries(const ck_attention *a, const ck_room *r, const float *q, int64_t rows)
{
    const float scale = a->cap > 0.0f ? a->scale / a->cap : a->scale;
    ck_copy_rows(q, a->q_row, rows, a->width, scale, NULL, r->queries);
    ck_turn_rows(r->queries, rows, a->width, r->turned_queries);
}

/* Rows of a strip that the vectors of a run hold. */
CK_INLINE int64_t ck_rows_of(const ck_strip *s, const ck_run *run)
{
    return ck_least(run->last * CK_LANES, s->rows) - run->first * CK_LANES;
}

/* sums [rows, width] += for each row of a run its weights [keys][CK_STRIP] times the keys' rows. */
static void ck_add_keys(const ck_attention *a, const ck_strip *s, const ck_run *run, const float *weights,
                        const float *keys, float *sums)
{
    const int64_t line = ck_whole(a->width, CK_LINE_FLOATS), lane = run->first * CK_LANES;
    ck_add_products_of_keys(&(ck_product){
        .rows = ck_rows_of(s, run),
        .vectors = (a->width + CK_LANES - 1) / CK_LANES,
        .depth = run->end - run->begin,
        .line = line,
        .a = weights + lane,
        .b = keys + run->begin * line,
        .y = sums + lane * line,
    });
}

static void ck_copy_keys(const ck_attention *a, const ck_room *r, ck_sequence in, int64_t kv_head)
{
    const int64_t column = kv_head * a->width;
    ck_copy_rows(a->k + in.begin * a->k_row + column, a->k_row, in.rows, a->width, 1.0f, NULL, r->keys);
    ck_copy_rows(a->v + in.begin * a->v_row + column, a->v_row, in.rows, a->width, 1.0f, NULL, r->values);
}

#endif
