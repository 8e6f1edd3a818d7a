/* exp.h: e^x, the sigmoid and the hyperbolic tangent of vectors. */
#ifndef CK_EXP_H
#define CK_EXP_H

#include "simd.h"

/* A number as n ln2 + r with |r| <= ln2 / 2; n is a whole number. power: 2^n for n from -126 to 127, 0 for -127. */
typedef struct {
    ck_vf n, r, power;
} ck_reduced;

/* ln2 is taken in two parts, the first with so few bits that n times it is exact. |x| < 2^21. */
CK_INLINE ck_reduced ck_reduce(ck_vf x)
{
    /* Adding 1.5 * 2^23 + 127 leaves the nearest whole number in the low bits, as the exponent of a power of two. */
    const ck_vf shift = ck_set(0x1.8p23f + 127.0f);
    const ck_vf shifted = ck_fma(x, ck_set(0x1.715476p0f), shift);
    const ck_vf n = shifted - shift;
    const ck_vf r = ck_fma(n, ck_set(-0x1.62e4p-1f), x);
    return (ck_reduced){n, ck_fma(n, ck_set(-0x1.7f7d1cp-20f), r), (ck_vf)((ck_vu)ck_bits(shifted) << 23)};
}

/* (e^r - 1 - r) / r^2 by its Taylor series. */
CK_INLINE ck_vf ck_exp_tail(ck_vf r)
{
    ck_vf p = ck_set(1.0f / 5040);
    p = ck_fma(p, r, ck_set(1.0f / 720));
    p = ck_fma(p, r, ck_set(1.0f / 120));
    p = ck_fma(p, r, ck_set(1.0f / 24));
    p = ck_fma(p, r, ck_set(1.0f / 6));
    return ck_fma(p, r, ck_set(0.5f));
}

/* e^r for |r| <= ln2 / 2. */
CK_INLINE ck_vf ck_exp_reduced(ck_vf r)
{
    const ck_vf p = ck_fma(ck_exp_tail(r), r, ck_set(1.0f));
    return ck_fma(p, r, ck_set(1.0f));
}

/* 2^n for whole n from -126 to 127. */
CK_INLINE ck_vf ck_power_of_two(ck_vf n)
{
    /* The sum holds n + 127 in its low bits. */
    return (ck_vf)((ck_vu)ck_bits(n + (0x1.8p23f + 127.0f)) << 23);
}

/* v 2^n for whole n from -252 to 254, rounded once. */
CK_INLINE ck_vf ck_scale_by_power(ck_vf v, ck_vf n)
{
#if defined CK_AVX512
    return _mm512_scalef_ps(v, n);
#else
    /* In two factors, so that neither leaves the range of f32. */
    const ck_vf shift = ck_set(0x1.8p23f), half = ck_fma(n, ck_set(0.5f), shift) - shift;
    return v * ck_power_of_two(half) * ck_power_of_two(n - half);
#endif
}

/* e^x = 2^n e^r within 2 ulp for results that are normal numbers. exp(-inf) = 0, exp(NaN) = NaN, overflow is infinity. */
CK_INLINE ck_vf ck_exp(ck_vf x)
{
    /* Of NaN and a number ck_max gives the second. */
    x = -ck_max(ck_set(-89.0f), -ck_max(ck_set(-104.0f), x));
    const ck_reduced by = ck_reduce(x);
    return ck_scale_by_power(ck_exp_reduced(by.r), by.n);
}

/* The same for x <= 0 in half the instructions, but 0 from -87.7 on, where no result is a normal number. */
CK_INLINE ck_vf ck_exp_nonpositive(ck_vf x)
{
    const ck_reduced by = ck_reduce(ck_max(ck_set(-88.0f), x));
    return ck_exp_reduced(by.r) * by.power;
}

/* v / (1 + e^-u): v times the sigmoid of u. By e^-|u|, which cannot overflow. */
CK_INLINE ck_vf ck_times_sigmoid(ck_vf v, ck_vf u)
{
    const ck_vf w = ck_exp_nonpositive(ck_minus_abs(u));
    return ck_select(u > ck_set(0.0f), v, v * w) / (1.0f + w);
}

/*
 * tanh(x) within 3 ulp; tanh(-x) = -tanh(x), NaN stays NaN. With t = e^(2|x|) - 1 it is t / (t + 2), which keeps its precision
 * near 0 as t does: t = 2^n (e^r - 1) + (2^n - 1).
 */
CK_INLINE ck_vf ck_tanh(ck_vf x)
{
    const ck_vi sign = ck_bits(x) & INT32_MIN;
    ck_vf twice = ck_from_bits(ck_bits(x + x) ^ sign);
    /* From 2|x| = 18 on the result rounds to 1. */
    twice = ck_select(twice > ck_set(20.0f), ck_set(20.0f), twice);
    const ck_reduced by = ck_reduce(twice);
    const ck_vf p = ck_fma(ck_exp_tail(by.r) * by.r, by.r, by.r);
    const ck_vf t = ck_fma(p, by.power, by.power - 1.0f);
    return ck_from_bits(ck_bits(t / (t + 2.0f)) | sign);
}

#endif
