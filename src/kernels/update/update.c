/* update.c: what a step does to a weight and to what an optimizer keeps of its gradients, element by element. */
#include "update.h"

#include "bfloats.h"
#include "chunks.h"

/*
 * All of them read several streams and write most of them back: the processor's prefetchers follow them, and time is bytes.
 * What does not depend on the element is computed in double, once per call.
 */

CK_INLINE ck_vf ck_factor(double x)
{
    return ck_set((float)x);
}

/* What the gradient is multiplied by as it is read. */
CK_INLINE ck_vf ck_clip(const float *clip)
{
    return ck_set(clip ? clip[0] : 1.0f);
}

/* Whether the gradients of the step are not finite: nothing may change. */
CK_INLINE int ck_is_void(const float *clip)
{
    return clip && clip[0] < 0.0f;
}

/*
 * lr (m / c1) / (sqrt(s) / c2 + eps) = (lr c2 / c1) m / (sqrt(s) + eps c2): one division per element.
 */
void ck_adamW_fwd_f32(int part, int parts, int64_t elements, double beta1, double beta2, double eps, double decay,
                      double rate, const float *gradient, const float *rates, const float *clip, float *weight,
                      float *mean, float *square)
{
    if (ck_is_void(clip)) {
        return;
    }
    const double lr = rate * (double)rates[0], root = (double)rates[2];
    const ck_vf scale = ck_clip(clip), keep = ck_factor(1.0 - lr * decay);
    const ck_vf step = ck_factor(-lr * root / (double)rates[1]), least = ck_factor(eps * root);
    const ck_vf rest1 = ck_factor(1.0 - beta1), last2 = ck_factor(beta2), rest2 = ck_factor(1.0 - beta2);
    int64_t i, end;
    ck_share_elements(elements, part, parts, &i, &end);
    CK_EACH(i, end, {
        const ck_vf g = ck_take(gradient + i, n) * scale;
        const ck_vf last = ck_take(mean + i, n);
        const ck_vf m = ck_fma(rest1, g - last, last);
        const ck_vf s = ck_fma(rest2 * g, g, last2 * ck_take(square + i, n));
        const ck_vf w = ck_fma(keep, ck_take(weight + i, n), step * m / (ck_sqrt(s) + least));
        ck_put(mean + i, m, n);
        ck_put(square + i, s, n);
        ck_put(weight + i, w, n);
    })
}

void ck_sgd_fwd_f32(int part, int parts, int64_t elements, double decay, double rate, const float *gradient,
                    const float *rates, const float *clip, float *weight)
{
    if (ck_is_void(clip)) {
        return;
    }
    const double lr = rate * (double)rates[0];
    const ck_vf scale = ck_clip(clip), step = ck_factor(-lr), pull = ck_factor(decay);
    int64_t i, end;
    ck_share_elements(elements, part, parts, &i, &end);
    CK_EACH(i, end, {
        const ck_vf w = ck_take(weight + i, n);
        const ck_vf g = ck_fma(pull, w, ck_take(gradient + i, n) * scale);
        ck_put(weight + i, ck_fma(step, g, w), n);
    })
}

void ck_momentum_fwd_f32(int part, int parts, int64_t elements, double momentum, int64_t nesterov, double decay,
                         double rate, const float *gradient, const float *rates, const float *clip, float *weight,
                         float *velocity)
{
    if (ck_is_void(clip)) {
        return;
    }
    const double lr = rate * (double)rates[0];
    const ck_vf scale = ck_clip(clip), step = ck_factor(-lr), pull = ck_factor(decay), last = ck_factor(momentum);
    int64_t i, end;
    ck_share_elements(elements, part, parts, &i, &end);
    CK_EACH(i, end, {
        const ck_vf w = ck_take(weight + i, n);
        const ck_vf g = ck_fma(pull, w, ck_take(gradient + i, n) * scale);
        const ck_vf v = ck_fma(last, ck_take(velocity + i, n), g);
        ck_put(velocity + i, v, n);
        ck_put(weight + i, ck_fma(step, nesterov ? ck_fma(last, v, g) : v, w), n);
    })
}

/* -1, 0 or 1; NaN of NaN. */
CK_INLINE ck_vf ck_sign(ck_vf v)
{
    const ck_vf rest = ck_select(v < ck_set(0.0f), ck_set(-1.0f), v);
    return ck_select(v > ck_set(0.0f), ck_set(1.0f), rest);
}

void ck_lion_fwd_f32(int part, int parts, int64_t elements, double beta1, double beta2, double decay, double rate,
                     const float *gradient, const float *rates, const float *clip, float *weight, float *mean)
{
    if (ck_is_void(clip)) {
        return;
    }
    const double lr = rate * (double)rates[0];
    const ck_vf scale = ck_clip(clip), keep = ck_factor(1.0 - lr * decay), step = ck_factor(-lr);
    const ck_vf last1 = ck_factor(beta1), rest1 = ck_factor(1.0 - beta1);
    const ck_vf last2 = ck_factor(beta2), rest2 = ck_factor(1.0 - beta2);
    int64_t i, end;
    ck_share_elements(elements, part, parts, &i, &end);
    CK_EACH(i, end, {
        const ck_vf g = ck_take(gradient + i, n) * scale;
        const ck_vf m = ck_take(mean + i, n);
        const ck_vf sign = ck_sign(ck_fma(last1, m, rest1 * g));
        ck_put(mean + i, ck_fma(last2, m, rest2 * g), n);
        ck_put(weight + i, ck_fma(keep, ck_take(weight + i, n), step * sign), n);
    })
}

void ck_muonUpdate_fwd_f32(int part, int parts, int64_t elements, double scale, double decay, double rate,
                           const float *gradient, const float *rates, const float *clip, float *weight)
{
    if (ck_is_void(clip)) {
        return;
    }
    const double lr = rate * (double)rates[0];
    const ck_vf keep = ck_factor(1.0 - lr * decay), step = ck_factor(-lr * scale);
    int64_t i, end;
    ck_share_elements(elements, part, parts, &i, &end);
    CK_EACH(i, end, {
        ck_put(weight + i, ck_fma(keep, ck_take(weight + i, n), step * ck_take(gradient + i, n)), n);
    })
}

void ck_muonMomentum_fwd_f32(int part, int parts, int64_t elements, double momentum, int64_t nesterov,
                             const float *gradient, const float *clip, float *velocity, float *direction)
{
    const ck_vf scale = ck_clip(clip), last = ck_factor(momentum), rest = ck_factor(1.0 - momentum);
    int64_t i, end;
    ck_share_elements(elements, part, parts, &i, &end);
    if (ck_is_void(clip)) {
        CK_EACH(i, end, ck_put(direction + i, ck_set(0.0f), n);)
        return;
    }
    CK_EACH(i, end, {
        const ck_vf g = ck_take(gradient + i, n) * scale;
        const ck_vf old = ck_take(velocity + i, n);
        const ck_vf v = ck_fma(rest, g - old, old);
        ck_put(velocity + i, v, n);
        ck_put(direction + i, nesterov ? ck_fma(last, v - g, g) : v, n);
    })
}

void ck_average_fwd_f32(int part, int parts, int64_t elements, double decay, const float *weight, float *average)
{
    const ck_vf rest = ck_factor(1.0 - decay);
    int64_t i, end;
    ck_share_elements(elements, part, parts, &i, &end);
    CK_EACH(i, end, {
        const ck_vf last = ck_take(average + i, n);
        ck_put(average + i, ck_fma(rest, ck_take(weight + i, n) - last, last), n);
    })
}

void ck_weightCopy_fwd_bf16(int part, int parts, int64_t elements, const float *restrict weight,
                            uint16_t *restrict copy)
{
    int64_t i, end;
    ck_share_elements(elements, part, parts, &i, &end);
    if (i < end) {
        ck_narrow(weight + i, end - i, copy + i);
    }
}
