/* cast.c: rows of f32 rounded to bf16, and widened again. */
#include "cast.h"

#include "simd.h"
#include "split.h"

void ck_cast_fwd_f32_bf16(int part, int parts, int64_t rows, int64_t cols, int64_t xRow, int64_t yRow,
                          const float *restrict x, uint16_t *restrict y)
{
    int64_t row, end;
    ck_share(rows, part, parts, &row, &end);
    for (; row < end; row++) {
        const float *from = x + row * xRow;
        uint16_t *to = y + row * yRow;
        int64_t col = 0;
        for (; col + CK_LANES <= cols; col += CK_LANES) {
            ck_store_h(to + col, ck_to_bf16(ck_load(from + col)));
        }
        if (col < cols) {
            ck_store_h_n(to + col, ck_to_bf16(ck_load_n(from + col, cols - col)), cols - col);
        }
    }
}

void ck_cast_fwd_bf16_f32(int part, int parts, int64_t rows, int64_t cols, int64_t xRow, int64_t yRow,
                          const uint16_t *restrict x, float *restrict y)
{
    int64_t row, end;
    ck_share(rows, part, parts, &row, &end);
    for (; row < end; row++) {
        const uint16_t *from = x + row * xRow;
        float *to = y + row * yRow;
        int64_t col = 0;
        for (; col + CK_LANES <= cols; col += CK_LANES) {
            ck_store(to + col, ck_from_bf16(ck_load_h(from + col)));
        }
        if (col < cols) {
            ck_store_n(to + col, ck_from_bf16(ck_load_h_n(from + col, cols - col)), cols - col);
        }
    }
}
