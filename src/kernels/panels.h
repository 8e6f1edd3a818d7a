/*
 * panels.h: parts of two matrices in the order in which their product reads them: tiles of rows, panels of columns.
 */
#ifndef CK_PANELS_H
#define CK_PANELS_H

#include "floatTiles.h"
#include "split.h"
#include "turn.h"

/* The register tile: the sums, one step of a panel and one value of a fit the registers. */
#if defined CK_AVX512 || defined CK_NEON
enum { CK_TALL = 12 };
#else
enum { CK_TALL = 6 };
#endif
/* A tile of few rows, so that the last rows do not cost a whole one. */
enum { CK_LOW = CK_TALL / 3 };
enum { CK_VECTORS = 2, CK_WIDE = CK_VECTORS * CK_LANES };

/* Tiles that are written side by side: their lines stay in the first-level cache until they are full. */
enum { CK_GROUP = 8 };

/* Rows or columns [begin, end). */
typedef struct {
    int64_t begin, end;
} ck_range;

CK_INLINE ck_vf ck_load_values(const int format, const void *values, int64_t index, int64_t count)
{
    if (count >= CK_LANES) {
        return ck_load_weights(format, values, index);
    }
    if (count <= 0) {
        return ck_set(0.0f);
    }
    if (format == CK_F32) {
        return ck_load_n((const float *)values + index, count);
    }
    const ck_vh half = ck_load_h_n((const uint16_t *)values + index, count);
    return format == CK_F16 ? ck_from_f16(half) : ck_from_bf16(half);
}

/* Panels of the columns of b as it is: [panel][depth][CK_WIDE], zeros beyond the last column. */
CK_INLINE void ck_copy_rows(const int format, const void *b, int64_t b_row, ck_range cols, ck_range depth,
                            float *panels)
{
    const int64_t panel = (depth.end - depth.begin) * CK_WIDE;
    for (int64_t k = depth.begin; k < depth.end; k++, panels += CK_WIDE) {
        const int64_t row = k * b_row;
        float *to = panels;
        for (int64_t col = cols.begin; col < cols.end; col += CK_WIDE, to += panel) {
            CK_UNROLL
            for (int v = 0; v < CK_VECTORS; v++) {
                const int64_t at = col + v * CK_LANES;
                ck_store(to + v * CK_LANES, ck_load_values(format, b, row + at, cols.end - at));
            }
        }
    }
}

/* out[i * step + lane] = row `lane` of the square, column i, for `count` columns and the first `lanes` rows. */
CK_INLINE void ck_store_transposed(const ck_vf *square, const int64_t count, int64_t step, int64_t lanes, float *out)
{
    ck_vf turned[CK_LANES];
    ck_transpose(square, turned);
    CK_UNROLL
    for (int64_t i = 0; i < count; i++) {
        ck_store_some(out + i * step, turned[i], lanes);
    }
}

/*
 * out[i * step + lane] = element i of row `lane`, for `height` <= CK_LANES rows that begin at `from`, row_step elements
 * apart, and at most CK_LANES columns. Rows from `rows` on are zeros; of columns there are `cols`.
 */
CK_INLINE void ck_copy_square(const int format, const int height, const void *values, int64_t from, int64_t row_step,
                              int64_t rows, int64_t cols, int64_t step, float *out)
{
    ck_vf square[CK_LANES];
    if (rows >= height && cols >= CK_LANES) {
        /* Without conditions it stays in registers. */
        CK_UNROLL
        for (int lane = 0; lane < CK_LANES; lane++) {
            square[lane] = lane < height ? ck_load_weights(format, values, from + lane * row_step) : ck_set(0.0f);
        }
        ck_store_transposed(square, CK_LANES, step, height, out);
        return;
    }
    for (int lane = 0; lane < CK_LANES; lane++) {
        const int is_there = lane < height && lane < rows;
        square[lane] = ck_load_values(format, values, from + lane * row_step, is_there ? cols : 0);
    }
    ck_store_transposed(square, ck_least(cols, CK_LANES), step, height, out);
}

/* The same panels from b stored as [cols, depth]. */
CK_INLINE void ck_copy_columns(const int format, const void *b, int64_t b_row, ck_range cols, ck_range depth,
                               float *panels)
{
    const int64_t panel = (depth.end - depth.begin) * CK_WIDE;
    for (int64_t col = cols.begin; col < cols.end; col += CK_WIDE, panels += panel) {
        for (int v = 0; v < CK_VECTORS; v++) {
            const int64_t first = col + v * CK_LANES;
            for (int64_t k = depth.begin; k < depth.end; k += CK_LANES) {
                float *to = panels + (k - depth.begin) * CK_WIDE + v * CK_LANES;
                ck_copy_square(format, CK_LANES, b, first * b_row + k, b_row, cols.end - first, depth.end - k, CK_WIDE,
                               to);
            }
        }
    }
}

/* Panels of op(b): b, of format `of`, is [depth, cols], or [cols, depth] if `transposed`; b_row: from row to row. */
static void ck_copy_panels(int of, int transposed, const void *b, int64_t b_row, ck_range cols, ck_range depth,
                           float *panels)
{
#define CK_CASE(format)                                                                                                \
    case format:                                                                                                       \
        if (transposed) {                                                                                              \
            ck_copy_columns(format, b, b_row, cols, depth, panels);                                                    \
        } else {                                                                                                       \
            ck_copy_rows(format, b, b_row, cols, depth, panels);                                                       \
        }                                                                                                              \
        break;
    switch (of) {
        CK_CASE(CK_F32)
        CK_CASE(CK_F16)
        CK_CASE(CK_BF16)
    }
#undef CK_CASE
}

/*
 * Tiles of the rows of op(a): [tile][depth][CK_TALL], zeros beyond the last row. From row to row there are a_row
 * elements of the format, from column to column a_col; one of them is 1.
 */
CK_INLINE void ck_copy_turned(const int format, const void *a, int64_t a_col, ck_range rows, ck_range depth,
                              float *tiles)
{
    const int64_t count = depth.end - depth.begin, tile = count * CK_TALL;
    for (int64_t begin = rows.begin; begin < rows.end; begin += CK_GROUP * CK_TALL, tiles += CK_GROUP * tile) {
        const int64_t end = ck_least(begin + CK_GROUP * CK_TALL, rows.end);
        for (int64_t k = 0; k < count; k++) {
            const int64_t from = (depth.begin + k) * a_col;
            float *to = tiles + k * CK_TALL;
            for (int64_t row = begin; row < end; row += CK_TALL, to += tile) {
                if (format == CK_F32 && end - row >= CK_TALL) {
                    memcpy(to, (const float *)a + from + row, CK_TALL * sizeof *to);
                    continue;
                }
                CK_UNROLL
                for (int t = 0; t < CK_TALL; t += CK_LANES) {
                    const ck_vf values = ck_load_values(format, a, from + row + t, rows.end - row - t);
                    ck_store_n(to + t, values, CK_TALL - t < CK_LANES ? CK_TALL - t : CK_LANES);
                }
            }
        }
    }
}

CK_INLINE void ck_copy_straight(const int format, const void *a, int64_t a_row, ck_range rows, ck_range depth,
                                float *tiles)
{
    const int64_t tile = (depth.end - depth.begin) * CK_TALL;
    for (int64_t row = rows.begin; row < rows.end; row += CK_TALL, tiles += tile) {
        CK_UNROLL
        for (int t = 0; t < CK_TALL; t += CK_LANES) {
            const int height = CK_TALL - t < CK_LANES ? CK_TALL - t : CK_LANES;
            for (int64_t k = depth.begin; k < depth.end; k += CK_LANES) {
                float *to = tiles + (k - depth.begin) * CK_TALL + t;
                ck_copy_square(format, height, a, (row + t) * a_row + k, a_row, rows.end - row - t, depth.end - k,
                               CK_TALL, to);
            }
        }
    }
}

static void ck_copy_tiles(int of, const void *a, int64_t a_row, int64_t a_col, ck_range rows, ck_range depth,
                          float *tiles)
{
#define CK_CASE(format)                                                                                                \
    case format:                                                                                                       \
        if (a_col == 1) {                                                                                              \
            ck_copy_straight(format, a, a_row, rows, depth, tiles);                                                    \
        } else {                                                                                                       \
            ck_copy_turned(format, a, a_col, rows, depth, tiles);                                                      \
        }                                                                                                              \
        break;
    switch (of) {
        CK_CASE(CK_F32)
        CK_CASE(CK_BF16)
    }
#undef CK_CASE
}

#endif
