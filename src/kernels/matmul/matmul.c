/*
 * matmul.c: y = sum + op(a) · op(b), every form by the same loops.
 *
 * A piece of depth of op(b), and then block after block of the same piece of op(a), are copied into the scratch: columns in
 * panels, rows in tiles, each so that the product reads it from its beginning to its end. y holds the sums from one piece
 * of depth to the next. Sizes of pieces and blocks follow from the room there is, and change no bit.
 */
#include "matmul.h"

#include "split.h"
#include "tiles.h"

/* The register tile: the sums, one step of a panel and one value of a fit the registers. */
#if defined CK_AVX512 || defined CK_NEON
enum { CK_TALL = 12 };
#else
enum { CK_TALL = 6 };
#endif
/* A tile of few rows, so that the last rows do not cost a whole one. */
enum { CK_LOW = CK_TALL / 3 };
enum { CK_VECTORS = 2, CK_WIDE = CK_VECTORS * CK_LANES };

/*
 * The panels stream from the second-level cache, where a block of rows stays with them: a deep piece costs nothing there and
 * makes few trips of y through memory.
 */
enum { CK_DEPTH = 768, CK_BLOCK_ROWS = 14 * CK_TALL };

/* Elements of scratch that a part needs at least; fewer parts work where there is less. */
enum { CK_LEAST_ROOM = 16 * (CK_TALL + CK_WIDE) };

typedef struct {
    int64_t rows, cols, depth;
    const float *a;
    int64_t a_row, a_col; /* from row to row and from column to column of op(a) */
    int format;           /* of b */
    int transposed;       /* whether b is stored as [cols, depth] */
    const void *b;
    int64_t b_row; /* from row to row of b as it is stored */
    const float *sum;
    int64_t sum_row;
    float *y;
    int64_t y_row;
    float *scratch;
    int64_t room;
} ck_matmul;

/* Rows or columns [begin, end). */
typedef struct {
    int64_t begin, end;
} ck_range;

CK_INLINE int64_t ck_least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

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
CK_INLINE void ck_copy_rows(const int format, const ck_matmul *c, ck_range cols, ck_range depth, float *panels)
{
    const int64_t panel = (depth.end - depth.begin) * CK_WIDE;
    for (int64_t k = depth.begin; k < depth.end; k++, panels += CK_WIDE) {
        const int64_t row = k * c->b_row;
        float *to = panels;
        for (int64_t col = cols.begin; col < cols.end; col += CK_WIDE, to += panel) {
            CK_UNROLL
            for (int v = 0; v < CK_VECTORS; v++) {
                const int64_t at = col + v * CK_LANES;
                ck_store(to + v * CK_LANES, ck_load_values(format, c->b, row + at, cols.end - at));
            }
        }
    }
}

/* out[i * step + lane] = row `lane` of the square, column i, for `count` columns. */
CK_INLINE void ck_store_transposed(const ck_vf *square, int64_t count, int64_t step, int64_t lanes, float *out)
{
    ck_vf turned[CK_LANES];
    ck_transpose(square, turned);
    for (int64_t i = 0; i < count; i++) {
        ck_store_n(out + i * step, turned[i], lanes);
    }
}

/* The same panels from b stored as [cols, depth]. */
CK_INLINE void ck_copy_columns(const int format, const ck_matmul *c, ck_range cols, ck_range depth, float *panels)
{
    const int64_t panel = (depth.end - depth.begin) * CK_WIDE;
    for (int64_t col = cols.begin; col < cols.end; col += CK_WIDE, panels += panel) {
        for (int v = 0; v < CK_VECTORS; v++) {
            for (int64_t k = depth.begin; k < depth.end; k += CK_LANES) {
                ck_vf square[CK_LANES];
                for (int lane = 0; lane < CK_LANES; lane++) {
                    const int64_t at = col + v * CK_LANES + lane;
                    const int64_t count = at < cols.end ? depth.end - k : 0;
                    square[lane] = ck_load_values(format, c->b, at * c->b_row + k, count);
                }
                float *to = panels + (k - depth.begin) * CK_WIDE + v * CK_LANES;
                ck_store_transposed(square, ck_least(depth.end - k, CK_LANES), CK_WIDE, CK_LANES, to);
            }
        }
    }
}

static void ck_copy_b(const ck_matmul *c, ck_range cols, ck_range depth, float *panels)
{
#define CK_CASE(format)                                                                                                \
    case format:                                                                                                       \
        if (c->transposed) {                                                                                           \
            ck_copy_columns(format, c, cols, depth, panels);                                                           \
        } else {                                                                                                       \
            ck_copy_rows(format, c, cols, depth, panels);                                                              \
        }                                                                                                              \
        break;
    switch (c->format) {
        CK_CASE(CK_F32)
        CK_CASE(CK_F16)
        CK_CASE(CK_BF16)
    }
#undef CK_CASE
}

/* Tiles of the rows of op(a): [tile][depth][CK_TALL], zeros beyond the last row. */
static void ck_copy_a(const ck_matmul *c, ck_range rows, ck_range depth, float *tiles)
{
    const int64_t count = depth.end - depth.begin, tile = count * CK_TALL;
    if (c->a_col != 1) {
        for (int64_t k = depth.begin; k < depth.end; k++, tiles += CK_TALL) {
            const float *from = c->a + k * c->a_col;
            float *to = tiles;
            int64_t row = rows.begin;
            for (; rows.end - row >= CK_TALL; row += CK_TALL, to += tile) {
                memcpy(to, from + row, CK_TALL * sizeof *to);
            }
            for (int t = 0; row < rows.end && t < CK_TALL; t++) {
                to[t] = row + t < rows.end ? from[row + t] : 0.0f;
            }
        }
        return;
    }
    for (int64_t row = rows.begin; row < rows.end; row += CK_TALL, tiles += tile) {
        for (int t = 0; t < CK_TALL; t += CK_LANES) {
            for (int64_t k = depth.begin; k < depth.end; k += CK_LANES) {
                ck_vf square[CK_LANES];
                for (int lane = 0; lane < CK_LANES; lane++) {
                    const int64_t at = row + t + lane;
                    const int64_t count = t + lane < CK_TALL && at < rows.end ? depth.end - k : 0;
                    square[lane] = ck_load_values(CK_F32, c->a, at * c->a_row + k, count);
                }
                float *to = tiles + (k - depth.begin) * CK_TALL + t;
                const int64_t lanes = CK_TALL - t < CK_LANES ? CK_TALL - t : CK_LANES;
                ck_store_transposed(square, ck_least(depth.end - k, CK_LANES), CK_TALL, lanes, to);
            }
        }
    }
}

/* `to` = `from` + the first `height` rows of a tile times a panel. */
CK_INLINE void ck_multiply_tile(const int height, int64_t count, const float *tile, const float *panel,
                                const float *from, int64_t from_row, float *to, int64_t to_row)
{
    ck_vf sum[CK_TILE];
    CK_UNROLL
    for (int i = 0; i < CK_VECTORS * height; i++) {
        sum[i] = ck_load(from + i / CK_VECTORS * from_row + i % CK_VECTORS * CK_LANES);
    }
    ck_float_tile(CK_F32, CK_VECTORS, height, (const uint8_t *)panel, sizeof *sum, CK_WIDE, count, tile, 1, CK_TALL, sum);
    CK_UNROLL
    for (int i = 0; i < CK_VECTORS * height; i++) {
        ck_store(to + i / CK_VECTORS * to_row + i % CK_VECTORS * CK_LANES, sum[i]);
    }
}

/* y[rows, cols] = sum or, from the second piece of depth on, y + tile · panel. A tile that reaches out of y lies beside it. */
static void ck_multiply_some(const ck_matmul *c, ck_range rows, ck_range cols, int is_first, int64_t count,
                             const float *tile, const float *panel)
{
    static const float zeros[CK_WIDE];
    float beside[CK_TALL * CK_WIDE];
    const int64_t high = rows.end - rows.begin;
    const int is_low = high <= CK_LOW;
    float *y = c->y + rows.begin * c->y_row + cols.begin;
    const float *from = is_first ? zeros : y;
    int64_t from_row = is_first ? 0 : c->y_row;
    if (is_first && c->sum) {
        from = c->sum + rows.begin * c->sum_row + cols.begin;
        from_row = c->sum_row;
    }
    float *to = y;
    int64_t to_row = c->y_row;
    const int is_cut = cols.end - cols.begin < CK_WIDE || high != (is_low ? CK_LOW : CK_TALL);
    const size_t bytes = (size_t)(cols.end - cols.begin) * sizeof *y;
    if (is_cut) {
        memset(beside, 0, sizeof beside);
        for (int64_t t = 0; t < high; t++) {
            memcpy(beside + t * CK_WIDE, from + t * from_row, bytes);
        }
        from = to = beside;
        from_row = to_row = CK_WIDE;
    }
    if (is_low) {
        ck_multiply_tile(CK_LOW, count, tile, panel, from, from_row, to, to_row);
    } else {
        /* The next tile of y comes from afar while this one is computed. */
        for (int64_t t = rows.end; t < ck_least(rows.end + CK_TALL, c->rows); t++) {
            __builtin_prefetch(c->y + t * c->y_row + cols.begin, 1);
            __builtin_prefetch(c->y + t * c->y_row + cols.end - 1, 1);
        }
        ck_multiply_tile(CK_TALL, count, tile, panel, from, from_row, to, to_row);
    }
    for (int64_t t = 0; is_cut && t < high; t++) {
        memcpy(y + t * c->y_row, beside + t * CK_WIDE, bytes);
    }
}

static void ck_multiply_block(const ck_matmul *c, ck_range rows, ck_range cols, ck_range depth, const float *tiles,
                              const float *panels)
{
    const int64_t count = depth.end - depth.begin;
    for (int64_t col = cols.begin; col < cols.end; col += CK_WIDE, panels += count * CK_WIDE) {
        const ck_range some = {col, ck_least(col + CK_WIDE, cols.end)};
        const float *tile = tiles;
        for (int64_t row = rows.begin; row < rows.end; row += CK_TALL, tile += count * CK_TALL) {
            const ck_range few = {row, ck_least(row + CK_TALL, rows.end)};
            ck_multiply_some(c, few, some, depth.begin == 0, count, tile, panels);
        }
    }
}

/* Range `at` of `count` ranges of nearly equal size that divide `all`, in whole units but for the last. */
static ck_range ck_divide(ck_range all, int64_t unit, int64_t at, int64_t count)
{
    ck_range some;
    ck_share((all.end - all.begin + unit - 1) / unit, (int)at, (int)count, &some.begin, &some.end);
    some.begin = all.begin + some.begin * unit;
    some.end = ck_least(all.begin + some.end * unit, all.end);
    return some;
}

/* How many ranges of at most `most` items `all` needs; at least one. */
static int64_t ck_ranges(ck_range all, int64_t most)
{
    const int64_t items = all.end - all.begin;
    return items > most ? (items + most - 1) / most : 1;
}

/* Adds a unit to a size that is to be a multiple of it, as far as the room reaches. */
static int64_t ck_fitting(int64_t wanted, int64_t unit, int64_t room)
{
    return ck_least((wanted + unit - 1) / unit, room / unit) * unit;
}

/* y[rows, cols] with `room` elements of scratch. */
static void ck_multiply_field(const ck_matmul *c, ck_range rows, ck_range cols, float *scratch, int64_t room)
{
    const ck_range all = {0, c->depth};
    const int64_t pieces = ck_ranges(all, ck_least(CK_DEPTH, room / (CK_TALL + CK_WIDE)));
    const int64_t deepest = c->depth ? (c->depth + pieces - 1) / pieces : 1;
    const int64_t columns = room / deepest;
    const int64_t most_rows = ck_fitting(ck_least(rows.end - rows.begin, CK_BLOCK_ROWS), CK_TALL, columns - CK_WIDE);
    const int64_t most_cols = ck_fitting(cols.end - cols.begin, CK_WIDE, columns - most_rows);
    const int64_t blocks = ck_ranges(rows, most_rows), strips = ck_ranges(cols, most_cols);
    float *panels = scratch, *tiles = scratch + most_cols * deepest;
    for (int64_t strip = 0; strip < strips; strip++) {
        const ck_range some_cols = ck_divide(cols, CK_WIDE, strip, strips);
        for (int64_t piece = 0; piece < pieces; piece++) {
            const ck_range depth = ck_divide(all, 1, piece, pieces);
            ck_copy_b(c, some_cols, depth, panels);
            for (int64_t block = 0; block < blocks; block++) {
                const ck_range some_rows = ck_divide(rows, CK_TALL, block, blocks);
                ck_copy_a(c, some_rows, depth, tiles);
                ck_multiply_block(c, some_rows, some_cols, depth, tiles, panels);
            }
        }
    }
}

/*
 * The share of y that is a part's: a field of a grid, whole tiles but for the last ones. Of all grids with as many fields as
 * parts, or fewer, the one whose largest field has the fewest tiles, and of these the one with the shortest edges.
 */
static void ck_multiply(const ck_matmul *c, int part, int parts)
{
    const int64_t workers = ck_least(parts, c->room / CK_LEAST_ROOM);
    const int64_t tall = (c->rows + CK_TALL - 1) / CK_TALL, wide = (c->cols + CK_WIDE - 1) / CK_WIDE;
    int64_t down = 1, least_area = INT64_MAX, least_edge = INT64_MAX;
    for (int64_t d = 1; d <= workers; d++) {
        const int64_t across = workers / d;
        const int64_t high = (tall + d - 1) / d, broad = (wide + across - 1) / across;
        const int64_t area = high * broad, edge = high * CK_TALL + broad * CK_WIDE;
        if (area < least_area || (area == least_area && edge < least_edge)) {
            down = d;
            least_area = area;
            least_edge = edge;
        }
    }
    const int64_t across = workers / down;
    if (part >= down * across || tall == 0 || wide == 0) {
        return;
    }
    const ck_range rows = ck_divide((ck_range){0, c->rows}, CK_TALL, part / across, down);
    const ck_range cols = ck_divide((ck_range){0, c->cols}, CK_WIDE, part % across, across);
    /* Whole cache lines. */
    const int64_t room = c->room / workers / 16 * 16;
    if (rows.begin < rows.end && cols.begin < cols.end) {
        ck_multiply_field(c, rows, cols, c->scratch + part * room, room);
    }
}

/* op(a) and op(b) as they are, or transposed. */
#define CK_DEFINE_FORMS(dtype, type, format)                                                                           \
    CK_DEFINE_FORM(nn_##dtype, type, format, aRow, 1, 0)                                                               \
    CK_DEFINE_FORM(nt_##dtype, type, format, aRow, 1, 1)                                                               \
    CK_DEFINE_FORM(tn_##dtype, type, format, 1, aRow, 0)                                                               \
    CK_DEFINE_FORM(tt_##dtype, type, format, 1, aRow, 1)

#define CK_DEFINE_FORM(name, type, format, a_row, a_col, transposed)                                                   \
    void ck_matmul_fwd_##name(int part, int parts, int64_t rows, int64_t cols, int64_t depth, int64_t room,            \
                              int64_t aRow, int64_t bRow, int64_t sumRow, int64_t yRow, const float *restrict a,       \
                              const type *restrict b, const float *sum, float *y, float *restrict scratch)             \
    {                                                                                                                  \
        const ck_matmul c = {rows, cols, depth,  a, a_row, a_col,   format, transposed,                                \
                             b,    bRow, sum, sumRow, y, yRow,  scratch, room};                                        \
        ck_multiply(&c, part, parts);                                                                                  \
    }

CK_DEFINE_FORMS(f32, float, CK_F32)
CK_DEFINE_FORMS(f16, uint16_t, CK_F16)
CK_DEFINE_FORMS(bf16, uint16_t, CK_BF16)
