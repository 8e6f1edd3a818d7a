/* rowMax.h: the largest value of a row. */
#ifndef CK_ROW_MAX_H
#define CK_ROW_MAX_H

#include "reduce.h"

/* cols is at least 1. */
static inline float ck_row_max(int64_t cols, const float *x)
{
    enum { CHAINS = 4 }; /* a comparison waits for the one before it */
    float most = x[0];
    int64_t col = 0;
    if (cols >= CHAINS * CK_LANES) {
        ck_vf lanes[CHAINS];
        CK_UNROLL
        for (int i = 0; i < CHAINS; i++) {
            lanes[i] = ck_load(x + i * CK_LANES);
        }
        for (col = CHAINS * CK_LANES; col + CHAINS * CK_LANES <= cols; col += CHAINS * CK_LANES) {
            CK_UNROLL
            for (int i = 0; i < CHAINS; i++) {
                lanes[i] = ck_max(ck_load(x + col + i * CK_LANES), lanes[i]);
            }
        }
        most = ck_largest(ck_max(ck_max(lanes[0], lanes[1]), ck_max(lanes[2], lanes[3])));
    }
    for (; col < cols; col++) {
        most = x[col] > most ? x[col] : most;
    }
    return most;
}

#endif
