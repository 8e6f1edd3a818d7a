/*
 * attendTiles.h: register tiles of attention: rows times key panels, and weights times vectors of values, of one chunk.
 *
 * Whatever the tile, a score is one chain of multiply-adds in the order of the columns (q8_0: one per block of 32, and
 * those times their scales), and a sum one in the order of the positions.
 */
#ifndef CK_ATTEND_TILES_H
#define CK_ATTEND_TILES_H

#include "cached.h"

/* Positions that are worked on together. */
enum { CK_CHUNK = 64 };

/* Rows that are worked on together, and floats of their queries: as many as stay near the core beside a chunk. */
enum { CK_MOST_ROWS = 64, CK_ROW_FLOATS = 8192 };

/* Accumulators of a tile, and key panels or vectors of values in it: as many as the registers hold. */
#if defined CK_AVX512 || defined CK_NEON
enum { CK_TILE_ROWS = 8, CK_TILE = 16 };
#else
enum { CK_TILE_ROWS = 4, CK_TILE = 8 };
#endif
enum { CK_TILE_PANELS = 4, CK_TILE_VECTORS = 8, CK_PREFETCH_ROWS = 4 };

/* Bytes that memory gives at a time. */
enum { CK_LINE = 64 };

/* Rows over a cache row. */
typedef struct {
    int count;
    const float *q[CK_MOST_ROWS];
    float *y[CK_MOST_ROWS];
    int64_t begin[CK_MOST_ROWS], end[CK_MOST_ROWS]; /* the positions that the row attends to */
    /* Of the segment: largest score, sum of weights, and sums of weighed values [count][width]. */
    float most[CK_MOST_ROWS], total[CK_MOST_ROWS];
    float sums[CK_ROW_FLOATS];
    /* Of the chunk: the positions in it that the row attends to, the factor of what was before, scores or weights. */
    int from[CK_MOST_ROWS], to[CK_MOST_ROWS];
    float decay[CK_MOST_ROWS];
    float scores[CK_MOST_ROWS][CK_CHUNK];
    /* Scaled queries, tile by tile: [width][rows of the tile]. */
    float queries[CK_ROW_FLOATS];
} ck_rows;

/*
 * Step `step` of asking for memory that is read soon, `bytes` of it per step: a line of each of several streams at p, which
 * begin `stream_steps` steps of a line apart.
 */
CK_INLINE void ck_prefetch(const uint8_t *p, int64_t step, const int64_t bytes, int64_t stream_steps)
{
    const int64_t stride = bytes < CK_LINE ? bytes : CK_LINE;
    for (int64_t line = 0; line < bytes / stride; line++) {
        __builtin_prefetch(p + step * stride + line * stream_steps * CK_LINE, 0, 2);
    }
}

/*
 * Scores of R rows with the positions of P key panels, to `scores` (rows CK_CHUNK apart). Few rows wait for memory: then it
 * asks meanwhile for as many bytes at `ahead`.
 */
CK_INLINE void ck_score_tile(const int format, const int R, const int P, const float *queries, int64_t width,
                             const uint8_t *keys, const uint8_t *ahead, float *scores)
{
    const int64_t panel_bytes = ck_cached_bytes(format, width * CK_LANES);
    const uint8_t *codes = keys + ck_cached_scale_bytes(format, width);
    const int64_t block = format == CK_CACHED_Q8_0 ? CK_CACHED_BLOCK : width;
    const int64_t step = P * CK_LANES * ck_cached_code_bytes(format);
    ck_vf total[CK_TILE];
    CK_UNROLL
    for (int i = 0; i < R * P; i++) {
        total[i] = ck_set(0.0f);
    }
    for (int64_t first = 0; first < width; first += block) {
        ck_vf sum[CK_TILE];
        CK_UNROLL
        for (int i = 0; i < R * P; i++) {
            sum[i] = ck_set(0.0f);
        }
        for (int64_t col = first; col < first + block; col++) {
            ck_vf key[CK_TILE_PANELS];
            if (R <= CK_PREFETCH_ROWS) {
                ck_prefetch(ahead, col, step, width);
            }
            CK_UNROLL
            for (int p = 0; p < P; p++) {
                key[p] = ck_load_cached(format, codes + p * panel_bytes, col * CK_LANES);
            }
            CK_UNROLL
            for (int r = 0; r < R; r++) {
                const ck_vf query = ck_set(queries[col * R + r]);
                CK_UNROLL
                for (int p = 0; p < P; p++) {
                    sum[r * P + p] = ck_fma(query, key[p], sum[r * P + p]);
                }
            }
        }
        CK_UNROLL
        for (int p = 0; p < P; p++) {
            const ck_vf scale = format == CK_CACHED_Q8_0
                                    ? ck_load_cached_scales(keys + p * panel_bytes, first / CK_CACHED_BLOCK)
                                    : ck_set(1.0f);
            CK_UNROLL
            for (int r = 0; r < R; r++) {
                const int i = r * P + p;
                total[i] = format == CK_CACHED_Q8_0 ? ck_fma(scale, sum[i], total[i]) : sum[i];
            }
        }
    }
    CK_UNROLL
    for (int r = 0; r < R; r++) {
        CK_UNROLL
        for (int p = 0; p < P; p++) {
            ck_store(scores + r * CK_CHUNK + p * CK_LANES, total[r * P + p]);
        }
    }
}

/* The same with the positions `from` to `to` of the chunk at `keys`, in whole panels. */
CK_INLINE void ck_score_rows(const int format, const int R, const int P, ck_rows *rows, int row, int64_t width,
                             const uint8_t *keys, const uint8_t *ahead, int64_t from, int64_t to)
{
    const float *queries = rows->queries + row * width;
    float *scores = rows->scores[row];
    int64_t at = from / CK_LANES * CK_LANES;
    for (; at + P * CK_LANES <= to; at += P * CK_LANES) {
        const int64_t place = ck_cached_bytes(format, at * width);
        ck_score_tile(format, R, P, queries, width, keys + place, ahead + place, scores + at);
    }
    for (; at < to; at += CK_LANES) {
        const int64_t place = ck_cached_bytes(format, at * width);
        ck_score_tile(format, R, 1, queries, width, keys + place, ahead + place, scores + at);
    }
}

/* sum = sum + weights · values for V vectors of columns from `col` on, positions from `from` to `to`; R rows whose
 * weights for vector v begin at weights + r * row_step + v / per_step * CK_CHUNK. n: columns of a partial vector. */
CK_INLINE void ck_add_values(const int format, const int R, const int V, const int partial, const float *weights,
                             const int row_step, const int64_t width, const uint8_t *values, const uint8_t *ahead,
                             int64_t col, int64_t n, int from, int to, ck_vf *sum)
{
    const int64_t bytes = V * CK_LANES * ck_cached_code_bytes(format);
    for (int i = from; i < to; i++) {
        ck_vf value[CK_TILE_VECTORS];
        const uint8_t *codes = values;
        int64_t at = i * width + col;
        if (format == CK_CACHED_Q8_0) {
            /* Scales lie between the panels. */
            codes += (i / CK_LANES + 1) * ck_cached_scale_bytes(format, width);
        }
        if (R <= CK_PREFETCH_ROWS) {
            ck_prefetch(ahead + CK_CHUNK * col * ck_cached_code_bytes(format), i, bytes, CK_CHUNK);
        }
        CK_UNROLL
        for (int v = 0; v < V; v++) {
            value[v] =
                partial ? ck_load_cached_n(format, codes, at, n) : ck_load_cached(format, codes, at + v * CK_LANES);
        }
        CK_UNROLL
        for (int r = 0; r < R; r++) {
            CK_UNROLL
            for (int v = 0; v < V; v++) {
                const int block = format == CK_CACHED_Q8_0 ? v * CK_LANES / CK_CACHED_BLOCK * CK_CHUNK : 0;
                sum[r * V + v] = ck_fma(ck_set(weights[r * row_step + block + i]), value[v], sum[r * V + v]);
            }
        }
    }
}

/* Blocks of q8_0 in the columns of a tile of values. */
#define CK_TILE_BLOCKS(V) ((V) * CK_LANES / CK_CACHED_BLOCK + ((V) * CK_LANES < CK_CACHED_BLOCK))

/*
 * sums = sums * decay + weights · values for the positions `from` to `to` of the chunk, R rows and V vectors of columns
 * from `col` on; n: columns of a partial one. Few rows ask for as many bytes at `ahead` meanwhile.
 */
CK_INLINE void ck_value_tile(const int format, const int R, const int V, const int partial, ck_rows *rows, int row,
                             int64_t width, const uint8_t *values, const uint8_t *ahead, int64_t col, int64_t n,
                             int from, int to)
{
    ck_vf sum[CK_TILE];
    /* The weights of q8_0 values are weights times scales. */
    float scaled[CK_TILE_ROWS][CK_CHUNK];
    const float *weights = rows->scores[row];
    int row_step = CK_CHUNK;
    if (format == CK_CACHED_Q8_0) {
        for (int at = from / CK_LANES * CK_LANES; at < to; at += CK_LANES) {
            const uint8_t *panel = values + ck_cached_bytes(format, at * width);
            CK_UNROLL
            for (int b = 0; b < CK_TILE_BLOCKS(V); b++) {
                const ck_vf scale = ck_load_cached_scales(panel, col / CK_CACHED_BLOCK + b);
                CK_UNROLL
                for (int r = 0; r < R; r++) {
                    ck_store(scaled[r * CK_TILE_BLOCKS(V) + b] + at, ck_load(weights + r * CK_CHUNK + at) * scale);
                }
            }
        }
        weights = scaled[0];
        row_step = CK_TILE_BLOCKS(V) * CK_CHUNK;
    }
    CK_UNROLL
    for (int r = 0; r < R; r++) {
        CK_UNROLL
        for (int v = 0; v < V; v++) {
            const float *old = rows->sums + (row + r) * width + col + v * CK_LANES;
            sum[r * V + v] = (partial ? ck_load_n(old, n) : ck_load(old)) * rows->decay[row + r];
        }
    }
    ck_add_values(format, R, V, partial, weights, row_step, width, values, ahead, col, n, from, to, sum);
    CK_UNROLL
    for (int r = 0; r < R; r++) {
        CK_UNROLL
        for (int v = 0; v < V; v++) {
            float *to_sum = rows->sums + (row + r) * width + col + v * CK_LANES;
            if (partial) {
                ck_store_n(to_sum, sum[r * V + v], n);
            } else {
                ck_store(to_sum, sum[r * V + v]);
            }
        }
    }
}

/* The same for all columns. */
CK_INLINE void ck_value_rows(const int format, const int R, const int V, ck_rows *rows, int row, int64_t width,
                             const uint8_t *values, const uint8_t *ahead, int from, int to)
{
    int64_t col = 0;
    for (; col + V * CK_LANES <= width; col += V * CK_LANES) {
        ck_value_tile(format, R, V, 0, rows, row, width, values, ahead, col, CK_LANES, from, to);
    }
    for (; col + CK_LANES <= width; col += CK_LANES) {
        ck_value_tile(format, R, 1, 0, rows, row, width, values, ahead, col, CK_LANES, from, to);
    }
    if (format != CK_CACHED_Q8_0 && col < width) {
        ck_value_tile(format, R, 1, 1, rows, row, width, values, ahead, col, width - col, from, to);
    }
}

/* Scores of R (8, 4, 2, 1) rows with the positions `from` to `to` of the chunk at `keys`. */
CK_INLINE void ck_score(const int format, int R, ck_rows *rows, int row, int64_t width, const uint8_t *keys,
                        const uint8_t *ahead, int64_t from, int64_t to)
{
    switch (R) {
    case 8:
        ck_score_rows(format, CK_TILE_ROWS, CK_TILE / CK_TILE_ROWS, rows, row, width, keys, ahead, from, to);
        break;
    case 4:
        ck_score_rows(format, 4, CK_TILE / 4, rows, row, width, keys, ahead, from, to);
        break;
    case 2:
        ck_score_rows(format, 2, CK_TILE_PANELS, rows, row, width, keys, ahead, from, to);
        break;
    default:
        ck_score_rows(format, 1, CK_TILE_PANELS, rows, row, width, keys, ahead, from, to);
        break;
    }
}

/* The weighed values of the positions `from` to `to` of the chunk at `values`, added to R (8, 4, 2, 1) rows. */
CK_INLINE void ck_add(const int format, int R, ck_rows *rows, int row, int64_t width, const uint8_t *values,
                      const uint8_t *ahead, int from, int to)
{
    switch (R) {
    case 8:
        ck_value_rows(format, CK_TILE_ROWS, CK_TILE / CK_TILE_ROWS, rows, row, width, values, ahead, from, to);
        break;
    case 4:
        ck_value_rows(format, 4, CK_TILE / 4, rows, row, width, values, ahead, from, to);
        break;
    case 2:
        ck_value_rows(format, 2, CK_TILE / 2, rows, row, width, values, ahead, from, to);
        break;
    default:
        ck_value_rows(format, 1, CK_TILE / 2, rows, row, width, values, ahead, from, to);
        break;
    }
}

#endif
