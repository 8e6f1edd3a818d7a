/* softplus.h: ln(1 + e^v) of vectors. */
#ifndef CK_SOFTPLUS_H
#define CK_SOFTPLUS_H

#include "exp.h"

/*
 * max(v, 0) + ln(1 + w) with w = e^-|v| in (0, 1]. ln(1 + w) = 2 artanh(s) with s = w / (2 + w), at most 1/3:
 * eight terms of the series leave less than half an ulp.
 */
CK_INLINE ck_vf ck_softplus(ck_vf v)
{
    const ck_vf w = ck_exp_nonpositive(ck_minus_abs(v));
    const ck_vf s = w / (2.0f + w), square = s * s;
    ck_vf series = ck_set(1.0f / 15);
    for (int term = 13; term > 0; term -= 2) {
        series = ck_fma(series, square, ck_set(1.0f / (float)term));
    }
    return ck_select(v > ck_set(0.0f), v, ck_set(0.0f)) + 2.0f * s * series;
}

#endif
