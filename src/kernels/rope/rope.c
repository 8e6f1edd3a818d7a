/* rope.c: rotary position embedding; the table of angles once per step, then one rotation per head. */
#include "rope.h"

#include "simd.h"
#include "split.h"

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

/* The rotation of (a, b); y may be x, so both are read before either is written. */
CK_INLINE void ck_rotate(ck_vf a, ck_vf b, ck_vf cosine, ck_vf sine, ck_vf *first, ck_vf *second)
{
    *first = a * cosine - b * sine;
    *second = a * sine + b * cosine;
}

static void ck_rotate_split(int64_t pairs, const float *x, const float *cosines, float *y)
{
    const float *sines = cosines + pairs;
    ck_vf first, second;
    int64_t i = 0;
    for (; i + CK_LANES <= pairs; i += CK_LANES) {
        ck_rotate(ck_load(x + i), ck_load(x + pairs + i), ck_load(cosines + i), ck_load(sines + i), &first, &second);
        ck_store(y + i, first);
        ck_store(y + pairs + i, second);
    }
    if (i < pairs) {
        const int64_t left = pairs - i;
        ck_rotate(ck_load_n(x + i, left), ck_load_n(x + pairs + i, left), ck_load_n(cosines + i, left),
                  ck_load_n(sines + i, left), &first, &second);
        ck_store_n(y + i, first, left);
        ck_store_n(y + pairs + i, second, left);
    }
}

static void ck_rotate_pairwise(int64_t pairs, const float *x, const float *cosines, float *y)
{
    const float *sines = cosines + pairs;
    for (int64_t i = 0; i < pairs; i++) {
        const float a = x[2 * i], b = x[2 * i + 1];
        y[2 * i] = a * cosines[i] - b * sines[i];
        y[2 * i + 1] = a * sines[i] + b * cosines[i];
    }
}

typedef void ck_rotation(int64_t pairs, const float *x, const float *cosines, float *y);

static void ck_rotate_heads(ck_rotation *rotation, int part, int parts, int64_t tokens, int64_t heads, int64_t width,
                            int64_t pairs, int64_t x_row, int64_t y_row, const float *x, const float *table, float *y)
{
    int64_t item, end;
    ck_share(tokens * heads, part, parts, &item, &end);
    for (; item < end; item++) {
        const int64_t token = item / heads, head = item % heads;
        const float *from = x + token * x_row + head * width;
        float *to = y + token * y_row + head * width;
        rotation(pairs, from, table + token * 2 * pairs, to);
        if (to != from) {
            memcpy(to + 2 * pairs, from + 2 * pairs, (size_t)(width - 2 * pairs) * sizeof *to);
        }
    }
}

void ck_rope_fwd_split_f32(int part, int parts, int64_t tokens, int64_t heads, int64_t width, int64_t pairs,
                           int64_t xRow, int64_t yRow, const float *x, const float *restrict table, float *y)
{
    ck_rotate_heads(ck_rotate_split, part, parts, tokens, heads, width, pairs, xRow, yRow, x, table, y);
}

void ck_rope_fwd_pairwise_f32(int part, int parts, int64_t tokens, int64_t heads, int64_t width, int64_t pairs,
                              int64_t xRow, int64_t yRow, const float *x, const float *restrict table, float *y)
{
    ck_rotate_heads(ck_rotate_pairwise, part, parts, tokens, heads, width, pairs, xRow, yRow, x, table, y);
}
