/*
 * attendTiles.h: register tiles of attention: rows times key panels, and weights times vectors of values, of one chunk.
 *
 * Many rows that read the same chunk have it widened to f32 first: a conversion costs as much as a multiply-add or two.
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

/*
 * Rows of a tall tile, whose codes are f32, and key panels or vectors of values in it; accumulators of any other tile, which
 * widens codes: as many as the registers hold.
 */
#if defined CK_AVX512 || defined CK_NEON
enum { CK_TALL_ROWS = 8, CK_TALL_VECTORS = 2, CK_TILE = 16 };
#else
enum { CK_TALL_ROWS = 6, CK_TALL_VECTORS = 2, CK_TILE = 8 };
#endif
enum { CK_TILE_SUMS = CK_TALL_ROWS * CK_TALL_VECTORS, CK_TILE_PANELS = 4, CK_TILE_VECTORS = 8, CK_PREFETCH_ROWS = 4 };

/* Rows for which a part of a chunk is widened, and floats of that part. */
enum { CK_MANY_ROWS = 8, CK_WIDE_FLOATS = 4096 };

/* Bytes that memory gives at a time. */
enum { CK_LINE = 64 };

/* Rows over a cache row. */
typedef struct {
    int count;
    int codes; /* what the tiles read, since ck_set_queries: the cache's format, or f32 where it is widened */
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
    float wide[CK_WIDE_FLOATS];
} ck_rows;

/*
 * Panels of one chunk as the tiles read them: stored, or widened to f32. Keys: panels one behind the other. Values: rows
 * of positions, whose first column is `first`.
 */
typedef struct {
    const uint8_t *codes, *scales;   /* scales: of q8_0 */
    int64_t code_bytes, scale_bytes; /* from panel to panel */
    int64_t row, first;
} ck_source;

/* The panels at `panels` as they are stored. */
CK_INLINE ck_source ck_stored(int format, const uint8_t *panels, int64_t width)
{
    const int64_t bytes = ck_cached_bytes(format, width * CK_LANES);
    return (ck_source){panels + ck_cached_scale_bytes(format, width), panels, bytes, bytes, width, 0};
}

/* `count` codes as f32, without their scales. */
CK_INLINE void ck_widen_codes(const int format, const uint8_t *codes, int64_t count, float *out)
{
    int64_t i = 0;
    for (; i + CK_LANES <= count; i += CK_LANES) {
        ck_store(out + i, ck_load_cached(format, codes, i));
    }
    if (format != CK_Q8_0 && i < count) {
        ck_store(out + i, ck_load_cached_n(format, codes, i, count - i));
    }
}

/* The same of the formats that are not f32 already. A last vector of f16 is filled with zeros. */
static void ck_widen(int format, const uint8_t *codes, int64_t count, float *out)
{
    if (format == CK_F16) {
        ck_widen_codes(CK_F16, codes, count, out);
    } else {
        ck_widen_codes(CK_Q8_0, codes, count, out);
    }
}

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
 * Scores of R rows with the positions of P key panels from panel `panel` of the source on, to `scores` (rows CK_CHUNK
 * apart). format: of the codes. Few rows wait for memory: then it asks meanwhile for as many bytes at `ahead`.
 */
CK_INLINE void ck_score_tile(const int format, const int is_scaled, const int R, const int P, const float *queries,
                             int64_t width, const ck_source *keys, int64_t panel, const uint8_t *ahead, float *scores)
{
    const uint8_t *codes = keys->codes + panel * keys->code_bytes, *scales = keys->scales + panel * keys->scale_bytes;
    const int64_t block = is_scaled ? CK_CACHED_BLOCK : width;
    const int64_t step = P * CK_LANES * ck_cached_code_bytes(format);
    ck_vf total[CK_TILE_SUMS];
    CK_UNROLL
    for (int i = 0; i < R * P; i++) {
        total[i] = ck_set(0.0f);
    }
    for (int64_t first = 0; first < width; first += block) {
        ck_vf sum[CK_TILE_SUMS];
        CK_UNROLL
        for (int i = 0; i < R * P; i++) {
            sum[i] = ck_set(0.0f);
        }
        CK_UNROLL_SOME
        for (int64_t col = first; col < first + block; col++) {
            ck_vf key[CK_TILE_PANELS];
            if (R <= CK_PREFETCH_ROWS) {
                ck_prefetch(ahead, col, step, width);
            }
            CK_UNROLL
            for (int p = 0; p < P; p++) {
                key[p] = ck_load_cached(format, codes + p * keys->code_bytes, col * CK_LANES);
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
            const ck_vf scale = is_scaled
                                    ? ck_load_cached_scales(scales + p * keys->scale_bytes, first / CK_CACHED_BLOCK)
                                    : ck_set(1.0f);
            CK_UNROLL
            for (int r = 0; r < R; r++) {
                const int i = r * P + p;
                total[i] = is_scaled ? ck_fma(scale, sum[i], total[i]) : sum[i];
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

/* The same with `panels` panels of the source, the first of which holds the chunk's positions from `at` on. */
CK_INLINE void ck_score_rows(const int format, const int is_scaled, const int R, const int P, ck_rows *rows, int row,
                             int64_t width, const ck_source *keys, int64_t panels, const uint8_t *ahead, int64_t at)
{
    const float *queries = rows->queries + row * width;
    float *scores = rows->scores[row] + at;
    int64_t panel = 0;
    for (; panel + P <= panels; panel += P) {
        ck_score_tile(format, is_scaled, R, P, queries, width, keys, panel, ahead + panel * keys->scale_bytes,
                      scores + panel * CK_LANES);
    }
    for (; panel < panels; panel++) {
        ck_score_tile(format, is_scaled, R, 1, queries, width, keys, panel, ahead + panel * keys->scale_bytes,
                      scores + panel * CK_LANES);
    }
}

/* sum = sum + weights · values for V vectors of columns from `col` on, positions from `from` to `to`; R rows whose
 * weights for vector v begin at weights + r * row_step + v / per_step * CK_CHUNK. n: columns of a partial vector. */
CK_INLINE void ck_add_values(const int format, const int is_scaled, const int R, const int V, const int partial,
                             const float *weights, const int row_step, const ck_source *values, const uint8_t *ahead,
                             int64_t col, int64_t n, int from, int to, ck_vf *sum)
{
    const int64_t bytes = V * CK_LANES * ck_cached_code_bytes(format);
    /* Scales lie between the panels that are stored. */
    const int64_t between = values->code_bytes - values->row * CK_LANES * ck_cached_code_bytes(format);
    CK_UNROLL_SOME
    for (int i = from; i < to; i++) {
        ck_vf value[CK_TILE_VECTORS];
        const uint8_t *codes = values->codes;
        const int64_t at = i * values->row + col - values->first;
        if (format == CK_Q8_0) {
            codes += i / CK_LANES * between;
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
                const int block = is_scaled ? v * CK_LANES / CK_CACHED_BLOCK * CK_CHUNK : 0;
                sum[r * V + v] = ck_fma(ck_set(weights[r * row_step + block + i]), value[v], sum[r * V + v]);
            }
        }
    }
}

/* Blocks of q8_0 in the columns of a tile of values. */
#define CK_TILE_BLOCKS(V) ((V) * CK_LANES / CK_CACHED_BLOCK + ((V) * CK_LANES < CK_CACHED_BLOCK))

/* What a tile of R rows reads of a chunk's values: their positions `from` to `to`, and the factor of each row's sums. */
typedef struct {
    int row, from, to;
    const float *decay;
} ck_weighed;

/*
 * sums = sums * decay + weights · values for R rows and V vectors of columns from `col` on; n: columns of a partial one. Few
 * rows ask for as many bytes at `ahead` meanwhile.
 */
CK_INLINE void ck_value_tile(const int format, const int is_scaled, const int R, const int V, const int partial,
                             ck_rows *rows, const ck_weighed w, int64_t width, const ck_source *values,
                             const uint8_t *ahead, int64_t col, int64_t n)
{
    ck_vf sum[CK_TILE_SUMS];
    /* The weights of q8_0 values are weights times scales. */
    float scaled[CK_TALL_ROWS][CK_CHUNK];
    const float *weights = rows->scores[w.row];
    int row_step = CK_CHUNK;
    if (is_scaled) {
        for (int at = w.from / CK_LANES * CK_LANES; at < w.to; at += CK_LANES) {
            const uint8_t *scales = values->scales + at / CK_LANES * values->scale_bytes;
            CK_UNROLL
            for (int b = 0; b < CK_TILE_BLOCKS(V); b++) {
                const ck_vf scale = ck_load_cached_scales(scales, col / CK_CACHED_BLOCK + b);
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
            const float *old = rows->sums + (w.row + r) * width + col + v * CK_LANES;
            sum[r * V + v] = (partial ? ck_load_n(old, n) : ck_load(old)) * w.decay[r];
        }
    }
    ck_add_values(format, is_scaled, R, V, partial, weights, row_step, values, ahead, col, n, w.from, w.to, sum);
    CK_UNROLL
    for (int r = 0; r < R; r++) {
        CK_UNROLL
        for (int v = 0; v < V; v++) {
            float *to_sum = rows->sums + (w.row + r) * width + col + v * CK_LANES;
            if (partial) {
                ck_store_n(to_sum, sum[r * V + v], n);
            } else {
                ck_store(to_sum, sum[r * V + v]);
            }
        }
    }
}

/* The same for the columns from the source's first one to `end`. */
CK_INLINE void ck_value_rows(const int format, const int is_scaled, const int R, const int V, ck_rows *rows,
                             const ck_weighed w, int64_t width, const ck_source *values, int64_t end,
                             const uint8_t *ahead)
{
    int64_t col = values->first;
    for (; col + V * CK_LANES <= end; col += V * CK_LANES) {
        ck_value_tile(format, is_scaled, R, V, 0, rows, w, width, values, ahead, col, CK_LANES);
    }
    for (; col + CK_LANES <= end; col += CK_LANES) {
        ck_value_tile(format, is_scaled, R, 1, 0, rows, w, width, values, ahead, col, CK_LANES);
    }
    if (!is_scaled && col < end) {
        ck_value_tile(format, is_scaled, R, 1, 1, rows, w, width, values, ahead, col, end - col);
    }
}

/* Scores of R rows with key panels of the source: of CK_TALL_ROWS where codes are f32. */
CK_INLINE void ck_score(const int format, const int is_scaled, int R, ck_rows *rows, int row, int64_t width,
                        const ck_source *keys, int64_t panels, const uint8_t *ahead, int64_t at)
{
    if (format == CK_F32 && R == CK_TALL_ROWS) {
        ck_score_rows(CK_F32, is_scaled, CK_TALL_ROWS, CK_TALL_VECTORS, rows, row, width, keys, panels, ahead,
                      at);
        return;
    }
    switch (R) {
    case 4:
        ck_score_rows(format, is_scaled, 4, CK_TILE / 4, rows, row, width, keys, panels, ahead, at);
        break;
    case 2:
        ck_score_rows(format, is_scaled, 2, CK_TILE_PANELS, rows, row, width, keys, panels, ahead, at);
        break;
    default:
        ck_score_rows(format, is_scaled, 1, CK_TILE_PANELS, rows, row, width, keys, panels, ahead, at);
        break;
    }
}

/* The weighed values added to R rows: of CK_TALL_ROWS where codes are f32. */
CK_INLINE void ck_add(const int format, const int is_scaled, int R, ck_rows *rows, const ck_weighed w, int64_t width,
                      const ck_source *values, int64_t end, const uint8_t *ahead)
{
    if (format == CK_F32 && R == CK_TALL_ROWS) {
        ck_value_rows(CK_F32, is_scaled, CK_TALL_ROWS, CK_TALL_VECTORS, rows, w, width, values, end, ahead);
        return;
    }
    switch (R) {
    case 4:
        ck_value_rows(format, is_scaled, 4, CK_TILE / 4, rows, w, width, values, end, ahead);
        break;
    case 2:
        ck_value_rows(format, is_scaled, 2, CK_TILE / 2, rows, w, width, values, end, ahead);
        break;
    default:
        ck_value_rows(format, is_scaled, 1, CK_TILE / 2, rows, w, width, values, end, ahead);
        break;
    }
}

#endif
