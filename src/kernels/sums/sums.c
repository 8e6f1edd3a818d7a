/* sums.c: rows added up: all to one, or each to the row that an index names; and rows of one value. */
#include "sums.h"

#include "columns.h"

enum { CK_TALL = 8 }; /* rows that are added at once: the sums go to the cache and back once for all of them */

/* y + all rows of a stack, or the first one alone. */
CK_INLINE void ck_add_rows(const int height, const float *const *x, int64_t col, float *y, int64_t count)
{
    ck_vf sum = ck_load_some(y + col, count) + ck_load_some(x[0] + col, count);
    if (height == CK_TALL) {
        CK_UNROLL
        for (int i = 1; i < CK_TALL; i++) {
            sum = sum + ck_load_some(x[i] + col, count);
        }
    }
    ck_store_some(y + col, sum, count);
}

CK_INLINE void ck_add_stack(const int height, const float *const *x, ck_columns of, float *y)
{
    int64_t col = of.begin;
    for (; col + CK_LANES <= of.end; col += CK_LANES) {
        ck_add_rows(height, x, col, y, CK_LANES);
    }
    if (col < of.end) {
        ck_add_rows(height, x, col, y, of.end - col);
    }
}

void ck_sumRows_fwd_f32(int part, int parts, int64_t rows, int64_t groups, int64_t cols, int64_t xRow,
                        const float *restrict x, const float *sum, float *y)
{
    const ck_columns of = ck_share_columns(cols, part, parts);
    ck_begin_sums(of, sum, y);
    const int64_t vectors = of.begin < of.end ? rows * groups : 0;
    int height;
    for (int64_t first = 0; first < vectors; first += height) {
        height = vectors - first < CK_TALL ? 1 : CK_TALL;
        const float *stack[CK_TALL];
        for (int i = 0; i < height; i++) {
            const int64_t vector = first + i;
            stack[i] = x + vector / groups * xRow + vector % groups * cols;
        }
        if (height == CK_TALL) {
            ck_add_stack(CK_TALL, stack, of, y);
        } else {
            ck_add_stack(1, stack, of, y);
        }
    }
}

void ck_takeRows_bwd_f32(int part, int parts, int64_t rows, int64_t outputs, int64_t cols, int64_t dyRow,
                         int64_t without, const float *restrict dy, const int32_t *restrict index, const float *sum,
                         float *dx)
{
    const ck_columns of = ck_share_columns(cols, part, parts);
    if (of.begin >= of.end) {
        return;
    }
    for (int64_t row = 0; row < rows && sum != dx; row++) {
        ck_begin_sums(of, sum ? sum + row * cols : NULL, dx + row * cols);
    }
    for (int64_t output = 0; output < outputs; output++) {
        if (index[output] == without) {
            continue;
        }
        const float *from = dy + output * dyRow;
        float *to = dx + index[output] * cols;
        /* The row after this one comes from afar while this one is added. */
        const int64_t next = output + 1 < outputs && index[output + 1] != without ? index[output + 1] * cols : 0;
        int64_t col = of.begin;
        for (; col + CK_LANES <= of.end; col += CK_LANES) {
            __builtin_prefetch(dx + next + col, 1);
            ck_store(to + col, ck_load(to + col) + ck_load(from + col));
        }
        if (col < of.end) {
            const int64_t left = of.end - col;
            ck_store_n(to + col, ck_load_n(to + col, left) + ck_load_n(from + col, left), left);
        }
    }
}

void ck_fill_fwd_f32(int part, int parts, int64_t rows, int64_t cols, float value, float *restrict y)
{
    int64_t row, end;
    ck_share(rows, part, parts, &row, &end);
    for (int64_t at = row * cols; at < end * cols; at++) {
        y[at] = value;
    }
}
