/*
 * strips.h: attention of whole sequences, strip by strip: CK_STRIP rows of queries at a time, one per lane.
 *
 * What a strip has of every key (scores, weights, their gradients) is a row of CK_STRIP floats. Keys are taken in runs
 * that the same vectors of rows read, so what nobody attends to is not computed, but for the lanes and keys around an
 * edge. Every result is one chain of multiply-adds, in the order of columns, of keys or of rows, whatever the tiles.
 */
#ifndef CK_STRIPS_H
#define CK_STRIPS_H

#include "reduce.h"

/* Rows of a strip, keys that are in or out together, and the most keys of a run, which stays in cache. */
enum { CK_STRIP = 64, CK_STRIP_VECTORS = CK_STRIP / CK_LANES, CK_BLOCK_KEYS = 16, CK_RUN_KEYS = 64 };

/* Vectors of a register tile and most rows of one with as many, so that the sums and one step of both operands fit. */
#if defined CK_AVX512 || defined CK_NEON
#define CK_TILE_VECTORS 4
#else
#define CK_TILE_VECTORS 2
#endif
/*
 * Rows of a tile of as many vectors, of one with fewer, and of one with a single vector whose rows lie at a constant
 * distance: those need no registers for where they begin.
 */
enum { CK_TILE_HEIGHT = 6, CK_NARROW_HEIGHT = 8, CK_TILE_SUMS = CK_TILE_VECTORS * CK_TILE_HEIGHT };
enum { CK_LONE_HEIGHT = CK_TILE_VECTORS == 4 ? 16 : 8 };

/*
 * y[m] = (from + sum over k of a[m, k] * b[k]) * factor * bend for rows m of `vectors` vectors. From: `start`, the same
 * for all rows, or y where that is NULL. Factor: 1 where it is NULL; its rows lie as those of y. Bend: what y holds, or
 * 1.
 */
typedef struct {
    int64_t rows, vectors, depth;
    const float *a;
    int64_t a_row, a_step; /* from row to row, and from step to step of the depth */
    const float *b;
    int64_t b_step;
    float *y;
    int64_t y_row;
    const float *start, *factor;
    int is_bent;
} ck_product;

CK_INLINE void ck_product_tile(const int V, const int T, const int64_t a_row, const ck_product *p, int64_t row,
                               int64_t column)
{
    ck_vf sum[CK_TILE_SUMS];
    const float *a = p->a + row * a_row, *b = p->b + column;
    const int64_t at = row * p->y_row + column, y_row = p->y_row;
    const float *from = p->start ? p->start + column : p->y + at;
    const int64_t from_row = p->start ? 0 : y_row;
    CK_UNROLL
    for (int i = 0; i < V * T; i++) {
        sum[i] = ck_load(from + i / V * from_row + i % V * CK_LANES);
    }
    CK_UNROLL_SOME
    for (int64_t k = 0; k < p->depth; k++, a += p->a_step, b += p->b_step) {
        ck_vf step[CK_TILE_VECTORS];
        CK_UNROLL
        for (int v = 0; v < V; v++) {
            step[v] = ck_load(b + v * CK_LANES);
        }
        CK_UNROLL
        for (int t = 0; t < T; t++) {
            const ck_vf input = ck_set(a[t * a_row]);
            CK_UNROLL
            for (int v = 0; v < V; v++) {
                sum[t * V + v] = ck_fma(input, step[v], sum[t * V + v]);
            }
        }
    }
    if (p->factor) {
        CK_UNROLL
        for (int i = 0; i < V * T; i++) {
            sum[i] *= ck_load(p->factor + at + i / V * y_row + i % V * CK_LANES);
        }
    }
    if (p->is_bent) {
        CK_UNROLL
        for (int i = 0; i < V * T; i++) {
            sum[i] *= ck_load(p->y + at + i / V * y_row + i % V * CK_LANES);
        }
    }
    CK_UNROLL
    for (int i = 0; i < V * T; i++) {
        ck_store(p->y + at + i / V * y_row + i % V * CK_LANES, sum[i]);
    }
}

/* All rows of V vectors from `column` on. `distance`: of the rows of a, or 0 where it is no constant. */
CK_INLINE void ck_product_rows(const int V, const int64_t distance, const ck_product *p, int64_t column)
{
    enum { TALL = CK_TILE_HEIGHT, NARROW = CK_NARROW_HEIGHT, LONE = CK_LONE_HEIGHT };
    const int64_t a_row = distance ? distance : p->a_row;
    int64_t row = 0;
    if (V == 1 && distance) {
        for (; p->rows - row >= LONE; row += LONE) {
            ck_product_tile(V, LONE, a_row, p, row, column);
        }
    }
    if (V == CK_TILE_VECTORS) {
        for (; p->rows - row >= TALL; row += TALL) {
            ck_product_tile(V, TALL, a_row, p, row, column);
        }
    } else {
        for (; p->rows - row >= NARROW; row += NARROW) {
            ck_product_tile(V, NARROW, a_row, p, row, column);
        }
    }
    for (; p->rows - row >= 4; row += 4) {
        ck_product_tile(V, 4, a_row, p, row, column);
    }
    for (; p->rows - row >= 2; row += 2) {
        ck_product_tile(V, 2, a_row, p, row, column);
    }
    if (row < p->rows) {
        ck_product_tile(V, 1, a_row, p, row, column);
    }
}

static void ck_multiply_strip(const ck_product *p)
{
    int64_t vectors;
    for (int64_t at = 0; at < p->vectors; at += vectors) {
        const int64_t left = p->vectors - at;
        /* Five are better as three and two than as four and one. */
        vectors = left < CK_TILE_VECTORS ? left : left == CK_TILE_VECTORS + 1 ? (left + 1) / 2 : CK_TILE_VECTORS;
        switch (vectors) {
        case 1:
            if (p->a_row == 1) {
                ck_product_rows(1, 1, p, at * CK_LANES);
            } else if (p->a_row == CK_STRIP) {
                ck_product_rows(1, CK_STRIP, p, at * CK_LANES);
            } else {
                ck_product_rows(1, 0, p, at * CK_LANES);
            }
            break;
#if CK_TILE_VECTORS == 4
        case 2:
            ck_product_rows(2, 0, p, at * CK_LANES);
            break;
        case 3:
            ck_product_rows(3, 0, p, at * CK_LANES);
            break;
#endif
        default:
            ck_product_rows(CK_TILE_VECTORS, 0, p, at * CK_LANES);
            break;
        }
    }
}

/* Keys [begin, end), and the vectors of rows [first, last) that read some; masked: not all of the rows all of them. */
typedef struct {
    int32_t begin, end, first, last, is_masked;
} ck_run;

typedef struct {
    int64_t rows;
    int32_t begin; /* of the keys that any row reads, in whole blocks */
    int32_t count;
    ck_run *runs;
    /* The keys [first, last) that each row reads; a lane without a row reads none. */
    int32_t first[CK_STRIP], last[CK_STRIP];
    /* Of each row: its largest score, the sum of its weights and its inverse. */
    float most[CK_STRIP], total[CK_STRIP], inverse[CK_STRIP];
} ck_strip;

/* The keys that some rows of a vector read, and those that all of them read. */
typedef struct {
    int32_t some_first, some_last, all_first, all_last;
} ck_bounds;

static ck_bounds ck_bounds_of(const int32_t *first, const int32_t *last)
{
    ck_vi firsts, lasts;
    memcpy(&firsts, first, sizeof firsts);
    memcpy(&lasts, last, sizeof lasts);
    return (ck_bounds){-ck_largest_i(-firsts), ck_largest_i(lasts), ck_largest_i(firsts), -ck_largest_i(-lasts)};
}

/* The block of keys from `begin` to `end` as a run. */
static ck_run ck_block_of(const ck_bounds *bounds, int32_t begin, int32_t end)
{
    ck_run run = {begin, end, CK_STRIP_VECTORS, 0, 0};
    for (int v = 0; v < CK_STRIP_VECTORS; v++) {
        if (bounds[v].some_first < end && bounds[v].some_last > begin) {
            run.first = v < run.first ? v : run.first;
            run.last = v + 1;
        }
    }
    for (int v = run.first; v < run.last; v++) {
        run.is_masked |= bounds[v].all_first > begin || bounds[v].all_last < end;
    }
    return run;
}

/* Divides the keys that the rows of a strip read into runs; at most as many as there are blocks of keys. */
static void ck_set_runs(ck_strip *s)
{
    ck_bounds bounds[CK_STRIP_VECTORS];
    int32_t first = INT32_MAX, end = 0;
    for (int v = 0; v < CK_STRIP_VECTORS; v++) {
        bounds[v] = ck_bounds_of(s->first + v * CK_LANES, s->last + v * CK_LANES);
        first = bounds[v].some_first < first ? bounds[v].some_first : first;
        end = bounds[v].some_last > end ? bounds[v].some_last : end;
    }
    s->begin = first < end ? first / CK_BLOCK_KEYS * CK_BLOCK_KEYS : end;
    s->count = 0;
    for (int32_t key = s->begin; key < end; key += CK_BLOCK_KEYS) {
        const ck_run block = ck_block_of(bounds, key, key + CK_BLOCK_KEYS < end ? key + CK_BLOCK_KEYS : end);
        ck_run *last = s->count ? &s->runs[s->count - 1] : NULL;
        if (block.first >= block.last) {
            continue;
        }
        if (last && last->end == key && last->first == block.first && last->last == block.last &&
            last->is_masked == block.is_masked && block.end - last->begin <= CK_RUN_KEYS) {
            last->end = block.end;
        } else {
            s->runs[s->count++] = block;
        }
    }
}

#define CK_EACH_RUN(run, strip) for (const ck_run *run = (strip)->runs; run < (strip)->runs + (strip)->count; run++)

#endif
