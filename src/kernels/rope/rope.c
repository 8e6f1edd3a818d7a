/* rope.c: rotary position embedding; the table of angles once per step, then one rotation per head. */
#include "rope.h"

#include "split.h"
#include "turn.h"

void ck_ropeTable_fwd_f32(int part, int parts, int64_t tokens, int64_t pairs, double theta, double scale,
                          double magnitude, const int32_t *restrict positions, const float *restrict factors,
                          float *restrict table)
{
    int64_t begin, end;
    ck_share(tokens, part, parts, &begin, &end);
    for (int64_t pair = 0; pair < pairs && begin < end; pair++) {
        double frequency = scale * pow(theta, -(double)pair / (double)pairs);
        if (factors) {
            frequency /= (double)factors[pair];
        }
        for (int64_t token = begin; token < end; token++) {
            const double angle = (double)positions[token] * frequency;
            float *cosines = table + token * 2 * pairs;
            cosines[pair] = (float)(magnitude * cos(angle));
            cosines[pairs + pair] = (float)(magnitude * sin(angle));
        }
    }
}

/* The sines of a rotation, or of the one that turns back. */
CK_INLINE ck_vf ck_sines(const int back, ck_vf sines)
{
    return back ? -sines : sines;
}

/* The rotation of (a, b); y may be x, so both are read before either is written. */
CK_INLINE void ck_rotate(ck_vf a, ck_vf b, ck_vf cosine, ck_vf sine, ck_vf *first, ck_vf *second)
{
    *first = a * cosine - b * sine;
    *second = a * sine + b * cosine;
}

CK_INLINE void ck_rotate_split(const int back, int64_t pairs, const float *x, const float *cosines, float *y)
{
    const float *sines = cosines + pairs;
    ck_vf first, second;
    int64_t i = 0;
    for (; i + CK_LANES <= pairs; i += CK_LANES) {
        ck_rotate(ck_load(x + i), ck_load(x + pairs + i), ck_load(cosines + i), ck_sines(back, ck_load(sines + i)),
                  &first, &second);
        ck_store(y + i, first);
        ck_store(y + pairs + i, second);
    }
    if (i < pairs) {
        const int64_t left = pairs - i;
        ck_rotate(ck_load_n(x + i, left), ck_load_n(x + pairs + i, left), ck_load_n(cosines + i, left),
                  ck_sines(back, ck_load_n(sines + i, left)), &first, &second);
        ck_store_n(y + i, first, left);
        ck_store_n(y + pairs + i, second, left);
    }
}

/* Lanes in pairs (a, b) by their cosines and by their sines, of which the first is negative: (a cos - b sin, b cos + a sin). */
CK_INLINE ck_vf ck_rotate_lanes(ck_vf v, ck_vf cosine, ck_vf sine)
{
    return v * cosine + ck_swap_pairs(v) * sine;
}

CK_INLINE void ck_rotate_pairwise(const int back, int64_t pairs, const float *x, const float *cosines, float *y)
{
    const float *sines = cosines + pairs;
    int64_t i = 0;
    for (; i + CK_LANES <= pairs; i += CK_LANES) {
        const ck_vf cosine = ck_load(cosines + i), sine = ck_sines(back, ck_load(sines + i));
        const ck_vf low = ck_load(x + 2 * i), high = ck_load(x + 2 * i + CK_LANES);
        ck_store(y + 2 * i, ck_rotate_lanes(low, ck_zip_low(cosine, cosine), ck_zip_low(-sine, sine)));
        ck_store(y + 2 * i + CK_LANES, ck_rotate_lanes(high, ck_zip_high(cosine, cosine), ck_zip_high(-sine, sine)));
    }
    for (; i < pairs; i++) {
        const float a = x[2 * i], b = x[2 * i + 1], sine = back ? -sines[i] : sines[i];
        y[2 * i] = a * cosines[i] - b * sine;
        y[2 * i + 1] = a * sine + b * cosines[i];
    }
}

#define CK_DEFINE(direction, pairing, back)                                                                            \
    void ck_rope_##direction##_##pairing##_f32(int part, int parts, int64_t tokens, int64_t heads, int64_t width,      \
                                               int64_t pairs, int64_t xRow, int64_t yRow, const float *x,              \
                                               const float *restrict table, float *y)                                  \
    {                                                                                                                  \
        int64_t item, end;                                                                                             \
        ck_share(tokens *heads, part, parts, &item, &end);                                                             \
        ck_place head = ck_place_of(item, heads);                                                                      \
        for (; item < end; item++, ck_go_on(&head, heads)) {                                                           \
            const float *from = x + head.row * xRow + head.at * width;                                                 \
            float *to = y + head.row * yRow + head.at * width;                                                         \
            ck_rotate_##pairing(back, pairs, from, table + head.row * 2 * pairs, to);                                  \
            if (to != from && width > 2 * pairs) {                                                                     \
                memcpy(to + 2 * pairs, from + 2 * pairs, (size_t)(width - 2 * pairs) * sizeof *to);                    \
            }                                                                                                          \
        }                                                                                                              \
    }

CK_DEFINE(fwd, split, 0)
CK_DEFINE(fwd, pairwise, 0)
CK_DEFINE(bwd, split, 1)
CK_DEFINE(bwd, pairwise, 1)
