/* softmax.c: the exponentials of each row over their sum. */
#include "softmax.h"

#include "exp.h"
#include "reduce.h"
#include "rowMax.h"
#include "split.h"

void ck_softmax_fwd_f32(int part, int parts, int64_t rows, int64_t cols, int64_t xRow, int64_t yRow, const float *x,
                        float *y)
{
    int64_t row, end;
    ck_share(rows, part, parts, &row, &end);
    for (; row < end; row++) {
        const float *from = x + row * xRow;
        float *to = y + row * yRow;
        const ck_vf most = ck_set(ck_row_max(cols, from));
        ck_vf sum = ck_set(0.0f);
        int64_t col = 0;
        for (; col + CK_LANES <= cols; col += CK_LANES) {
            const ck_vf v = ck_exp_nonpositive(ck_load(from + col) - most);
            ck_store(to + col, v);
            sum += v;
        }
        if (col < cols) {
            const int64_t left = cols - col;
            const ck_vf v = ck_exp_nonpositive(ck_load_n(from + col, left) - most);
            ck_store_n(to + col, v, left);
            sum += ck_select(ck_lane() < (int32_t)left, v, ck_set(0.0f));
        }
        const ck_vf inverse = ck_set(1.0f / ck_sum(sum));
        for (col = 0; col + CK_LANES <= cols; col += CK_LANES) {
            ck_store(to + col, ck_load(to + col) * inverse);
        }
        if (col < cols) {
            ck_store_n(to + col, ck_load_n(to + col, cols - col) * inverse, cols - col);
        }
    }
}
