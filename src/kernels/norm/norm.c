/* norm.c: root mean square normalisation, alone, after a residual sum and before a gate; layer normalisation; length 1. */
#include "norm.h"

#include "activate.h"
#include "reduce.h"
#include "rowSum.h"
#include "split.h"

CK_INLINE float ck_inverse_root(ck_vf squares, int64_t cols, float eps)
{
    return 1.0f / sqrtf(ck_sum(squares) / (float)cols + eps);
}

/* The sum of squares, lane by lane. */
CK_INLINE ck_vf ck_squares(const float *x, int64_t cols)
{
    ck_vf squares = ck_set(0.0f);
    int64_t col = 0;
    for (; col + CK_LANES <= cols; col += CK_LANES) {
        const ck_vf v = ck_load(x + col);
        squares = ck_fma(v, v, squares);
    }
    if (col < cols) {
        const ck_vf v = ck_load_n(x + col, cols - col);
        squares = ck_fma(v, v, squares);
    }
    return squares;
}

/* y = x * inverse * gain. */
static void ck_scale_row(int64_t cols, float inverse, const float *x, const float *gain, float *y)
{
    const ck_vf factor = ck_set(inverse);
    int64_t col = 0;
    for (; col + CK_LANES <= cols; col += CK_LANES) {
        ck_store(y + col, ck_load(x + col) * factor * ck_load(gain + col));
    }
    if (col < cols) {
        const int64_t left = cols - col;
        ck_store_n(y + col, ck_load_n(x + col, left) * factor * ck_load_n(gain + col, left), left);
    }
}

void ck_rmsNorm_fwd_f32(int part, int parts, int64_t rows, int64_t groups, int64_t cols, int64_t xRow, int64_t yRow,
                        float eps, const float *x, const float *restrict gain, float *y)
{
    int64_t item, end;
    ck_share(rows * groups, part, parts, &item, &end);
    ck_place group = ck_place_of(item, groups);
    for (; item < end; item++, ck_go_on(&group, groups)) {
        const float *from = x + group.row * xRow + group.at * cols;
        float *to = y + group.row * yRow + group.at * cols;
        ck_scale_row(cols, ck_inverse_root(ck_squares(from, cols), cols, eps), from, gain, to);
    }
}

/* Per lane the sum of the squares of a row's differences from `mean`. */
static ck_vf ck_square_differences(int64_t cols, float mean, const float *x)
{
    ck_vf squares = ck_set(0.0f);
    int64_t col = 0;
    for (; col + CK_LANES <= cols; col += CK_LANES) {
        const ck_vf v = ck_load(x + col) - mean;
        squares = ck_fma(v, v, squares);
    }
    if (col < cols) {
        const int64_t left = cols - col;
        const ck_vf v = ck_select(ck_lane() < (int32_t)left, ck_load_n(x + col, left) - mean, ck_set(0.0f));
        squares = ck_fma(v, v, squares);
    }
    return squares;
}

CK_INLINE void ck_shift_and_scale(const float *x, const float *gain, const float *bias, float *y, float mean,
                                  ck_vf factor, int64_t count)
{
    const ck_vf shift = bias ? ck_load_some(bias, count) : ck_set(0.0f);
    const ck_vf v = (ck_load_some(x, count) - mean) * factor;
    ck_store_some(y, ck_fma(v, ck_load_some(gain, count), shift), count);
}

void ck_layerNorm_fwd_f32(int part, int parts, int64_t rows, int64_t groups, int64_t cols, int64_t xRow, int64_t yRow,
                          float eps, const float *x, const float *restrict gain, const float *restrict bias, float *y)
{
    int64_t item, end;
    ck_share(rows * groups, part, parts, &item, &end);
    ck_place group = ck_place_of(item, groups);
    for (; item < end; item++, ck_go_on(&group, groups)) {
        const float *from = x + group.row * xRow + group.at * cols;
        float *to = y + group.row * yRow + group.at * cols;
        const float mean = ck_sum_row(cols, from) / (float)cols;
        const ck_vf factor = ck_set(ck_inverse_root(ck_square_differences(cols, mean, from), cols, eps));
        int64_t col = 0;
        for (; col + CK_LANES <= cols; col += CK_LANES) {
            ck_shift_and_scale(from + col, gain + col, bias ? bias + col : NULL, to + col, mean, factor, CK_LANES);
        }
        if (col < cols) {
            ck_shift_and_scale(from + col, gain + col, bias ? bias + col : NULL, to + col, mean, factor, cols - col);
        }
    }
}

void ck_residualRmsNorm_fwd_f32(int part, int parts, int64_t rows, int64_t cols, float eps, const float *x,
                                const float *delta, const float *restrict gain, float *sum, float *y)
{
    int64_t row, end;
    ck_share(rows, part, parts, &row, &end);
    for (; row < end; row++) {
        const int64_t at = row * cols;
        ck_vf squares = ck_set(0.0f);
        int64_t col = 0;
        for (; col + CK_LANES <= cols; col += CK_LANES) {
            const ck_vf v = ck_load(x + at + col) + ck_load(delta + at + col);
            ck_store(sum + at + col, v);
            squares = ck_fma(v, v, squares);
        }
        if (col < cols) {
            const int64_t left = cols - col;
            const ck_vf v = ck_load_n(x + at + col, left) + ck_load_n(delta + at + col, left);
            ck_store_n(sum + at + col, v, left);
            squares = ck_fma(v, v, squares);
        }
        ck_scale_row(cols, ck_inverse_root(squares, cols, eps), sum + at, gain, y + at);
    }
}

void ck_l2Norm_fwd_f32(int part, int parts, int64_t rows, int64_t groups, int64_t cols, int64_t xRow, int64_t yRow,
                       float eps, const float *x, float *y)
{
    int64_t item, end;
    ck_share(rows * groups, part, parts, &item, &end);
    ck_place group = ck_place_of(item, groups);
    for (; item < end; item++, ck_go_on(&group, groups)) {
        const float *from = x + group.row * xRow + group.at * cols;
        float *to = y + group.row * yRow + group.at * cols;
        const ck_vf inverse = ck_set(1.0f / sqrtf(ck_sum(ck_squares(from, cols)) + eps));
        int64_t col = 0;
        for (; col + CK_LANES <= cols; col += CK_LANES) {
            ck_store(to + col, ck_load(from + col) * inverse);
        }
        if (col < cols) {
            ck_store_n(to + col, ck_load_n(from + col, cols - col) * inverse, cols - col);
        }
    }
}

void ck_gatedRmsNorm_fwd_f32(int part, int parts, int64_t rows, int64_t groups, int64_t cols, int64_t xRow,
                             int64_t gateRow, int64_t yRow, float eps, const float *x, const float *gate,
                             const float *restrict gain, float *y)
{
    int64_t item, end;
    ck_share(rows * groups, part, parts, &item, &end);
    ck_place group = ck_place_of(item, groups);
    for (; item < end; item++, ck_go_on(&group, groups)) {
        const int64_t at = group.at * cols;
        const float *from = x + group.row * xRow + at, *by = gate + group.row * gateRow + at;
        float *to = y + group.row * yRow + at;
        const ck_vf inverse = ck_set(ck_inverse_root(ck_squares(from, cols), cols, eps));
        int64_t col = 0;
        for (; col + CK_LANES <= cols; col += CK_LANES) {
            const ck_vf normed = ck_load(from + col) * inverse * ck_load(gain + col);
            ck_store(to + col, normed * ck_silu(ck_load(by + col)));
        }
        if (col < cols) {
            const int64_t left = cols - col;
            const ck_vf normed = ck_load_n(from + col, left) * inverse * ck_load_n(gain + col, left);
            ck_store_n(to + col, normed * ck_silu(ck_load_n(by + col, left)), left);
        }
    }
}
