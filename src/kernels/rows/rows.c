/* rows.c: rows and parts of them moved as they are, and their mean, with the gradients of both. */
#include "rows.h"

#include "bfloats.h"
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

CK_INLINE void ck_add_to(float *y, const float *x, int64_t count)
{
    ck_store_some(y, ck_load_some(y, count) + ck_load_some(x, count), count);
}

void ck_sliceHeads_bwd_f32(int part, int parts, int64_t rows, int64_t heads, int64_t width, int64_t wide,
                           int64_t dyRow, int64_t sumRow, int64_t dxRow, int64_t from, const float *restrict dy,
                           const float *sum, float *dx)
{
    int64_t item, end;
    ck_share(rows * heads, part, parts, &item, &end);
    for (; item < end; item++) {
        const int64_t row = item / heads, head = item % heads;
        const float *given = dy + row * dyRow + head * width;
        float *to = dx + row * dxRow + head * wide;
        if (sum == NULL) {
            memset(to, 0, (size_t)from * sizeof *to);
            memcpy(to + from, given, (size_t)width * sizeof *to);
            memset(to + from + width, 0, (size_t)(wide - from - width) * sizeof *to);
            continue;
        }
        if (sum != dx) {
            memcpy(to, sum + row * sumRow + head * wide, (size_t)wide * sizeof *to);
        }
        int64_t col = 0;
        for (; col + CK_LANES <= width; col += CK_LANES) {
            ck_add_to(to + from + col, given + col, CK_LANES);
        }
        if (col < width) {
            ck_add_to(to + from + col, given + col, width - col);
        }
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

void ck_takeRows_fwd_bf16(int part, int parts, int64_t rows, int64_t outputs, int64_t cols, int64_t xRow,
                          const uint16_t *restrict x, const int32_t *restrict index, float *restrict y)
{
    (void)rows;
    int64_t output, end;
    ck_share(outputs, part, parts, &output, &end);
    for (; output < end; output++) {
        ck_widen(x + index[output] * xRow, cols, y + output * cols);
    }
}

void ck_meanRows_fwd_f32(int part, int parts, int64_t rows, int64_t cols, int64_t xRow, const float *restrict x,
                         float *restrict y)
{
    enum { GROUP = 16 };
    int64_t col, end;
    ck_share((cols + GROUP - 1) / GROUP, part, parts, &col, &end);
    col *= GROUP;
    end = end * GROUP < cols ? end * GROUP : cols;
    for (; col < end; col += CK_LANES) {
        const int64_t left = end - col < CK_LANES ? end - col : CK_LANES;
        ck_vf sum = ck_set(0.0f);
        for (int64_t row = 0; row < rows; row++) {
            sum = sum + ck_load_n(x + row * xRow + col, left);
        }
        ck_store_n(y + col, sum / (float)rows, left);
    }
}

void ck_meanRows_bwd_f32(int part, int parts, int64_t rows, int64_t taken, int64_t cols, const float *restrict dy,
                         float *restrict dx)
{
    int64_t row, end;
    ck_share(rows, part, parts, &row, &end);
    for (; row < end; row++) {
        float *to = dx + row * cols;
        if (row >= taken) {
            memset(to, 0, (size_t)cols * sizeof *to);
            continue;
        }
        for (int64_t col = 0; col < cols; col += CK_LANES) {
            ck_store_some(to + col, ck_load_some(dy + col, cols - col) / (float)taken, cols - col);
        }
    }
}
