/* selfattention.c: attention of whole sequences and its gradient, strip by strip; see strips.h. */
#include "selfattention.h"

#include "attendBack.h"
#include "split.h"
#include "weighStrip.h"

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
