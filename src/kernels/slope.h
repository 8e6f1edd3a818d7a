/* slope.h: the functions of activate.h with their derivatives. */
#ifndef CK_SLOPE_H
#define CK_SLOPE_H

#include "activate.h"

/* 1 / (1 + e^-v) and what it lacks to 1, neither from a difference that could cancel. */
typedef struct {
    ck_vf open, shut;
} ck_gate;

CK_INLINE ck_gate ck_sigmoid(ck_vf v)
{
    const ck_vi positive = v > ck_set(0.0f);
    const ck_vf w = ck_exp_nonpositive(ck_minus_abs(v));
    const ck_vf large = 1.0f / (1.0f + w), small = w * large;
    return (ck_gate){ck_select(positive, large, small), ck_select(positive, small, large)};
}

/* v, or the nearest number that is not beyond `most`: where a slope is 0 or 1, so that no product of 0 and infinity occurs. */
CK_INLINE ck_vf ck_within(ck_vf v, float most)
{
    v = ck_select(v > ck_set(most), ck_set(most), v);
    return ck_select(v < ck_set(-most), ck_set(-most), v);
}

/* What a function gives, and its derivative there. */
typedef struct {
    ck_vf value, slope;
} ck_curve;

/* f(v) = v s(v), s the sigmoid: f' = s (1 + v (1 - s)). */
CK_INLINE ck_curve ck_silu_curve(ck_vf v)
{
    const ck_vf near = ck_within(v, 128.0f);
    const ck_gate gate = ck_sigmoid(near);
    return (ck_curve){v * gate.open, gate.open * ck_fma(near, gate.shut, ck_set(1.0f))};
}

/* f(v) = v s(u), u = 2 sqrt(2/pi) (v + 0.044715 v^3): f' = s + v s (1 - s) u'. */
CK_INLINE ck_curve ck_gelu_tanh_curve(ck_vf v)
{
    const ck_vf near = ck_within(v, 16.0f), square = near * near;
    const ck_gate gate = ck_sigmoid(near * ck_fma(ck_set(0x1.2444f2p-4f), square, ck_set(0x1.988454p0f)));
    const ck_vf steep = ck_fma(ck_set(3 * 0x1.2444f2p-4f), square, ck_set(0x1.988454p0f));
    return (ck_curve){v * gate.open, ck_fma(near * gate.open, gate.shut * steep, gate.open)};
}

/* f(v) = v Phi(v): f' = Phi(v) + v phi(v), phi = e^(-v^2/2) / sqrt(2 pi). */
CK_INLINE ck_curve ck_gelu_erf_curve(ck_vf v)
{
    const ck_vf near = ck_within(v, 16.0f);
    const ck_vi positive = v > ck_set(0.0f);
    const ck_tail tail = ck_normal_tail(ck_select(positive, near, -near));
    const ck_vf below = ck_select(positive, 1.0f - tail.beyond, tail.beyond);
    return (ck_curve){v * below, ck_fma(near * ck_set(0x1.988454p-2f), tail.bell, below)};
}

CK_INLINE ck_curve ck_relu_curve(ck_vf v)
{
    const ck_vi positive = v > ck_set(0.0f);
    return (ck_curve){ck_select(positive, v, ck_set(0.0f)), ck_select(positive, ck_set(1.0f), ck_set(0.0f))};
}

#endif
