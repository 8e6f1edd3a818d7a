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
 * Rows of a tile of as many vectors, of one with fewer, and of one with a single vector whose rows of a lie at a constant
 * distance: those need no registers for where they begin.
 */
enum { CK_TILE_HEIGHT = 6, CK_NARROW_HEIGHT = 8, CK_TILE_SUMS = CK_TILE_VECTORS * CK_TILE_HEIGHT };
enum { CK_LONE_HEIGHT = CK_TILE_VECTORS == 4 ? 16 : 8 };

/*
 * The products of a strip, by what they add up. Weights are [keys][CK_STRIP], as scores are; rows of keys, of queries and of
 * their sums are `line` floats apart.
 *   CK_SCORES      columns: scores of keys, from their rows and the turned queries [width][CK_STRIP]
 *   CK_OF_KEYS     keys: sums of the strip's rows, from the weights and the rows of keys
 *   CK_OF_QUERIES  rows of the strip: sums of keys, from the weights and the rows of queries
 */
enum { CK_SCORES, CK_OF_KEYS, CK_OF_QUERIES };

/*
 * y[m] = from + sum over k of a[m, k] * b[k] for rows m of `vectors` vectors. Scores begin with `start`, the same for all
 * rows, and are then multiplied with `factor`, unless it is NULL, and with what y held, if they are bent; the rows of both
 * lie as those of y. The others are added to y.
 */
typedef struct {
    int64_t rows, vectors, depth, line;
    const float *a, *b;
    float *y;
    const float *start, *factor;
    int is_bent;
} ck_product;

/* Elements from row to row of a, from step to step of its depth, and from row to row of b and of y. */
typedef struct {
    int64_t a_row, a_step, row;
} ck_steps;

CK_INLINE ck_steps ck_steps_of(const int form, int64_t line)
{
    switch (form) {
    case CK_SCORES:
        return (ck_steps){line, 1, CK_STRIP};
    case CK_OF_KEYS:
        return (ck_steps){1, CK_STRIP, line};
    default:
        return (ck_steps){CK_STRIP, 1, line};
    }
}

CK_INLINE void ck_product_tile(const int form, const int V, const int T, const ck_product *p, int64_t row,
                               int64_t column)
{
    const ck_steps by = ck_steps_of(form, p->line);
    ck_vf sum[CK_TILE_SUMS];
    const float *a = p->a + row * by.a_row, *b = p->b + column;
    float *y = p->y + row * by.row + column;
    const float *from = form == CK_SCORES ? p->start + column : y;
    const int64_t from_row = form == CK_SCORES ? 0 : by.row;
    CK_UNROLL
    for (int i = 0; i < V * T; i++) {
        sum[i] = ck_load(from + i / V * from_row + i % V * CK_LANES);
    }
    CK_UNROLL_SOME
    for (int64_t left = p->depth; left > 0; left--, a += by.a_step, b += by.row) {
        ck_vf step[CK_TILE_VECTORS];
        CK_UNROLL
        for (int v = 0; v < V; v++) {
            step[v] = ck_load(b + v * CK_LANES);
        }
        CK_UNROLL
        for (int t = 0; t < T; t++) {
            const ck_vf input = ck_set(a[t * by.a_row]);
            CK_UNROLL
            for (int v = 0; v < V; v++) {
                sum[t * V + v] = ck_fma(input, step[v], sum[t * V + v]);
            }
        }
    }
    if (form == CK_SCORES && p->factor) {
        const float *factor = p->factor + row * by.row + column;
        CK_UNROLL
        for (int i = 0; i < V * T; i++) {
            sum[i] *= ck_load(factor + i / V * by.row + i % V * CK_LANES);
        }
    }
    if (form == CK_SCORES && p->is_bent) {
        CK_UNROLL
        for (int i = 0; i < V * T; i++) {
            sum[i] *= ck_load(y + i / V * by.row + i % V * CK_LANES);
        }
    }
    CK_UNROLL
    for (int i = 0; i < V * T; i++) {
        ck_store(y + i / V * by.row + i % V * CK_LANES, sum[i]);
    }
}

/* All rows of V vectors from `column` on. */
CK_INLINE void ck_product_rows(const int form, const int V, const ck_product *p, int64_t column)
{
    enum { TALL = CK_TILE_HEIGHT, NARROW = CK_NARROW_HEIGHT, LONE = CK_LONE_HEIGHT };
    int64_t row = 0;
    if (V == 1 && form != CK_SCORES) {
        for (; p->rows - row >= LONE; row += LONE) {
            ck_product_tile(form, V, LONE, p, row, column);
        }
    }
    if (V == CK_TILE_VECTORS) {
        for (; p->rows - row >= TALL; row += TALL) {
            ck_product_tile(form, V, TALL, p, row, column);
        }
    } else {
        for (; p->rows - row >= NARROW; row += NARROW) {
            ck_product_tile(form, V, NARROW, p, row, column);
        }
    }
    for (; p->rows - row >= 4; row += 4) {
        ck_product_tile(form, V, 4, p, row, column);
    }
    for (; p->rows - row >= 2; row += 2) {
        ck_product_tile(form, V, 2, p, row, column);
    }
    if (row < p->rows) {
        ck_product_tile(form, V, 1, p, row, column);
    }
}

CK_INLINE void ck_multiply_strip(const int form, const ck_product *p)
{
    int64_t vectors;
    for (int64_t at = 0; at < p->vectors; at += vectors) {
        const int64_t left = p->vectors - at;
        /* Five are better as three and two than as four and one. */
        vectors = left < CK_TILE_VECTORS ? left : left == CK_TILE_VECTORS + 1 ? (left + 1) / 2 : CK_TILE_VECTORS;
        switch (vectors) {
        case 1:
            ck_product_rows(form, 1, p, at * CK_LANES);
            break;
#if CK_TILE_VECTORS == 4
        case 2:
            ck_product_rows(form, 2, p, at * CK_LANES);
            break;
        case 3:
            ck_product_rows(form, 3, p, at * CK_LANES);
            break;
#endif
        default:
            ck_product_rows(form, CK_TILE_VECTORS, p, at * CK_LANES);
            break;
        }
    }
}

/* Each form's tiles are compiled once. */

static __attribute__((noinline)) void ck_multiply_scores(const ck_product *p)
{
    ck_multiply_strip(CK_SCORES, p);
}

static __attribute__((noinline)) void ck_add_products_of_keys(const ck_product *p)
{
    ck_multiply_strip(CK_OF_KEYS, p);
}

static __attribute__((noinline)) void ck_add_products_of_queries(const ck_product *p)
{
    ck_multiply_strip(CK_OF_QUERIES, p);
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
