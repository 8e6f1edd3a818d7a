/*
 * attend.h: rows of attention over one segment of a cache row, with an online softmax.
 *
 * A row is one query head of one token. Positions are taken in fixed chunks from 0, and for a chunk of scores s, with m
 * the largest score so far:
 *   sum = sum * e^(m_old - m) + sum of e^(s - m) * value,   total = total * e^(m_old - m) + sum of e^(s - m)
 * Scores and sums are one chain of multiply-adds each, in the order of columns and of positions, so nothing depends on the
 * rows that are worked on together. Every segment begins anew; ck_merge_segment puts segments together.
 */
#ifndef CK_ATTEND_H
#define CK_ATTEND_H

#include "attendTiles.h"
#include "attention.h"
#include "exp.h"
#include "reduce.h"
#include "split.h"

/* Positions of a segment. */
enum { CK_SEGMENT = 1024 };

/* One cache row. */
typedef struct {
    const uint8_t *keys, *values;
    int64_t width;
} ck_cache_row;

/* Rows that fit, for heads of at most CK_ROW_FLOATS columns. */
CK_INLINE int ck_row_limit(int64_t width)
{
    const int64_t fitting = CK_ROW_FLOATS / width;
    return fitting < CK_MOST_ROWS ? (int)fitting : CK_MOST_ROWS;
}

/* Rows of the tile that begins with `row`. */
CK_INLINE int ck_tile_rows(const ck_rows *rows, int row)
{
    const int left = rows->count - row;
    return left >= CK_TALL_ROWS && rows->codes == CK_F32 ? CK_TALL_ROWS : left >= 4 ? 4 : left >= 2 ? 2 : 1;
}

/* Whether attention.h has a cache format: tiles of those it lacks are not compiled. */
#define CK_BIT(dtype, type, format) | 1 << format
enum { CK_FORMATS = 0 CK_ATTENTION_FLOATS(CK_BIT) CK_ATTENTION_BLOCKS(CK_BIT) };
#undef CK_BIT
#define CK_HAS(format) (CK_FORMATS >> (format)&1)

/* Every format's tiles are compiled once: here and in ck_add_to_rows. */
static void ck_score_tile_rows(int format, int R, ck_rows *rows, int row, int64_t width, const ck_source *keys,
                               int64_t panels, const uint8_t *ahead, int64_t at)
{
#define CK_SCORE(codes, is_scaled) ck_score(codes, is_scaled, R, rows, row, width, keys, panels, ahead, at)
    if (CK_HAS(CK_Q8_0) && format == CK_Q8_0) {
        if (rows->codes == CK_F32) {
            CK_SCORE(CK_F32, 1);
        } else {
            CK_SCORE(CK_Q8_0, 1);
        }
    } else if (rows->codes == CK_F32) {
        CK_SCORE(CK_F32, 0);
    } else if (CK_HAS(CK_F16) && format == CK_F16) {
        CK_SCORE(CK_F16, 0);
    }
#undef CK_SCORE
}

static void ck_add_to_rows(int format, int R, ck_rows *rows, const ck_weighed w, int64_t width, const ck_source *values,
                           int64_t end, const uint8_t *ahead)
{
#define CK_ADD(codes, is_scaled) ck_add(codes, is_scaled, R, rows, w, width, values, end, ahead)
    if (CK_HAS(CK_Q8_0) && format == CK_Q8_0) {
        if (rows->codes == CK_F32) {
            CK_ADD(CK_F32, 1);
        } else {
            CK_ADD(CK_Q8_0, 1);
        }
    } else if (rows->codes == CK_F32) {
        CK_ADD(CK_F32, 0);
    } else if (CK_HAS(CK_F16) && format == CK_F16) {
        CK_ADD(CK_F16, 0);
    }
#undef CK_ADD
}

/* Scores of all rows with `panels` panels of the source, which hold the chunk's positions from `at` on. Asks for the
 * bytes at `ahead` once. */
static void ck_score_panels(int format, ck_rows *rows, int64_t width, const ck_source *keys, int64_t panels,
                            const uint8_t *ahead, int64_t at)
{
    int R;
    for (int row = 0; row < rows->count; row += R) {
        R = ck_tile_rows(rows, row);
        ck_score_tile_rows(format, R, rows, row, width, keys, panels, row == 0 ? ahead : keys->codes, at);
    }
}

/* Scores of all rows with the positions `from` to `to` of the chunk at `keys`, in whole panels. */
static void ck_score_chunk(int format, ck_rows *rows, int64_t width, const uint8_t *keys, const uint8_t *ahead,
                           int64_t from, int64_t to)
{
    const int64_t first = from / CK_LANES, end = (to + CK_LANES - 1) / CK_LANES;
    const int64_t most = rows->codes != format ? CK_WIDE_FLOATS / (width * CK_LANES) : end - first;
    for (int64_t panel = first, panels; panel < end; panel += panels) {
        const int64_t bytes = ck_cached_bytes(format, panel * CK_LANES * width);
        ck_source source = ck_stored(format, keys + bytes, width);
        panels = ck_least(end - panel, most);
        if (rows->codes != format) {
            for (int64_t i = 0; i < panels; i++) {
                ck_widen(format, source.codes + i * source.code_bytes, width * CK_LANES,
                         rows->wide + i * width * CK_LANES);
            }
            source.codes = (const uint8_t *)rows->wide;
            source.code_bytes = width * CK_LANES * (int64_t)sizeof(float);
        }
        ck_score_panels(format, rows, width, &source, panels, ahead + bytes, panel * CK_LANES);
    }
}

/* Scores over `cap` to capped scores. What lies outside a row's positions may be NaN and stays so. */
static void ck_cap_rows(ck_rows *rows, float cap)
{
    for (int row = 0; row < rows->count; row++) {
        float *scores = rows->scores[row];
        for (int at = rows->from[row] / CK_LANES * CK_LANES; at < rows->to[row]; at += CK_LANES) {
            ck_store(scores + at, ck_tanh(ck_load(scores + at)) * cap);
        }
    }
}

/* The largest score of the row in the chunk so far or in the segment before. Scores outside the row's positions may be
 * NaN: they become -inf. */
static float ck_most_of_row(ck_rows *rows, int row)
{
    float *scores = rows->scores[row];
    const int32_t from = rows->from[row], to = rows->to[row];
    ck_vf most = ck_set(rows->most[row]);
    for (int32_t at = from / CK_LANES * CK_LANES; at < to; at += CK_LANES) {
        ck_vf score = ck_load(scores + at);
        if (at < from || at + CK_LANES > to) {
            const ck_vi lane = ck_lane() + at;
            score = ck_select((lane >= from) & (lane < to), score, ck_set(-INFINITY));
            ck_store(scores + at, score);
        }
        most = ck_max(score, most);
    }
    return ck_largest(most);
}

/* Scores to e^(score - most), and the new state of all rows. */
static void ck_weigh_rows(ck_rows *rows)
{
    for (int row = 0; row < rows->count; row++) {
        rows->decay[row] = 0.0f;
        if (rows->from[row] < rows->to[row]) {
            const float most = ck_most_of_row(rows, row);
            rows->decay[row] = rows->most[row] - most;
            rows->most[row] = most;
        }
    }
    for (int row = 0; row < rows->count; row += CK_LANES) {
        const int64_t left = rows->count - row < CK_LANES ? rows->count - row : CK_LANES;
        ck_store_n(rows->decay + row, ck_exp_nonpositive(ck_load_n(rows->decay + row, left)), left);
    }
    for (int row = 0; row < rows->count; row++) {
        float *scores = rows->scores[row];
        const int32_t from = rows->from[row], to = rows->to[row];
        if (from < to) {
            const ck_vf most = ck_set(rows->most[row]);
            ck_vf sum = ck_set(0.0f);
            for (int32_t at = from / CK_LANES * CK_LANES; at < to; at += CK_LANES) {
                const ck_vf weight = ck_exp_nonpositive(ck_load(scores + at) - most);
                ck_store(scores + at, weight);
                sum += weight;
            }
            rows->total[row] = rows->total[row] * rows->decay[row] + ck_sum(sum);
        }
    }
}

/*
 * Adds the weighed values of the source's columns up to `end` to all rows. The positions that all rows of a tile attend to
 * are taken together; what a row has before and behind them, alone and in its place in the order.
 */
static void ck_value_columns(int format, ck_rows *rows, int64_t width, const ck_source *values, int64_t end,
                             const uint8_t *ahead)
{
    int R;
    for (int row = 0; row < rows->count; row += R) {
        R = ck_tile_rows(rows, row);
        float decay[CK_TALL_ROWS];
        int first = 0, last = CK_CHUNK;
        for (int r = 0; r < R; r++) {
            const int from = rows->from[row + r], to = rows->to[row + r];
            decay[r] = rows->decay[row + r];
            first = from > first ? from : first;
            last = to < last ? to : last;
        }
        if (first >= last) {
            first = last = 0;
        }
        for (int r = 0; r < R; r++) {
            const int from = rows->from[row + r];
            if (from < first) {
                const ck_weighed before = {row + r, from, first, &decay[r]};
                ck_add_to_rows(format, 1, rows, before, width, values, end, values->codes);
                decay[r] = 1.0f;
            }
        }
        if (first < last) {
            const ck_weighed all = {row, first, last, decay};
            ck_add_to_rows(format, R, rows, all, width, values, end, row == 0 ? ahead : values->codes);
        }
        for (int r = 0; r < R; r++) {
            const int to = rows->to[row + r], from = rows->from[row + r] > last ? rows->from[row + r] : last;
            if (from < to) {
                decay[r] = last > 0 ? 1.0f : decay[r];
                const ck_weighed behind = {row + r, from, to, &decay[r]};
                ck_add_to_rows(format, 1, rows, behind, width, values, end, values->codes);
            }
        }
    }
}

/* Adds the weighed values of the positions `from` to `to` of the chunk at `values` to all rows. */
static void ck_value_chunk(int format, ck_rows *rows, int64_t width, const uint8_t *values, const uint8_t *ahead,
                           int64_t from, int64_t to)
{
    enum { COLS = CK_WIDE_FLOATS / CK_CHUNK };
    const ck_source stored = ck_stored(format, values, width);
    if (rows->codes == format) {
        ck_value_columns(format, rows, width, &stored, width, ahead);
        return;
    }
    for (int64_t col = 0; col < width; col += COLS) {
        const int64_t cols = ck_least(width - col, COLS), row = (cols + CK_LANES - 1) / CK_LANES * CK_LANES;
        for (int64_t at = from; at < to; at++) {
            const uint8_t *panel = stored.codes + at / CK_LANES * stored.code_bytes;
            const int64_t place = at % CK_LANES * width + col;
            ck_widen(format, panel + place * ck_cached_code_bytes(format), cols, rows->wide + at * row);
        }
        const ck_source wide = {(const uint8_t *)rows->wide, values, 0, stored.scale_bytes, row, col};
        ck_value_columns(format, rows, width, &wide, col + cols, (const uint8_t *)rows->wide);
    }
}

/* Lays the queries of all rows out for the tiles, times `scale`. */
static void ck_set_queries(int format, ck_rows *rows, int64_t width, float scale)
{
    const int is_worth_it = rows->count >= CK_MANY_ROWS && width * CK_LANES <= CK_WIDE_FLOATS;
    int of;
    rows->codes = is_worth_it ? CK_F32 : format;
    for (int row = 0; row < rows->count; row += of) {
        of = ck_tile_rows(rows, row);
        float *tile = rows->queries + row * width;
        for (int r = 0; r < of; r++) {
            for (int64_t col = 0; col < width; col++) {
                tile[col * of + r] = rows->q[row + r][col] * scale;
            }
        }
    }
}

CK_INLINE int ck_clamp_to_chunk(int64_t at)
{
    return at < 0 ? 0 : at < CK_CHUNK ? (int)at : CK_CHUNK;
}

/* All rows over their positions in the segment, after ck_set_queries; `cap`: what their scores were divided by, or 0. */
static void ck_attend_segment(int format, const ck_cache_row cache, ck_rows *rows, float cap, int64_t segment)
{
    const int64_t width = cache.width;
    int64_t low = (segment + 1) * CK_SEGMENT, high = segment * CK_SEGMENT;
    const int64_t start = high, stop = low;
    for (int row = 0; row < rows->count; row++) {
        rows->most[row] = -INFINITY;
        rows->total[row] = 0.0f;
        low = rows->begin[row] < low ? rows->begin[row] : low;
        high = rows->end[row] > high ? rows->end[row] : high;
    }
    low = low < start ? start : low;
    high = high > stop ? stop : high;
    memset(rows->sums, 0, (size_t)(rows->count * width) * sizeof(float));
    for (int64_t chunk = low / CK_CHUNK * CK_CHUNK; chunk < high; chunk += CK_CHUNK) {
        const uint8_t *keys = cache.keys + ck_cached_bytes(format, chunk * width);
        const uint8_t *values = cache.values + ck_cached_bytes(format, chunk * width);
        const uint8_t *next = chunk + CK_CHUNK < high ? keys + ck_cached_bytes(format, CK_CHUNK * width) : keys;
        for (int row = 0; row < rows->count; row++) {
            rows->from[row] = ck_clamp_to_chunk(rows->begin[row] - chunk);
            rows->to[row] = ck_clamp_to_chunk(rows->end[row] - chunk);
        }
        const int64_t from = low > chunk ? low - chunk : 0, to = ck_least(high - chunk, CK_CHUNK);
        ck_score_chunk(format, rows, width, keys, values, from, to);
        if (cap > 0.0f) {
            ck_cap_rows(rows, cap);
        }
        ck_weigh_rows(rows);
        ck_value_chunk(format, rows, width, values, next, from, to);
    }
}

/* The state of a row over several segments: y holds the sums so far. */
typedef struct {
    float most, total;
} ck_row_state;

/* Adds a segment to the state of a row; y [width]. */
static void ck_merge_segment(ck_row_state *state, float *y, const ck_row_state segment, const float *sums,
                             int64_t width)
{
    const float most = segment.most > state->most ? segment.most : state->most;
    const float old = ck_exp_nonpositive(ck_set(state->most - most))[0];
    const float added = ck_exp_nonpositive(ck_set(segment.most - most))[0];
    state->most = most;
    state->total = state->total * old + segment.total * added;
    for (int64_t col = 0; col < width; col += CK_LANES) {
        const int64_t n = width - col < CK_LANES ? width - col : CK_LANES;
        const ck_vf before = ck_load_n(y + col, n) * old;
        ck_store_n(y + col, ck_fma(ck_load_n(sums + col, n), ck_set(added), before), n);
    }
}

/* y = y / total. */
static void ck_divide_row(float *y, float total, int64_t width)
{
    const float inverse = 1.0f / total;
    for (int64_t col = 0; col < width; col++) {
        y[col] *= inverse;
    }
}

#endif
