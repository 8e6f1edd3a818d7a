/* slopes.h: the derivatives of the functions of activate.h. */
#ifndef CK_SLOPES_H
#define CK_SLOPES_H

#include "activate.h"

/* Of v s with s = 1 / (1 + e^-v): s (1 + v (1 - s)). */
CK_INLINE ck_vf ck_silu_slope(ck_vf v)
{
    const ck_vf s = 1.0f / (1.0f + ck_exp(-v));
    return s * ck_fma(v, 1.0f - s, ck_set(1.0f));
}

/* Of v s with s = 1 / (1 + e^-u), u = 2 sqrt(2/pi) (v + 0.044715 v^3): s (1 + v (1 - s) u'). Beyond 12 it is 0 or 1 as f32. */
CK_INLINE ck_vf ck_gelu_tanh_slope(ck_vf v)
{
    v = ck_select(v > ck_set(12.0f), ck_set(12.0f), ck_select(v < ck_set(-12.0f), ck_set(-12.0f), v));
    const ck_vf linear = ck_set(0x1.988454p0f), square = ck_set(0x1.2444f2p-4f) * v * v;
    const ck_vf s = 1.0f / (1.0f + ck_exp(-(v * (square + linear))));
    return s * ck_fma(v * (1.0f - s), ck_fma(ck_set(3.0f), square, linear), ck_set(1.0f));
}

/* Of v Phi(v): Phi(v) + v e^(-v^2/2) / sqrt(2 pi). */
CK_INLINE ck_vf ck_gelu_erf_slope(ck_vf v)
{
    const ck_vf t = ck_select(v > 0.0f, v, -v), bell = ck_exp(-0.5f * t * t);
    const ck_vf tail = ck_normal_tail(t, bell);
    return ck_fma(v, ck_set(0x1.988454p-2f) * bell, ck_select(v > 0.0f, 1.0f - tail, tail));
}

CK_INLINE ck_vf ck_relu_slope(ck_vf v)
{
    return ck_select(v > 0.0f, ck_set(1.0f), ck_set(0.0f));
}

/* The derivative of ck_activate. */
CK_INLINE ck_vf ck_slope(int64_t activation, ck_vf v)
{
    switch (activation) {
    case CK_GELU_TANH:
        return ck_gelu_tanh_slope(v);
    case CK_GELU_ERF:
        return ck_gelu_erf_slope(v);
    case CK_RELU:
        return ck_relu_slope(v);
    default:
        return ck_silu_slope(v);
    }
}

#endif
