/* activate.h: the functions between the products of a feed-forward, by the numbers of activations.ts. */
#ifndef CK_ACTIVATE_H
#define CK_ACTIVATE_H

#include "exp.h"

enum { CK_SILU, CK_GELU_TANH, CK_GELU_ERF, CK_RELU };

/* v / (1 + e^-v). */
CK_INLINE ck_vf ck_silu(ck_vf v)
{
    return ck_times_sigmoid(v, v);
}

/* v/2 (1 + tanh u), u = sqrt(2/pi) (v + 0.044715 v^3); 1 + tanh u = 2 / (1 + e^-2u), so that nothing cancels. */
CK_INLINE ck_vf ck_gelu_tanh(ck_vf v)
{
    const ck_vf u = v * ck_fma(ck_set(0x1.2444f2p-4f) * v, v, ck_set(0x1.988454p0f));
    return ck_times_sigmoid(v, u);
}

/* Phi(-t), Phi the normal distribution, and e^(-t^2/2). */
typedef struct {
    ck_vf beyond, bell;
} ck_tail;

/*
 * For t >= 0 and s = 1 / (1 + 0.35 t), Phi(-t) = e^(-t^2/2) s p(s). The polynomial p is that quotient within 2^-24.8 of its
 * value for t up to 14.5, beyond which e^(-t^2/2) is 0 as f32; its coefficients are a fit of least squares, weighted until
 * the largest error was least.
 */
CK_INLINE ck_tail ck_normal_tail(ck_vf t)
{
    const ck_vf s = 1.0f / ck_fma(t, ck_set(0.35f), ck_set(1.0f));
    ck_vf p = ck_set(-0x1.ddb90ap-6f);
    p = ck_fma(p, s, ck_set(0x1.26f9aep-3f));
    p = ck_fma(p, s, ck_set(-0x1.05faa8p-2f));
    p = ck_fma(p, s, ck_set(0x1.464968p-3f));
    p = ck_fma(p, s, ck_set(-0x1.7c4faap-6f));
    p = ck_fma(p, s, ck_set(0x1.b057d2p-4f));
    p = ck_fma(p, s, ck_set(0x1.eac9bap-4f));
    p = ck_fma(p, s, ck_set(0x1.1e70c4p-3f));
    p = ck_fma(p, s, ck_set(0x1.1df1c6p-3f));
    const ck_vf bell = ck_exp_nonpositive(-0.5f * t * t);
    return (ck_tail){s * p * bell, bell};
}

/* v Phi(v) = max(v, 0) - |v| Phi(-|v|). */
CK_INLINE ck_vf ck_gelu_erf(ck_vf v)
{
    const ck_vf t = ck_select(v > 0.0f, v, -v);
    return ck_select(v > 0.0f, v, ck_set(0.0f)) - t * ck_normal_tail(t).beyond;
}

CK_INLINE ck_vf ck_relu(ck_vf v)
{
    return ck_select(v > 0.0f, v, ck_set(0.0f));
}

CK_INLINE ck_vf ck_activate(int64_t activation, ck_vf v)
{
    switch (activation) {
    case CK_GELU_TANH:
        return ck_gelu_tanh(v);
    case CK_GELU_ERF:
        return ck_gelu_erf(v);
    case CK_RELU:
        return ck_relu(v);
    default:
        return ck_silu(v);
    }
}

#endif
