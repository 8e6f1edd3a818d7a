/*
 * strips.h: attention of whole sequences, strip by strip: CK_STRIP rows of queries at a time, one per lane.
 *
 * What a strip has of every key (scores, weights, their gradients) is a row of CK_STRIP floats. Keys are taken in runs that
 * the same vectors of rows read, so what nobody attends to is not computed, but for the lanes and keys around an edge.
 * Every result is one chain of multiply-adds, in the order of columns, of keys or of rows, whatever the tiles.
 */
#ifndef CK_STRIPS_H
#define CK_STRIPS_H

#include "simd.h"

/* Rows of a strip, keys that are in or out together, and the most keys of a run: what is done with them stays in cache. */
enum { CK_STRIP = 64, CK_STRIP_VECTORS = CK_STRIP / CK_LANES, CK_BLOCK_KEYS = 16, CK_RUN_KEYS = 64 };

/* Vectors of a register tile and most rows of one with as many, so that the sums and one step of both operands fit. */
#if defined CK_AVX512 || defined CK_NEON
#define CK_TILE_VECTORS 4
#else
#define CK_TILE_VECTORS 2
#endif
/* Rows of a tile of as many vectors, and of one with fewer. */
enum { CK_TILE_HEIGHT = 6, CK_NARROW_HEIGHT = 8, CK_TILE_SUMS = CK_TILE_VECTORS * CK_TILE_HEIGHT };

/*
 * y[m] = (from + sum over k of a[m, k] * b[k]) * factor * bend for rows m of `vectors` vectors. From: `start`, the same for all
 * rows, or y where that is NULL. Factor: 1 where it is NULL; its rows lie as those of y. Bend: what y holds, or 1.
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

CK_INLINE void ck_product_tile(const int V, const int T, const ck_product *p, int64_t row, int64_t column)
{
    ck_vf sum[CK_TILE_SUMS];
    const float *a = p->a + row * p->a_row, *b = p->b + column;
    const int64_t at = row * p->y_row + column, y_row = p->y_row, a_row = p->a_row;
    const float *from = p->start ? p->start + column : p->y + at;
    const int64_t from_row = p->start ? 0 : y_row;
    CK_UNROLL
    for (int i = 0; i < V * T; i++) {
        sum[i] = ck_load(from + i / V * from_row + i % V * CK_LANES);
    }
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

/* All rows of V vectors from `column` on. */
CK_INLINE void ck_product_rows(const int V, const ck_product *p, int64_t column)
{
    enum { TALL = CK_TILE_HEIGHT, NARROW = CK_NARROW_HEIGHT };
    int64_t row = 0;
    if (V == CK_TILE_VECTORS) {
        for (; p->rows - row >= TALL; row += TALL) {
            ck_product_tile(V, TALL, p, row, column);
        }
    } else {
        for (; p->rows - row >= NARROW; row += NARROW) {
            ck_product_tile(V, NARROW, p, row, column);
        }
    }
    for (; p->rows - row >= 4; row += 4) {
        ck_product_tile(V, 4, p, row, column);
    }
    for (; p->rows - row >= 2; row += 2) {
        ck_product_tile(V, 2, p, row, column);
    }
    if (row < p->rows) {
        ck_product_tile(V, 1, p, row, column);
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
            ck_product_rows(1, p, at * CK_LANES);
            break;
#if CK_TILE_VECTORS == 4
        case 2:
            ck_product_rows(2, p, at * CK_LANES);
            break;
        case 3:
            ck_product_rows(3, p, at * CK_LANES);
            break;
#endif
        default:
            ck_product_rows(CK_TILE_VECTORS, p, at * CK_LANES);
            break;
        }
    }
}

/* Keys [begin, end) and the vectors of rows [first, last) that read some of them; masked: not all of the rows all of the keys. */
typedef struct {
    int64_t begin, end;
    int first, last, is_masked;
} ck_run;

typedef struct {
    int64_t rows;
    int64_t begin, end; /* of the keys that any row reads; begin in whole blocks */
    /* The keys [first, last) that each row reads; none where there is no row. */
    int32_t first[CK_STRIP], last[CK_STRIP];
    /* Of each vector of rows: the keys that some read, and those that all read. */
    int32_t some_first[CK_STRIP_VECTORS], some_last[CK_STRIP_VECTORS];
    int32_t all_first[CK_STRIP_VECTORS], all_last[CK_STRIP_VECTORS];
    /* Of each row: its largest score, the sum of its weights and its inverse. */
    float most[CK_STRIP], total[CK_STRIP], inverse[CK_STRIP];
} ck_strip;

/* Fills in the rest of a strip from `rows` and from the keys of its rows. */
static void ck_bound_strip(ck_strip *s)
{
    s->begin = INT32_MAX;
    s->end = 0;
    for (int64_t row = s->rows; row < CK_STRIP; row++) {
        s->first[row] = s->last[row] = 0;
    }
    for (int v = 0; v < CK_STRIP_VECTORS; v++) {
        int32_t some_first = INT32_MAX, some_last = 0, all_first = 0, all_last = INT32_MAX;
        for (int64_t row = v * CK_LANES; row < (v + 1) * CK_LANES && row < s->rows; row++) {
            const int32_t first = s->first[row], last = s->last[row];
            some_first = first < some_first ? first : some_first;
            some_last = last > some_last ? last : some_last;
            all_first = first > all_first ? first : all_first;
            all_last = last < all_last ? last : all_last;
        }
        s->some_first[v] = some_first;
        s->some_last[v] = some_last;
        s->all_first[v] = all_first;
        s->all_last[v] = all_last;
        s->begin = some_first < s->begin ? some_first : s->begin;
        s->end = some_last > s->end ? some_last : s->end;
    }
    s->begin = s->begin < s->end ? s->begin / CK_BLOCK_KEYS * CK_BLOCK_KEYS : s->end;
}

/* The block of keys that begins with `key`. */
static ck_run ck_block_of(const ck_strip *s, int64_t key)
{
    const int64_t end = key + CK_BLOCK_KEYS < s->end ? key + CK_BLOCK_KEYS : s->end;
    ck_run run = {key, end, CK_STRIP_VECTORS, 0, 0};
    for (int v = 0; v < CK_STRIP_VECTORS; v++) {
        if (s->some_first[v] < end && s->some_last[v] > key) {
            run.first = v < run.first ? v : run.first;
            run.last = v + 1;
        }
    }
    for (int v = run.first; v < run.last; v++) {
        run.is_masked |= s->all_first[v] > key || s->all_last[v] < end;
    }
    return run;
}

/* The run of keys that follows `run`, or the first one where it ends at the begin of the strip. Without keys: no more. */
static ck_run ck_next_run(const ck_strip *s, ck_run run)
{
    run.begin = run.end;
    while (run.end < s->end) {
        const ck_run block = ck_block_of(s, run.end);
        if (run.begin == run.end && block.first < block.last) {
            run = block;
        } else if (run.begin == run.end) {
            run.begin = run.end = block.end;
        } else if (block.first == run.first && block.last == run.last && block.is_masked == run.is_masked &&
                   block.end - run.begin <= CK_RUN_KEYS) {
            run.end = block.end;
        } else {
            break;
        }
    }
    return run;
}

#define CK_EACH_RUN(run, strip)                                                                                        \
    for (ck_run run = ck_next_run(strip, (ck_run){.end = (strip)->begin}); run.begin < run.end;                        \
         run = ck_next_run(strip, run))

#endif
