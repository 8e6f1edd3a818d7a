/* tanh.h: the hyperbolic tangent of vectors. */
#ifndef CK_TANH_H
#define CK_TANH_H

#include "simd.h"

/*
 * tanh(x) within 3 ulp; tanh(-x) = -tanh(x), NaN stays NaN. With t = e^(2|x|) - 1 it is t / (t + 2), which keeps its precision
 * near 0 as t does: 2|x| = n ln2 + r as in ck_exp, and t = 2^n (e^r - 1) + (2^n - 1), where e^r - 1 is its Taylor series.
 */
CK_INLINE ck_vf ck_tanh(ck_vf x)
{
    const ck_vi sign = ck_bits(x) & INT32_MIN;
    const ck_vf shift = ck_set(0x1.8p23f);
    ck_vf twice = ck_from_bits(ck_bits(x + x) ^ sign);
    /* From 2|x| = 18 on the result rounds to 1. */
    twice = ck_select(twice > ck_set(20.0f), ck_set(20.0f), twice);
    const ck_vf shifted = ck_fma(twice, ck_set(0x1.715476p0f), shift);
    const ck_vf n = shifted - shift;
    ck_vf r = ck_fma(n, ck_set(-0x1.62e4p-1f), twice);
    r = ck_fma(n, ck_set(-0x1.7f7d1cp-20f), r);
    ck_vf p = ck_set(1.0f / 5040);
    p = ck_fma(p, r, ck_set(1.0f / 720));
    p = ck_fma(p, r, ck_set(1.0f / 120));
    p = ck_fma(p, r, ck_set(1.0f / 24));
    p = ck_fma(p, r, ck_set(1.0f / 6));
    p = ck_fma(p, r, ck_set(0.5f));
    p = ck_fma(p * r, r, r);
    const ck_vi whole = ck_bits(shifted) - ck_bits(shift);
    const ck_vf power = (ck_vf)((ck_vu)(whole + 127) << 23);
    const ck_vf t = ck_fma(p, power, power - 1.0f);
    return ck_from_bits(ck_bits(t / (t + 2.0f)) | sign);
}

#endif
