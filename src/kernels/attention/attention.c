/* attention.c: causal attention over the cache, whole rows at once or segment by segment. */
#include "attention.h"

#include "attend.h"
#include "split.h"

typedef struct {
    int format;
    int64_t tokens, heads, kv_heads, width, context, q_row, y_row, window;
    float scale, soft_cap;
    const float *q;
    const uint8_t *keys, *values;
    const int32_t *positions, *sequences;
} ck_attention;

/* Positions [begin, end) that a token attends to. */
typedef struct {
    int64_t begin, end;
} ck_span;

CK_INLINE ck_span ck_span_of(int32_t position, int64_t window)
{
    const int64_t end = (int64_t)position + 1;
    return (ck_span){window > 0 && end > window ? end - window : 0, end};
}

/* Segments [begin, end) that hold positions of a span. */
CK_INLINE ck_span ck_segments_of(ck_span positions)
{
    return (ck_span){positions.begin / CK_SEGMENT, (positions.end - 1) / CK_SEGMENT + 1};
}

/* The number of the cache row that a token reads for a cache head. */
CK_INLINE int64_t ck_row_of(const ck_attention *a, int64_t token, int64_t kv_head)
{
    return a->sequences[token] * a->kv_heads + kv_head;
}

CK_INLINE ck_cache_row ck_cache_of(const ck_attention *a, int64_t row)
{
    const int64_t at = ck_cached_bytes(a->format, row * a->context * a->width);
    return (ck_cache_row){a->keys + at, a->values + at, a->width};
}

/* Lays the queries out so that scores are scaled, and divided by the cap where there is one. */
static void ck_scale_queries(const ck_attention *a, ck_rows *rows)
{
    ck_set_queries(a->format, rows, a->width, a->soft_cap > 0.0f ? a->scale / a->soft_cap : a->scale);
}

static void ck_add_row(const ck_attention *a, ck_rows *rows, int64_t token, int64_t head, float *y)
{
    const ck_span span = ck_span_of(a->positions[token], a->window);
    rows->q[rows->count] = a->q + token * a->q_row + head * a->width;
    rows->y[rows->count] = y;
    rows->begin[rows->count] = span.begin;
    rows->end[rows->count++] = span.end;
}

/* All rows over all their segments. */
static void ck_attend_rows(const ck_attention *a, ck_rows *rows, int64_t cache_row)
{
    ck_row_state states[CK_MOST_ROWS];
    ck_span segments = {INT64_MAX, 0};
    for (int row = 0; row < rows->count; row++) {
        const ck_span own = ck_segments_of((ck_span){rows->begin[row], rows->end[row]});
        segments.begin = own.begin < segments.begin ? own.begin : segments.begin;
        segments.end = own.end > segments.end ? own.end : segments.end;
    }
    ck_scale_queries(a, rows);
    for (int64_t segment = segments.begin; segment < segments.end; segment++) {
        ck_attend_segment(a->format, ck_cache_of(a, cache_row), rows, a->soft_cap, segment);
        for (int row = 0; row < rows->count; row++) {
            const ck_span own = ck_segments_of((ck_span){rows->begin[row], rows->end[row]});
            const ck_row_state state = {rows->most[row], rows->total[row]};
            const float *sums = rows->sums + row * a->width;
            if (segment == own.begin) {
                states[row] = state;
                memcpy(rows->y[row], sums, (size_t)a->width * sizeof *sums);
            } else if (segment > own.begin && segment < own.end) {
                ck_merge_segment(&states[row], rows->y[row], state, sums, a->width);
            }
        }
    }
    for (int row = 0; row < rows->count; row++) {
        ck_divide_row(rows->y[row], states[row].total, a->width);
    }
    rows->count = 0;
}

/* Collects the rows of the part's (cache head, token) items while they share a cache row, and works them off. */
static void ck_attend_items(const ck_attention *a, float *y, int part, int parts)
{
    ck_rows rows;
    int64_t item, end, base = 0;
    const int64_t group = a->heads / a->kv_heads;
    const int limit = ck_row_limit(a->width);
    rows.count = 0;
    ck_share(a->kv_heads * a->tokens, part, parts, &item, &end);
    for (; item < end; item++) {
        const int64_t kv_head = item / a->tokens, token = item % a->tokens;
        const int64_t own = ck_row_of(a, token, kv_head);
        const int64_t first = kv_head * group;
        for (int64_t head = first; head < first + group; head++) {
            if (rows.count > 0 && (own != base || rows.count == limit)) {
                ck_attend_rows(a, &rows, base);
            }
            base = own;
            ck_add_row(a, &rows, token, head, y + token * a->y_row + head * a->width);
        }
    }
    if (rows.count > 0) {
        ck_attend_rows(a, &rows, base);
    }
}

/* The rows of one cache head over one segment, to sums [heads, segments, width] and states [heads, segments] of a token. */
static void ck_attend_item(const ck_attention *a, ck_rows *rows, int64_t token, int64_t kv_head,
                           int64_t segment, int64_t segments, float *sums, float *states)
{
    const int64_t group = a->heads / a->kv_heads;
    const int limit = ck_row_limit(a->width);
    for (int64_t first = kv_head * group; first < (kv_head + 1) * group; first += limit) {
        rows->count = 0;
        for (int64_t head = first; head < (kv_head + 1) * group && rows->count < limit; head++) {
            ck_add_row(a, rows, token, head, NULL);
        }
        ck_scale_queries(a, rows);
        ck_attend_segment(a->format, ck_cache_of(a, ck_row_of(a, token, kv_head)), rows, a->soft_cap, segment);
        for (int row = 0; row < rows->count; row++) {
            const int64_t at = (first + row) * segments + segment;
            const ck_row_state state = {rows->most[row], rows->total[row]};
            memcpy(sums + at * a->width, rows->sums + row * a->width, (size_t)a->width * sizeof *sums);
            memcpy(states + at * 2, &state, sizeof state);
        }
    }
}

/* The part's share of the (token, cache head, segment) items, of which there are only as many as have positions. */
static void ck_attend_segments(const ck_attention *a, int64_t segments, float *sums, float *states,
                               int part, int parts)
{
    ck_rows rows;
    int64_t items = 0, begin, end;
    for (int64_t token = 0; token < a->tokens; token++) {
        const ck_span own = ck_segments_of(ck_span_of(a->positions[token], a->window));
        items += a->kv_heads * (own.end - own.begin);
    }
    ck_share(items, part, parts, &begin, &end);
    int64_t item = 0;
    for (int64_t token = 0; token < a->tokens; token++) {
        const ck_span own = ck_segments_of(ck_span_of(a->positions[token], a->window));
        const int64_t at = token * a->heads * segments;
        for (int64_t kv_head = 0; kv_head < a->kv_heads; kv_head++) {
            for (int64_t segment = own.begin; segment < own.end; segment++, item++) {
                if (item >= begin && item < end) {
                    ck_attend_item(a, &rows, token, kv_head, segment, segments, sums + at * a->width,
                                   states + at * 2);
                }
            }
        }
    }
}

void ck_attentionMerge_fwd_f32(int part, int parts, int64_t tokens, int64_t heads, int64_t width, int64_t segments,
                               int64_t yRow, int64_t window, const float *restrict sums, const float *restrict states,
                               const int32_t *restrict positions, float *restrict y)
{
    int64_t item, end;
    ck_share(tokens * heads, part, parts, &item, &end);
    for (; item < end; item++) {
        const int64_t token = item / heads, head = item % heads;
        const ck_span own = ck_segments_of(ck_span_of(positions[token], window));
        float *to = y + token * yRow + head * width;
        ck_row_state state = {0};
        for (int64_t segment = own.begin; segment < own.end; segment++) {
            const int64_t at = item * segments + segment;
            ck_row_state added;
            memcpy(&added, states + at * 2, sizeof added);
            if (segment == own.begin) {
                state = added;
                memcpy(to, sums + at * width, (size_t)width * sizeof *sums);
            } else {
                ck_merge_segment(&state, to, added, sums + at * width, width);
            }
        }
        ck_divide_row(to, state.total, width);
    }
}

#define CK_DEFINE(dtype, type, format)                                                                                 \
    void ck_attention_fwd_##dtype(int part, int parts, int64_t tokens, int64_t heads, int64_t kvHeads, int64_t width,  \
                                  int64_t context, int64_t sequenceCount, int64_t qRow, int64_t yRow, int64_t window,  \
                                  float scale, float softCap, const float *restrict q, const type *restrict keys,      \
                                  const type *restrict values, const int32_t *restrict positions,                      \
                                  const int32_t *restrict sequences, float *restrict y)                                \
    {                                                                                                                  \
        (void)sequenceCount;                                                                                           \
        const uint8_t *caches[] = {(const uint8_t *)keys, (const uint8_t *)values};                                    \
        const ck_attention a = {format, tokens, heads,   kvHeads, width, context,   qRow,      yRow,                   \
                                window, scale,  softCap, q,       caches[0], caches[1], positions, sequences};         \
        ck_attend_items(&a, y, part, parts);                                                                           \
    }                                                                                                                  \
    void ck_attentionSegments_fwd_##dtype(int part, int parts, int64_t tokens, int64_t heads, int64_t kvHeads,         \
                                          int64_t width, int64_t context, int64_t sequenceCount, int64_t segments,     \
                                          int64_t qRow, int64_t window, float scale, float softCap,                    \
                                          const float *restrict q, const type *restrict keys,                          \
                                          const type *restrict values, const int32_t *restrict positions,              \
                                          const int32_t *restrict sequences, float *restrict sums,                     \
                                          float *restrict states)                                                      \
    {                                                                                                                  \
        (void)sequenceCount;                                                                                           \
        const uint8_t *caches[] = {(const uint8_t *)keys, (const uint8_t *)values};                                    \
        const ck_attention a = {format, tokens, heads,   kvHeads, width, context,   qRow,      0,                      \
                                window, scale,  softCap, q,       caches[0], caches[1], positions, sequences};         \
        ck_attend_segments(&a, segments, sums, states, part, parts);                                                   \
    }

CK_ATTENTION_FLOATS(CK_DEFINE)
CK_ATTENTION_BLOCKS(CK_DEFINE)
