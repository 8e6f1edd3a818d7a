/* attention.c: causal attention over the cache with an online softmax. */
#include "attention.h"

#include "simd.h"
#include "split.h"

/*
 * Positions are taken in fixed chunks from 0, and for a chunk of scores s, with m the largest score so far:
 *   y = y * e^(m_old - m) + sum of e^(s - m) * value,   total = total * e^(m_old - m) + sum of e^(s - m)
 * and at last y / total. Scores and values are one chain of multiply-adds each, so nothing depends on the rows that are
 * worked on together: a row is one query head of one token.
 */
enum { CK_CHUNK = 64, CK_ROWS = 16 };

/* A tile has 4 rows x 2 vectors (key panels, or columns of values), or fewer rows x 4 vectors. */
enum { CK_TILE = 8, CK_TILE_VECTORS = 4 };

typedef struct {
    int half; /* the cache holds f16, else f32 */
    int64_t tokens, heads, kv_heads, width, context, q_row, y_row;
    float scale;
    const float *q;
    const void *keys, *values;
    const int32_t *positions, *sequences;
    float *y;
} ck_attention;

/* Rows of one cache head that are worked on together. */
typedef struct {
    int count;
    const float *q[CK_ROWS];
    float *y[CK_ROWS];
    int64_t positions[CK_ROWS]; /* how many the row attends to */
    float most[CK_ROWS], total[CK_ROWS], decay[CK_ROWS];
    int64_t valid[CK_ROWS]; /* positions of the current chunk that the row attends to */
    float scores[CK_ROWS][CK_CHUNK];
} ck_rows;

CK_INLINE ck_vf ck_load_cached(const int half, const void *cache, int64_t index)
{
    return half ? ck_from_f16(ck_load_h((const uint16_t *)cache + index)) : ck_load((const float *)cache + index);
}

CK_INLINE ck_vf ck_load_cached_n(const int half, const void *cache, int64_t index, int64_t n)
{
    return half ? ck_from_f16(ck_load_h_n((const uint16_t *)cache + index, n))
                : ck_load_n((const float *)cache + index, n);
}

/* Scores of R rows with the positions of P key panels, the first at element `keys`; `at`: their place in the chunk. */
CK_INLINE void ck_score_tile(const int half, const int R, const int P, const ck_attention *a, ck_rows *rows, int row,
                             int64_t keys, int64_t at)
{
    ck_vf sum[CK_TILE];
    CK_UNROLL
    for (int i = 0; i < R * P; i++) {
        sum[i] = ck_set(0.0f);
    }
    for (int64_t col = 0; col < a->width; col++) {
        ck_vf key[CK_TILE_VECTORS];
        CK_UNROLL
        for (int p = 0; p < P; p++) {
            key[p] = ck_load_cached(half, a->keys, keys + (p * a->width + col) * CK_LANES);
        }
        CK_UNROLL
        for (int r = 0; r < R; r++) {
            const ck_vf query = ck_set(rows->q[row + r][col]);
            CK_UNROLL
            for (int p = 0; p < P; p++) {
                sum[r * P + p] = ck_fma(query, key[p], sum[r * P + p]);
            }
        }
    }
    CK_UNROLL
    for (int r = 0; r < R; r++) {
        CK_UNROLL
        for (int p = 0; p < P; p++) {
            ck_store(rows->scores[row + r] + at + p * CK_LANES, sum[r * P + p] * a->scale);
        }
    }
}

/* Scores of R rows with the first `positions` of a chunk, rounded up to whole panels. */
CK_INLINE void ck_score_rows(const int half, const int R, const int P, const ck_attention *a, ck_rows *rows, int row,
                             int64_t keys, int64_t positions)
{
    int64_t at = 0;
    for (; at + P * CK_LANES <= positions; at += P * CK_LANES) {
        ck_score_tile(half, R, P, a, rows, row, keys + at * a->width, at);
    }
    for (; at < positions; at += CK_LANES) {
        ck_score_tile(half, R, 1, a, rows, row, keys + at * a->width, at);
    }
}

/* Scores to e^(score - most), and the new state of the row. Scores beyond `valid` may be NaN: they become zero. */
static void ck_weigh_row(ck_rows *rows, int row)
{
    float *scores = rows->scores[row];
    const int64_t valid = rows->valid[row];
    ck_vf lanes = ck_set(-INFINITY);
    for (int64_t at = 0; at < valid; at += CK_LANES) {
        const ck_vi inside = ck_lane() < (int32_t)(valid - at);
        const ck_vf score = ck_select(inside, ck_load(scores + at), ck_set(-INFINITY));
        ck_store(scores + at, score);
        lanes = ck_max(score, lanes);
    }
    const float chunk_most = ck_largest(lanes);
    const float most = chunk_most > rows->most[row] ? chunk_most : rows->most[row];
    ck_vf sum = ck_set(0.0f);
    for (int64_t at = 0; at < valid; at += CK_LANES) {
        const ck_vf weight = ck_exp(ck_load(scores + at) - ck_set(most));
        ck_store(scores + at, weight);
        sum += weight;
    }
    rows->decay[row] = ck_exp(ck_set(rows->most[row] - most))[0];
    rows->total[row] = rows->total[row] * rows->decay[row] + ck_sum(sum);
    rows->most[row] = most;
}

/* y = y * decay + weights · values for R rows and V vectors of columns from `col` on; n: columns of a partial one. */
CK_INLINE void ck_value_tile(const int half, const int R, const int V, const int partial, const ck_attention *a,
                             const ck_rows *rows, int row, int64_t values, int first, int64_t col, int64_t n)
{
    ck_vf sum[CK_TILE];
    int64_t common = CK_CHUNK;
    CK_UNROLL
    for (int r = 0; r < R; r++) {
        common = rows->valid[row + r] < common ? rows->valid[row + r] : common;
        CK_UNROLL
        for (int v = 0; v < V; v++) {
            const float *y = rows->y[row + r] + col + v * CK_LANES;
            const ck_vf old = first ? ck_set(0.0f) : partial ? ck_load_n(y, n) : ck_load(y);
            sum[r * V + v] = old * rows->decay[row + r];
        }
    }
    for (int64_t i = 0; i < common; i++) {
        ck_vf value[CK_TILE_VECTORS];
        const int64_t at = values + i * a->width + col;
        CK_UNROLL
        for (int v = 0; v < V; v++) {
            value[v] = partial ? ck_load_cached_n(half, a->values, at, n)
                               : ck_load_cached(half, a->values, at + v * CK_LANES);
        }
        CK_UNROLL
        for (int r = 0; r < R; r++) {
            const ck_vf weight = ck_set(rows->scores[row + r][i]);
            CK_UNROLL
            for (int v = 0; v < V; v++) {
                sum[r * V + v] = ck_fma(weight, value[v], sum[r * V + v]);
            }
        }
    }
    CK_UNROLL
    for (int r = 0; r < R; r++) {
        for (int64_t i = common; i < rows->valid[row + r]; i++) {
            const ck_vf weight = ck_set(rows->scores[row + r][i]);
            const int64_t at = values + i * a->width + col;
            CK_UNROLL
            for (int v = 0; v < V; v++) {
                const ck_vf value = partial ? ck_load_cached_n(half, a->values, at, n)
                                            : ck_load_cached(half, a->values, at + v * CK_LANES);
                sum[r * V + v] = ck_fma(weight, value, sum[r * V + v]);
            }
        }
        CK_UNROLL
        for (int v = 0; v < V; v++) {
            float *y = rows->y[row + r] + col + v * CK_LANES;
            if (partial) {
                ck_store_n(y, sum[r * V + v], n);
            } else {
                ck_store(y, sum[r * V + v]);
            }
        }
    }
}

CK_INLINE void ck_value_rows(const int half, const int R, const int V, const ck_attention *a, const ck_rows *rows,
                             int row, int64_t values, int first)
{
    int64_t col = 0;
    for (; col + V * CK_LANES <= a->width; col += V * CK_LANES) {
        ck_value_tile(half, R, V, 0, a, rows, row, values, first, col, CK_LANES);
    }
    for (; col + CK_LANES <= a->width; col += CK_LANES) {
        ck_value_tile(half, R, 1, 0, a, rows, row, values, first, col, CK_LANES);
    }
    if (col < a->width) {
        ck_value_tile(half, R, 1, 1, a, rows, row, values, first, col, a->width - col);
    }
}

CK_INLINE int ck_tile_rows(const ck_rows *rows, int row)
{
    const int left = rows->count - row;
    return left >= 4 ? 4 : left >= 2 ? 2 : 1;
}

/* Scores of all rows with the chunk of positions at element `chunk` of the keys. */
CK_INLINE void ck_score_chunk(const int half, const ck_attention *a, ck_rows *rows, int64_t chunk, int64_t positions)
{
    for (int row = 0; row < rows->count; row += ck_tile_rows(rows, row)) {
        switch (ck_tile_rows(rows, row)) {
        case 4:
            ck_score_rows(half, 4, 2, a, rows, row, chunk, positions);
            break;
        case 2:
            ck_score_rows(half, 2, 4, a, rows, row, chunk, positions);
            break;
        default:
            ck_score_rows(half, 1, 4, a, rows, row, chunk, positions);
            break;
        }
    }
}

/* Adds the weighed values of the chunk at element `chunk` of the values to all rows. */
CK_INLINE void ck_add_chunk(const int half, const ck_attention *a, const ck_rows *rows, int64_t chunk, int first)
{
    for (int row = 0; row < rows->count; row += ck_tile_rows(rows, row)) {
        switch (ck_tile_rows(rows, row)) {
        case 4:
            ck_value_rows(half, 4, 2, a, rows, row, chunk, first);
            break;
        case 2:
            ck_value_rows(half, 2, 4, a, rows, row, chunk, first);
            break;
        default:
            ck_value_rows(half, 1, 4, a, rows, row, chunk, first);
            break;
        }
    }
}

/* All rows over all their positions; `base` is the cache row (sequence, head) in positions. */
CK_INLINE void ck_attend_rows(const int half, const ck_attention *a, ck_rows *rows, int64_t base)
{
    int64_t most_positions = 0;
    for (int row = 0; row < rows->count; row++) {
        rows->most[row] = -INFINITY;
        rows->total[row] = 0.0f;
        most_positions = rows->positions[row] > most_positions ? rows->positions[row] : most_positions;
    }
    for (int64_t start = 0; start < most_positions; start += CK_CHUNK) {
        const int64_t left = most_positions - start;
        ck_score_chunk(half, a, rows, (base + start) * a->width, left < CK_CHUNK ? left : CK_CHUNK);
        for (int row = 0; row < rows->count; row++) {
            const int64_t own = rows->positions[row] - start;
            rows->valid[row] = own < 0 ? 0 : own < CK_CHUNK ? own : CK_CHUNK;
            rows->decay[row] = 1.0f;
            if (rows->valid[row] > 0) {
                ck_weigh_row(rows, row);
            }
        }
        ck_add_chunk(half, a, rows, (base + start) * a->width, start == 0);
    }
    for (int row = 0; row < rows->count; row++) {
        const float inverse = 1.0f / rows->total[row];
        for (int64_t col = 0; col < a->width; col++) {
            rows->y[row][col] *= inverse;
        }
    }
}

static void ck_attend(const ck_attention *a, ck_rows *rows, int64_t base)
{
    if (a->half) {
        ck_attend_rows(1, a, rows, base);
    } else {
        ck_attend_rows(0, a, rows, base);
    }
    rows->count = 0;
}

/* Collects the rows of the part's (cache head, token) items while they share a cache row, and works them off. */
static void ck_attend_items(const ck_attention *a, int part, int parts)
{
    ck_rows rows;
    int64_t item, end, base = 0;
    const int64_t group = a->heads / a->kv_heads;
    rows.count = 0;
    ck_share(a->kv_heads * a->tokens, part, parts, &item, &end);
    for (; item < end; item++) {
        const int64_t kv_head = item / a->tokens, token = item % a->tokens;
        const int64_t own = (a->sequences[token] * a->kv_heads + kv_head) * a->context;
        if (rows.count > 0 && own != base) {
            ck_attend(a, &rows, base);
        }
        base = own;
        for (int64_t head = kv_head * group; head < (kv_head + 1) * group; head++) {
            if (rows.count == CK_ROWS) {
                ck_attend(a, &rows, base);
            }
            rows.q[rows.count] = a->q + token * a->q_row + head * a->width;
            rows.y[rows.count] = a->y + token * a->y_row + head * a->width;
            rows.positions[rows.count++] = (int64_t)a->positions[token] + 1;
        }
    }
    if (rows.count > 0) {
        ck_attend(a, &rows, base);
    }
}

#define CK_DEFINE(dtype, type, half)                                                                                   \
    void ck_attention_fwd_##dtype(int part, int parts, int64_t tokens, int64_t heads, int64_t kvHeads, int64_t width,  \
                                  int64_t context, int64_t sequenceCount, int64_t qRow, int64_t yRow, float scale,     \
                                  const float *restrict q, const type *restrict keys, const type *restrict values,     \
                                  const int32_t *restrict positions, const int32_t *restrict sequences,                \
                                  float *restrict y)                                                                   \
    {                                                                                                                  \
        (void)sequenceCount;                                                                                           \
        const ck_attention a = {half,  tokens, heads, kvHeads, width,     context,   qRow, yRow,                       \
                                scale, q,      keys,  values,  positions, sequences, y};                               \
        ck_attend_items(&a, part, parts);                                                                              \
    }

CK_DEFINE(f32, float, 0)
CK_DEFINE(f16, uint16_t, 1)
