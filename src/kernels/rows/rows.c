/* rows.c: rows moved as they are. */
#include "rows.h"

#include <string.h>

#include "split.h"

void ck_copy_fwd_f32(int part, int parts, int64_t rows, int64_t cols, int64_t xRow, int64_t yRow,
                     const float *restrict x, float *restrict y)
{
    int64_t row, end;
    ck_share(rows, part, parts, &row, &end);
    for (; row < end; row++) {
        memcpy(y + row * yRow, x + row * xRow, (size_t)cols * sizeof *y);
    }
}

void ck_sliceHeads_fwd_f32(int part, int parts, int64_t rows, int64_t heads, int64_t width, int64_t wide, int64_t xRow,
                           int64_t yRow, int64_t from, const float *restrict x, float *restrict y)
{
    int64_t item, end;
    ck_share(rows * heads, part, parts, &item, &end);
    for (; item < end; item++) {
        const int64_t row = item / heads, head = item % heads;
        memcpy(y + row * yRow + head * width, x + row * xRow + head * wide + from, (size_t)width * sizeof *y);
    }
}

void ck_takeRows_fwd_f32(int part, int parts, int64_t rows, int64_t outputs, int64_t cols, int64_t xRow,
                         const float *restrict x, const int32_t *restrict index, float *restrict y)
{
    (void)rows;
    int64_t output, end;
    ck_share(outputs, part, parts, &output, &end);
    for (; output < end; output++) {
        memcpy(y + output * cols, x + index[output] * xRow, (size_t)cols * sizeof *y);
    }
}
