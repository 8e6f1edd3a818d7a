/* rowMax.h: the largest value of a row. */
#ifndef CK_ROW_MAX_H
#define CK_ROW_MAX_H

#include "reduce.h"

/* cols is at least 1. */
static inline float ck_row_max(int64_t cols, const float *x)
{
    float most = x[0];
    int64_t col = 0;
    if (cols >= CK_LANES) {
        ck_vf lanes = ck_load(x);
        for (col = CK_LANES; col + CK_LANES <= cols; col += CK_LANES) {
            lanes = ck_max(ck_load(x + col), lanes);
        }
        most = ck_largest(lanes);
    }
    for (; col < cols; col++) {
        most = x[col] > most ? x[col] : most;
    }
    return most;
}

#endif
