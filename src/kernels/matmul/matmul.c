/*
 * matmul.c: y = sum + op(a) · op(b), every form by the same loops.
 *
 * Some columns of op(b), CK_DEPTH of their rows at a time, are copied to a small panel that stays in the nearest caches
 * while the rows of op(a) pass by; y holds the sums from one piece of depth to the next.
 */
#include "matmul.h"

#include "split.h"
#include "tiles.h"

/* Rows of a panel: more make fewer trips of y through memory. A panel is 64 KiB at most and lies on the stack. */
enum { CK_DEPTH = 256 };

/* Rows of op(a) that pass by all panels before the next ones do. */
enum { CK_LEAST_ROWS = 128, CK_MOST_ROWS = 512 };

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
} ck_matmul;

/* Columns [col, col + cols) of op(b), rows [depth, depth + count), panel by panel. */
typedef struct {
    int64_t col, cols, depth, count;
    ck_vf rows[CK_FLOAT_PANELS * CK_DEPTH];
} ck_panels;

CK_INLINE ck_vf ck_load_values(const int format, const void *values, int64_t index, int64_t count)
{
    if (count >= CK_LANES) {
        return ck_load_weights(format, values, index);
    }
    if (format == CK_F32) {
        return ck_load_n((const float *)values + index, count);
    }
    const ck_vh half = ck_load_h_n((const uint16_t *)values + index, count);
    return format == CK_F16 ? ck_from_f16(half) : ck_from_bf16(half);
}

/* out[i] = row first + i of b as it is stored, columns from `col` on, `count` of them or CK_LANES. */
CK_INLINE void ck_copy_rows_of(const int format, const ck_matmul *c, int64_t first, int64_t rows, int64_t col,
                               int64_t count, ck_vf *out)
{
    for (int64_t i = 0; i < rows; i++) {
        out[i] = ck_load_values(format, c->b, (first + i) * c->b_row + col, count);
    }
}

static void ck_copy_rows(const ck_matmul *c, int64_t first, int64_t rows, int64_t col, int64_t count, ck_vf *out)
{
    if (c->format == CK_F32) {
        ck_copy_rows_of(CK_F32, c, first, rows, col, count, out);
    } else if (c->format == CK_F16) {
        ck_copy_rows_of(CK_F16, c, first, rows, col, count, out);
    } else {
        ck_copy_rows_of(CK_BF16, c, first, rows, col, count, out);
    }
}

/* The panel of columns [col, col + cols) of op(b), cols <= CK_LANES. */
static void ck_copy_panel(const ck_matmul *c, const ck_panels *b, int64_t col, int64_t cols, ck_vf *out)
{
    if (!c->transposed) {
        ck_copy_rows(c, b->depth, b->count, col, cols, out);
        return;
    }
    for (int64_t i = 0; i < b->count; i += CK_LANES) {
        ck_vf square[CK_LANES] = {{0}};
        ck_copy_rows(c, col, cols, b->depth + i, b->count - i, square);
        ck_transpose(square, out + i);
    }
}

static void ck_copy_panels(const ck_matmul *c, ck_panels *b)
{
    for (int64_t col = 0; col < b->cols; col += CK_LANES) {
        const int64_t cols = b->cols - col < CK_LANES ? b->cols - col : CK_LANES;
        ck_copy_panel(c, b, b->col + col, cols, b->rows + col / CK_LANES * CK_DEPTH);
    }
}

/* `to` = `from` + T rows of op(a) from `a` on times P panels. */
CK_INLINE void ck_multiply_tile(const int P, const int T, const ck_matmul *c, const ck_panels *b, const float *a,
                                const float *from, int64_t from_row, float *to, int64_t to_row)
{
    ck_vf sum[CK_TILE];
    CK_UNROLL
    for (int i = 0; i < P * T; i++) {
        sum[i] = ck_load(from + i / P * from_row + i % P * CK_LANES);
    }
    const uint8_t *panel = (const uint8_t *)b->rows;
    ck_float_tile(CK_F32, P, T, panel, CK_DEPTH * sizeof *b->rows, b->count, a, c->a_row, c->a_col, sum);
    CK_UNROLL
    for (int i = 0; i < P * T; i++) {
        ck_store(to + i / P * to_row + i % P * CK_LANES, sum[i]);
    }
}

/* The next tile of y comes from afar while one is computed. */
CK_INLINE void ck_prefetch_tile(const ck_matmul *c, const ck_panels *b, int64_t row, int64_t end)
{
    for (; row < end && row < c->rows; row++) {
        for (int64_t col = 0; col < b->cols; col += CK_LANES) {
            __builtin_prefetch(c->y + row * c->y_row + b->col + col, 1);
        }
    }
}

/* The panels' columns of T rows of y from `row` on. Where the last panel is cut off, the tile lies beside y. */
CK_INLINE void ck_multiply_some(const int P, const int T, const ck_matmul *c, const ck_panels *b, int64_t row)
{
    static const float zeros[CK_FLOAT_PANELS * CK_LANES];
    float beside[CK_TILE * CK_LANES];
    const int is_cut = b->cols < P * CK_LANES;
    const size_t bytes = (size_t)b->cols * sizeof *beside;
    float *y = c->y + row * c->y_row + b->col;
    const float *from = b->depth ? y : c->sum ? c->sum + row * c->sum_row + b->col : zeros;
    int64_t from_row = b->depth ? c->y_row : c->sum ? c->sum_row : 0;
    if (is_cut) {
        for (int t = 0; t < T; t++) {
            memset(beside + t * P * CK_LANES, 0, P * CK_LANES * sizeof *beside);
            memcpy(beside + t * P * CK_LANES, from + t * from_row, bytes);
        }
        from = beside;
        from_row = P * CK_LANES;
    }
    float *to = is_cut ? beside : y;
    const int64_t to_row = is_cut ? P * CK_LANES : c->y_row;
    ck_prefetch_tile(c, b, row + T, row + 2 * T);
    ck_multiply_tile(P, T, c, b, c->a + row * c->a_row + b->depth * c->a_col, from, from_row, to, to_row);
    for (int t = 0; is_cut && t < T; t++) {
        memcpy(y + t * c->y_row, beside + t * P * CK_LANES, bytes);
    }
}

CK_INLINE void ck_multiply_rows(const int P, const ck_matmul *c, const ck_panels *b, int64_t row, int64_t end)
{
    enum { T = CK_FLOAT_TOKENS };
    for (; end - row >= T; row += T) {
        ck_multiply_some(P, T, c, b, row);
    }
    for (; end - row >= T / 2; row += T / 2) {
        ck_multiply_some(P, T / 2, c, b, row);
    }
    for (; row < end; row++) {
        ck_multiply_some(P, 1, c, b, row);
    }
}

/* y[row .. end, col .. last]. */
static void ck_multiply_block(const ck_matmul *c, int64_t row, int64_t end, int64_t col, int64_t last)
{
    enum { P = CK_FLOAT_PANELS };
    ck_panels b;
    b.depth = 0;
    do {
        b.count = c->depth - b.depth < CK_DEPTH ? c->depth - b.depth : CK_DEPTH;
        for (b.col = col; b.col < last; b.col += b.cols) {
            const int64_t left = last - b.col;
            const int64_t panels = left > P / 2 * CK_LANES ? P : left > CK_LANES ? 2 : 1;
            b.cols = left < panels * CK_LANES ? left : panels * CK_LANES;
            ck_copy_panels(c, &b);
            if (panels == P) {
                ck_multiply_rows(P, c, &b, row, end);
            } else if (panels == 2) {
                ck_multiply_rows(2, c, &b, row, end);
            } else {
                ck_multiply_rows(1, c, &b, row, end);
            }
        }
        b.depth += b.count;
    } while (b.depth < c->depth);
}

/*
 * Rows that pass by all panels before the next ones do: CK_DEPTH columns of them must stay in the second-level cache. A
 * stride with a large power of two in it puts the rows' lines on few places of the cache: then fewer rows.
 */
static int64_t ck_block_rows(int64_t stride)
{
    const int64_t bytes = stride * (int64_t)sizeof(float);
    const int64_t fitting = bytes ? (1 << 20) / (bytes & -bytes) : CK_MOST_ROWS;
    const int64_t rows = fitting < CK_LEAST_ROWS ? CK_LEAST_ROWS : fitting > CK_MOST_ROWS ? CK_MOST_ROWS : fitting;
    return rows / CK_FLOAT_TOKENS * CK_FLOAT_TOKENS;
}

/*
 * The share of y that is a part's: a rectangle of whole tiles. Of all grids with as many fields as parts, or fewer, the one
 * whose largest field has the fewest tiles, and of these the one with the fewest rows and columns to read.
 */
static void ck_multiply(const ck_matmul *c, int part, int parts)
{
    const int64_t tall = CK_FLOAT_TOKENS, wide = CK_LANES;
    const int64_t rows = (c->rows + tall - 1) / tall, cols = (c->cols + wide - 1) / wide;
    int64_t down = 1, least_area = INT64_MAX, least_edge = INT64_MAX;
    for (int64_t d = 1; d <= parts; d++) {
        const int64_t high = (rows + d - 1) / d, broad = (cols + parts / d - 1) / (parts / d);
        const int64_t area = high * broad, edge = high * tall + broad * wide;
        if (area < least_area || (area == least_area && edge < least_edge)) {
            down = d;
            least_area = area;
            least_edge = edge;
        }
    }
    const int64_t across = parts / down;
    if (part >= down * across) {
        return;
    }
    int64_t row, end, col, last;
    ck_share(rows, (int)(part / across), (int)down, &row, &end);
    ck_share(cols, (int)(part % across), (int)across, &col, &last);
    row *= tall;
    col *= wide;
    end = end * tall < c->rows ? end * tall : c->rows;
    last = last * wide < c->cols ? last * wide : c->cols;
    const int64_t most = c->a_col == 1 ? ck_block_rows(c->a_row) : CK_MOST_ROWS;
    for (; row < end; row += most) {
        ck_multiply_block(c, row, end - row < most ? end : row + most, col, last);
    }
}

/* op(a) and op(b) as they are, or transposed. */
#define CK_DEFINE_FORMS(dtype, type, format)                                                                           \
    CK_DEFINE_FORM(nn_##dtype, type, format, aRow, 1, 0)                                                               \
    CK_DEFINE_FORM(nt_##dtype, type, format, aRow, 1, 1)                                                               \
    CK_DEFINE_FORM(tn_##dtype, type, format, 1, aRow, 0)                                                               \
    CK_DEFINE_FORM(tt_##dtype, type, format, 1, aRow, 1)

#define CK_DEFINE_FORM(name, type, format, a_row, a_col, transposed)                                                   \
    void ck_matmul_fwd_##name(int part, int parts, int64_t rows, int64_t cols, int64_t depth, int64_t aRow,            \
                              int64_t bRow, int64_t sumRow, int64_t yRow, const float *restrict a,                     \
                              const type *restrict b, const float *sum, float *y)                                      \
    {                                                                                                                  \
        const ck_matmul c = {rows, cols, depth, a, a_row, a_col, format, transposed, b, bRow, sum, sumRow, y, yRow};   \
        ck_multiply(&c, part, parts);                                                                                  \
    }

CK_DEFINE_FORMS(f32, float, CK_F32)
CK_DEFINE_FORMS(f16, uint16_t, CK_F16)
CK_DEFINE_FORMS(bf16, uint16_t, CK_BF16)
