/* selfattention.c: attention of whole sequences and its gradient, strip by strip; see strips.h. */
#include "selfattention.h"

#include "split.h"
#include "strips.h"
#include "exp.h"

/* Floats of a line, to which rows of copies are padded. */
enum { CK_LINE_FLOATS = 16 };

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

CK_INLINE int64_t ck_least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

CK_INLINE int64_t ck_whole(int64_t count, int64_t unit)
{
    return (count + unit - 1) / unit * unit;
}

CK_INLINE ck_sequence ck_sequence_of(const ck_attention *a, int64_t row)
{
    const int64_t begin = row * a->length, left = a->tokens - begin;
    return (ck_sequence){begin, left < 0 ? 0 : ck_least(left, a->length)};
}

/* Floats of scratch of a part. */
static int64_t ck_room_of(const ck_attention *a, int is_backward)
{
    const int64_t keys = ck_whole(a->length, CK_BLOCK_KEYS), line = ck_whole(a->width, CK_LINE_FLOATS);
    if (is_backward) {
        const int64_t flows = a->cap > 0.0f ? keys : CK_RUN_KEYS;
        return (keys + flows) * CK_STRIP + 4 * keys * line + 5 * CK_STRIP * line + keys;
    }
    return keys * CK_STRIP + 2 * keys * line + 3 * CK_STRIP * line + keys;
}

static ck_room ck_divide_room(const ck_attention *a, int is_backward, float *scratch)
{
    const int64_t keys = ck_whole(a->length, CK_BLOCK_KEYS), line = ck_whole(a->width, CK_LINE_FLOATS);
    ck_room r = {0};
    _Static_assert(sizeof(ck_run) <= CK_BLOCK_KEYS * sizeof(float), "a run for every block of keys");
    r.runs = (ck_run *)(void *)scratch;
    r.weights = scratch + keys;
    r.keys = r.weights + keys * CK_STRIP;
    r.values = r.keys + keys * line;
    r.queries = r.values + keys * line;
    r.turned_queries = r.queries + CK_STRIP * line;
    r.sums = r.turned_queries + CK_STRIP * line;
    if (is_backward) {
        r.gradients = r.sums + CK_STRIP * line;
        r.turned_gradients = r.gradients + CK_STRIP * line;
        r.dk = r.turned_gradients + CK_STRIP * line;
        r.dv = r.dk + keys * line;
        r.flows = r.dv + keys * line;
    }
    return r;
}

/* to [rows, whole lines] = from [rows, width] * factor, or each row times its own; zeros beyond. */
static void ck_copy_rows(const float *from, int64_t from_row, int64_t rows, int64_t width, float factor,
                         const float *factors, float *to)
{
    const int64_t line = ck_whole(width, CK_LINE_FLOATS);
    for (int64_t row = 0; row < rows; row++, from += from_row, to += line) {
        const ck_vf times = ck_set(factors ? factors[row] : factor);
        int64_t col = 0;
        for (; col + CK_LANES <= width; col += CK_LANES) {
            ck_store(to + col, ck_load(from + col) * times);
        }
        for (; col < line; col += CK_LANES) {
            ck_store(to + col, col < width ? ck_load_n(from + col, width - col) * times : ck_set(0.0f));
        }
    }
}

/* turned [width][CK_STRIP] = rows [count, whole lines] with axes exchanged; zeros in lanes without a row. */
static void ck_turn_rows(const float *rows, int64_t count, int64_t width, float *turned)
{
    const int64_t line = ck_whole(width, CK_LINE_FLOATS);
    for (int64_t row = 0; row < count; row += CK_LANES) {
        for (int64_t col = 0; col < width; col += CK_LANES) {
            ck_vf square[CK_LANES];
            CK_UNROLL
            for (int lane = 0; lane < CK_LANES; lane++) {
                square[lane] = row + lane < count ? ck_load(rows + (row + lane) * line + col) : ck_set(0.0f);
            }
            ck_transpose(square, square);
            CK_UNROLL
            for (int lane = 0; lane < CK_LANES; lane++) {
                ck_store(turned + (col + lane) * CK_STRIP + row, square[lane]);
            }
        }
    }
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
        for (int64_t key = run->begin; key < run->end; key++, score += CK_STRIP) {
            const ck_vf weight = ck_exp_weight(ck_load(score) - most);
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
        ck_multiply_strip(&(ck_product){
            .rows = run->end - run->begin,
            .vectors = run->last - run->first,
            .depth = a->width,
            .a = r->keys + run->begin * line,
            .a_row = line,
            .a_step = 1,
            .b = r->turned_queries + lane,
            .b_step = CK_STRIP,
            .y = scores + lane,
            .y_row = CK_STRIP,
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
    ck_multiply_strip(&(ck_product){
        .rows = ck_rows_of(s, run),
        .vectors = (a->width + CK_LANES - 1) / CK_LANES,
        .depth = run->end - run->begin,
        .a = weights + lane,
        .a_row = 1,
        .a_step = CK_STRIP,
        .b = keys + run->begin * line,
        .b_step = line,
        .y = sums + lane * line,
        .y_row = line,
    });
}

/* sums [keys, width] += for each key of a run its weights [keys][CK_STRIP] times the rows of the strip. */
static void ck_add_rows(const ck_attention *a, const ck_strip *s, const ck_run *run, const float *weights,
                        const float *rows, float *sums)
{
    const int64_t line = ck_whole(a->width, CK_LINE_FLOATS), lane = run->first * CK_LANES;
    ck_multiply_strip(&(ck_product){
        .rows = run->end - run->begin,
        .vectors = (a->width + CK_LANES - 1) / CK_LANES,
        .depth = ck_rows_of(s, run),
        .a = weights + lane,
        .a_row = CK_STRIP,
        .a_step = 1,
        .b = rows + lane * line,
        .b_step = line,
        .y = sums + run->begin * line,
        .y_row = line,
    });
}

/* to [rows, width] = sums [rows, whole lines] * factor, or each row times its own. */
static void ck_store_rows(const float *sums, int64_t rows, int64_t width, float factor, const float *factors,
                          float *to, int64_t to_row)
{
    const int64_t line = ck_whole(width, CK_LINE_FLOATS);
    for (int64_t row = 0; row < rows; row++, sums += line, to += to_row) {
        const ck_vf times = ck_set(factors ? factors[row] : factor);
        int64_t col = 0;
        for (; col + CK_LANES <= width; col += CK_LANES) {
            ck_store(to + col, ck_load(sums + col) * times);
        }
        if (col < width) {
            ck_store_n(to + col, ck_load(sums + col) * times, width - col);
        }
    }
}

static void ck_copy_keys(const ck_attention *a, const ck_room *r, ck_sequence in, int64_t kv_head)
{
    const int64_t column = kv_head * a->width;
    ck_copy_rows(a->k + in.begin * a->k_row + column, a->k_row, in.rows, a->width, 1.0f, NULL, r->keys);
    ck_copy_rows(a->v + in.begin * a->v_row + column, a->v_row, in.rows, a->width, 1.0f, NULL, r->values);
}

/* y of the strip that begins with `row` of a sequence, for one head whose keys have been copied. */
static void ck_attend_strip(const ck_attention *a, const ck_room *r, ck_sequence in, int64_t head, int64_t row,
                            float *y)
{
    const int64_t line = ck_whole(a->width, CK_LINE_FLOATS), token = in.begin + row, column = head * a->width;
    ck_strip s = {.runs = r->runs};
    ck_set_strip(a, in, row, &s);
    ck_set_queries(a, r, a->q + token * a->q_row + column, s.rows);
    ck_weigh_strip(a, r, &s);
    memset(r->sums, 0, (size_t)(s.rows * line) * sizeof(float));
    CK_EACH_RUN (run, &s) {
        ck_add_keys(a, &s, run, r->weights + (run->begin - s.begin) * CK_STRIP, r->values, r->sums);
    }
    ck_store_rows(r->sums, s.rows, a->width, 0.0f, s.inverse, y + token * a->y_row + column, a->y_row);
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
        ck_multiply_strip(&(ck_product){
            .rows = run->end - run->begin,
            .vectors = run->last - run->first,
            .depth = a->width,
            .a = r->values + run->begin * line,
            .a_row = line,
            .a_step = 1,
            .b = r->turned_gradients + lane,
            .b_step = CK_STRIP,
            .y = flows + lane,
            .y_row = CK_STRIP,
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

void ck_selfAttention_fwd_f32(int part, int parts, int64_t tokens, int64_t batch, int64_t length, int64_t heads,
                              int64_t kvHeads, int64_t width, int64_t room, int64_t qRow, int64_t kRow, int64_t vRow,
                              int64_t yRow, int64_t window, int64_t causal, float scale, float softCap,
                              const float *restrict q, const float *restrict k, const float *restrict v,
                              const int32_t *restrict starts, float *restrict y, float *restrict scratch)
{
    const ck_attention a = {tokens, length, heads,  kvHeads, width,       qRow, kRow, vRow, yRow, 0,
                            window, scale,  softCap, causal != 0, q, k,    v,    NULL, NULL, starts};
    const int64_t own = ck_room_of(&a, 0), strips = (length + CK_STRIP - 1) / CK_STRIP;
    const int64_t workers = ck_least(parts, own ? room / own : parts);
    if (part >= workers) {
        return;
    }
    const ck_room r = ck_divide_room(&a, 0, scratch + part * own);
    int64_t item, end, copied = -1;
    ck_share(batch * heads * strips, part, (int)workers, &item, &end);
    for (; item < end; item++) {
        const int64_t head = item / strips % heads, row = item % strips * CK_STRIP;
        const int64_t kv_head = head / (heads / kvHeads), sequence = item / strips / heads;
        const ck_sequence in = ck_sequence_of(&a, sequence);
        if (row < in.rows) {
            if (copied != sequence * kvHeads + kv_head) {
                copied = sequence * kvHeads + kv_head;
                ck_copy_keys(&a, &r, in, kv_head);
            }
            ck_attend_strip(&a, &r, in, head, row, y);
        }
    }
}

void ck_selfAttention_bwd_f32(int part, int parts, int64_t tokens, int64_t batch, int64_t length, int64_t heads,
                              int64_t kvHeads, int64_t width, int64_t room, int64_t qRow, int64_t kRow, int64_t vRow,
                              int64_t yRow, int64_t dyRow, int64_t window, int64_t causal, float scale, float softCap,
                              const float *restrict q, const float *restrict k, const float *restrict v,
                              const int32_t *restrict starts, const float *restrict y, const float *restrict dy,
                              float *restrict dq, float *restrict dk, float *restrict dv, float *restrict scratch)
{
    const ck_attention a = {tokens, length, heads,  kvHeads, width,       qRow, kRow, vRow, yRow, dyRow,
                            window, scale,  softCap, causal != 0, q, k,    v,    y,    dy,   starts};
    const int64_t own = ck_room_of(&a, 1), line = ck_whole(width, CK_LINE_FLOATS);
    const int64_t workers = ck_least(parts, own ? room / own : parts);
    if (part >= workers) {
        return;
    }
    const ck_room r = ck_divide_room(&a, 1, scratch + part * own);
    int64_t item, end;
    ck_share(batch * kvHeads, part, (int)workers, &item, &end);
    for (; item < end; item++) {
        const int64_t kv_head = item % kvHeads, group = heads / kvHeads;
        const ck_sequence in = ck_sequence_of(&a, item / kvHeads);
        ck_copy_keys(&a, &r, in, kv_head);
        memset(r.dk, 0, (size_t)(in.rows * line) * sizeof(float));
        memset(r.dv, 0, (size_t)(in.rows * line) * sizeof(float));
        for (int64_t head = kv_head * group; head < (kv_head + 1) * group; head++) {
            for (int64_t row = 0; row < in.rows; row += CK_STRIP) {
                ck_differentiate_strip(&a, &r, in, head, row, dq);
            }
        }
        const int64_t at = (in.begin * kvHeads + kv_head) * width, row = kvHeads * width;
        /* With a cap, the copied queries are over it. */
        ck_store_rows(r.dk, in.rows, width, softCap > 0.0f ? softCap : 1.0f, NULL, dk + at, row);
        ck_store_rows(r.dv, in.rows, width, 1.0f, NULL, dv + at, row);
    }
}
