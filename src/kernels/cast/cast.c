/* cast.c: rows of f32 rounded to bf16, and widened again. */
#include "cast.h"

#include "bfloats.h"
#include "split.h"

void ck_cast_fwd_f32_bf16(int part, int parts, int64_t rows, int64_t cols, int64_t xRow, int64_t yRow,
                          const float *restrict x, uint16_t *restrict y)
{
    int64_t row, end;
    ck_share(rows, part, parts, &row, &end);
    for (; row < end; row++) {
        ck_narrow(x + row * xRow, cols, y + row * yRow);
    }
}

void ck_cast_fwd_bf16_f32(int part, int parts, int64_t rows, int64_t cols, int64_t xRow, int64_t yRow,
                          const uint16_t *restrict x, float *restrict y)
{
    int64_t row, end;
    ck_share(rows, part, parts, &row, &end);
    for (; row < end; row++) {
        ck_widen(x + row * xRow, cols, y + row * yRow);
    }
}
