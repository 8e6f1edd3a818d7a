/* rowSum.h: the sum of a row. */
#ifndef CK_ROW_SUM_H
#define CK_ROW_SUM_H

#include "reduce.h"

static inline float ck_sum_row(int64_t cols, const float *x)
{
    ck_vf sum = ck_set(0.0f);
    int64_t col = 0;
    for (; col + CK_LANES <= cols; col += CK_LANES) {
        sum = sum + ck_load(x + col);
    }
    if (col < cols) {
        sum = sum + ck_load_n(x + col, cols - col);
    }
    return ck_sum(sum);
}

#endif
