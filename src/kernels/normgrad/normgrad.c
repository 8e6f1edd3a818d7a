/*
 * normgrad.c: gradients of the norms. What a vector of cols was normed from gets its gradient by itself; gain and bias, which
 * all vectors share, get theirs column by column: one chain of additions over the vectors in their order.
 */
#include "normgrad.h"

#include "columns.h"
#include "reduce.h"
#include "rowSum.h"
#include "slope.h"

/* How far a vector is from its first one: `row` elements from row to row. A division takes longer than a short vector. */
CK_INLINE int64_t ck_vector_at(int64_t vector, int64_t groups, int64_t row, int64_t cols)
{
    if (row == groups * cols) {
        return vector * cols;
    }
    return groups == 1 ? vector * row : vector / groups * row + vector % groups * cols;
}

/* Sums over a vector, lane by lane: of the squares, of what is given, and of the products of both. */
typedef struct {
    ck_vf squares, level, along;
} ck_lane_sums;

CK_INLINE void ck_add_rms(ck_lane_sums *sums, const float *x, const float *gain, const float *dy, int64_t count)
{
    const ck_vf v = ck_load_some(x, count);
    sums->squares = ck_fma(v, v, sums->squares);
    sums->along = ck_fma(ck_load_some(dy, count) * ck_load_some(gain, count), v, sums->along);
}

/* dx = scale (dy gain - x pull), and sum added to it where there is one. */
CK_INLINE void ck_pull_rms(const float *x, const float *gain, const float *dy, const float *sum, float *dx, ck_vf scale,
                           ck_vf pull, int64_t count)
{
    const ck_vf given = ck_load_some(dy, count) * ck_load_some(gain, count);
    const ck_vf v = scale * ck_fma(-pull, ck_load_some(x, count), given);
    ck_store_some(dx, sum ? v + ck_load_some(sum, count) : v, count);
}

void ck_rmsNorm_bwd_f32(int part, int parts, int64_t rows, int64_t groups, int64_t cols, int64_t xRow, int64_t dyRow,
                        int64_t sumRow, int64_t dxRow, float eps, const float *restrict x, const float *restrict gain,
                        const float *restrict dy, const float *sum, float *restrict scale, float *dx)
{
    int64_t item, end;
    ck_share(rows * groups, part, parts, &item, &end);
    for (; item < end; item++) {
        const float *from = x + ck_vector_at(item, groups, xRow, cols);
        const float *given = dy + ck_vector_at(item, groups, dyRow, cols);
        const float *added = sum ? sum + ck_vector_at(item, groups, sumRow, cols) : NULL;
        float *to = dx + ck_vector_at(item, groups, dxRow, cols);
        ck_lane_sums sums = {ck_set(0.0f), ck_set(0.0f), ck_set(0.0f)};
        int64_t col = 0;
        for (; col + CK_LANES <= cols; col += CK_LANES) {
            ck_add_rms(&sums, from + col, gain + col, given + col, CK_LANES);
        }
        if (col < cols) {
            ck_add_rms(&sums, from + col, gain + col, given + col, cols - col);
        }
        const float by = 1.0f / sqrtf(ck_sum(sums.squares) / (float)cols + eps);
        const ck_vf factor = ck_set(by), pull = ck_set(by * by * (ck_sum(sums.along) / (float)cols));
        scale[item] = by;
        col = 0;
        for (; col + CK_LANES <= cols; col += CK_LANES) {
            ck_pull_rms(from + col, gain + col, given + col, added ? added + col : NULL, to + col, factor, pull,
                        CK_LANES);
        }
        if (col < cols) {
            ck_pull_rms(from + col, gain + col, given + col, added ? added + col : NULL, to + col, factor, pull,
                        cols - col);
        }
    }
}

/* Vectors that are added to the columns at once: the sums go to the cache and back once for all of them. */
enum { CK_TALL = 4 };

/* The next vectors of x and dy: their first elements, and what they were scaled by and centred about. */
typedef struct {
    const float *x[CK_TALL], *dy[CK_TALL];
    ck_vf scale[CK_TALL], mean[CK_TALL];
} ck_stack;

/* sum + the product of vector i; all of a stack, or the first one alone. */
CK_INLINE ck_vf ck_add_gain(const ck_stack *stack, int i, int64_t col, ck_vf sum, int64_t count)
{
    const ck_vf normed = ck_load_some(stack->x[i] + col, count) * stack->scale[i];
    return ck_fma(ck_load_some(stack->dy[i] + col, count), normed, sum);
}

CK_INLINE void ck_add_gains(const int height, const ck_stack *stack, int64_t col, float *dgain, int64_t count)
{
    ck_vf sum = ck_add_gain(stack, 0, col, ck_load_some(dgain + col, count), count);
    if (height == CK_TALL) {
        CK_UNROLL
        for (int i = 1; i < CK_TALL; i++) {
            sum = ck_add_gain(stack, i, col, sum, count);
        }
    }
    ck_store_some(dgain + col, sum, count);
}

CK_INLINE void ck_add_gain_stack(const int height, const ck_stack *stack, ck_columns of, float *dgain)
{
    int64_t col = of.begin;
    for (; col + CK_LANES <= of.end; col += CK_LANES) {
        ck_add_gains(height, stack, col, dgain, CK_LANES);
    }
    if (col < of.end) {
        ck_add_gains(height, stack, col, dgain, of.end - col);
    }
}

void ck_rmsNormGain_bwd_f32(int part, int parts, int64_t rows, int64_t groups, int64_t cols, int64_t xRow,
                            int64_t dyRow, const float *restrict x, const float *restrict dy,
                            const float *restrict scale, const float *sum, float *dgain)
{
    const ck_columns of = ck_share_columns(cols, part, parts);
    ck_begin_sums(of, sum, dgain);
    const int64_t vectors = of.begin < of.end ? rows * groups : 0;
    int height;
    for (int64_t first = 0; first < vectors; first += height) {
        height = vectors - first < CK_TALL ? 1 : CK_TALL;
        ck_stack stack;
        for (int i = 0; i < height; i++) {
            stack.x[i] = x + ck_vector_at(first + i, groups, xRow, cols);
            stack.dy[i] = dy + ck_vector_at(first + i, groups, dyRow, cols);
            stack.scale[i] = ck_set(scale[first + i]);
        }
        if (height == CK_TALL) {
            ck_add_gain_stack(CK_TALL, &stack, of, dgain);
        } else {
            ck_add_gain_stack(1, &stack, of, dgain);
        }
    }
}

/* Sums of the differences from the mean, of what is given, and of the products of both. */
CK_INLINE void ck_add_centred(ck_lane_sums *sums, ck_vf mean, const float *x, const float *gain, const float *dy,
                              int64_t count)
{
    const ck_vf given = ck_load_some(dy, count) * ck_load_some(gain, count);
    const ck_vf v = ck_select(ck_lane() < (int32_t)count, ck_load_some(x, count) - mean, ck_set(0.0f));
    sums->squares = ck_fma(v, v, sums->squares);
    sums->level = sums->level + given;
    sums->along = ck_fma(given, v, sums->along);
}

/* dx = scale (dy gain - level - (x - mean) pull), and sum added to it where there is one. */
typedef struct {
    ck_vf mean, scale, level, pull;
} ck_layer;

CK_INLINE void ck_pull_layer(const ck_layer *layer, const float *x, const float *gain, const float *dy,
                             const float *sum, float *dx, int64_t count)
{
    const ck_vf given = ck_load_some(dy, count) * ck_load_some(gain, count) - layer->level;
    const ck_vf v = layer->scale * ck_fma(-layer->pull, ck_load_some(x, count) - layer->mean, given);
    ck_store_some(dx, sum ? v + ck_load_some(sum, count) : v, count);
}

void ck_layerNorm_bwd_f32(int part, int parts, int64_t rows, int64_t groups, int64_t cols, int64_t xRow, int64_t dyRow,
                          int64_t sumRow, int64_t dxRow, float eps, const float *restrict x,
                          const float *restrict gain, const float *restrict dy, const float *sum,
                          float *restrict mean, float *restrict scale, float *dx)
{
    int64_t item, end;
    ck_share(rows * groups, part, parts, &item, &end);
    for (; item < end; item++) {
        const float *from = x + ck_vector_at(item, groups, xRow, cols);
        const float *given = dy + ck_vector_at(item, groups, dyRow, cols);
        const float *added = sum ? sum + ck_vector_at(item, groups, sumRow, cols) : NULL;
        float *to = dx + ck_vector_at(item, groups, dxRow, cols);
        mean[item] = ck_sum_row(cols, from) / (float)cols;
        const ck_vf middle = ck_set(mean[item]);
        ck_lane_sums sums = {ck_set(0.0f), ck_set(0.0f), ck_set(0.0f)};
        int64_t col = 0;
        for (; col + CK_LANES <= cols; col += CK_LANES) {
            ck_add_centred(&sums, middle, from + col, gain + col, given + col, CK_LANES);
        }
        if (col < cols) {
            ck_add_centred(&sums, middle, from + col, gain + col, given + col, cols - col);
        }
        const float by = 1.0f / sqrtf(ck_sum(sums.squares) / (float)cols + eps);
        scale[item] = by;
        const ck_layer layer = {middle, ck_set(by), ck_set(ck_sum(sums.level) / (float)cols),
                                ck_set(by * by * (ck_sum(sums.along) / (float)cols))};
        col = 0;
        for (; col + CK_LANES <= cols; col += CK_LANES) {
            ck_pull_layer(&layer, from + col, gain + col, given + col, added ? added + col : NULL, to + col, CK_LANES);
        }
        if (col < cols) {
            ck_pull_layer(&layer, from + col, gain + col, given + col, added ? added + col : NULL, to + col,
                          cols - col);
        }
    }
}

typedef struct {
    ck_vf gains, biases;
} ck_layer_sums;

CK_INLINE ck_layer_sums ck_add_layer(const ck_stack *stack, int i, int64_t col, ck_layer_sums sums, int64_t count)
{
    const ck_vf given = ck_load_some(stack->dy[i] + col, count);
    const ck_vf normed = (ck_load_some(stack->x[i] + col, count) - stack->mean[i]) * stack->scale[i];
    return (ck_layer_sums){ck_fma(given, normed, sums.gains), sums.biases + given};
}

CK_INLINE void ck_add_layers(const int height, const ck_stack *stack, int64_t col, float *dgain, float *dbias,
                             int64_t count)
{
    ck_layer_sums sums = {ck_load_some(dgain + col, count), ck_load_some(dbias + col, count)};
    sums = ck_add_layer(stack, 0, col, sums, count);
    if (height == CK_TALL) {
        CK_UNROLL
        for (int i = 1; i < CK_TALL; i++) {
            sums = ck_add_layer(stack, i, col, sums, count);
        }
    }
    ck_store_some(dgain + col, sums.gains, count);
    ck_store_some(dbias + col, sums.biases, count);
}

CK_INLINE void ck_add_layer_stack(const int height, const ck_stack *stack, ck_columns of, float *dgain, float *dbias)
{
    int64_t col = of.begin;
    for (; col + CK_LANES <= of.end; col += CK_LANES) {
        ck_add_layers(height, stack, col, dgain, dbias, CK_LANES);
    }
    if (col < of.end) {
        ck_add_layers(height, stack, col, dgain, dbias, of.end - col);
    }
}

void ck_layerNormGain_bwd_f32(int part, int parts, int64_t rows, int64_t groups, int64_t cols, int64_t xRow,
                              int64_t dyRow, const float *restrict x, const float *restrict dy,
                              const float *restrict mean, const float *restrict scale, const float *gainSum,
                              const float *biasSum, float *dgain, float *dbias)
{
    const ck_columns of = ck_share_columns(cols, part, parts);
    ck_begin_sums(of, gainSum, dgain);
    ck_begin_sums(of, biasSum, dbias);
    const int64_t vectors = of.begin < of.end ? rows * groups : 0;
    int height;
    for (int64_t first = 0; first < vectors; first += height) {
        height = vectors - first < CK_TALL ? 1 : CK_TALL;
        ck_stack stack;
        for (int i = 0; i < height; i++) {
            stack.x[i] = x + ck_vector_at(first + i, groups, xRow, cols);
            stack.dy[i] = dy + ck_vector_at(first + i, groups, dyRow, cols);
            stack.mean[i] = ck_set(mean[first + i]);
            stack.scale[i] = ck_set(scale[first + i]);
        }
        if (height == CK_TALL) {
            ck_add_layer_stack(CK_TALL, &stack, of, dgain, dbias);
        } else {
            ck_add_layer_stack(1, &stack, of, dgain, dbias);
        }
    }
}

CK_INLINE void ck_add_lengths(ck_lane_sums *sums, const float *x, const float *dy, int64_t count)
{
    const ck_vf v = ck_load_some(x, count);
    sums->squares = ck_fma(v, v, sums->squares);
    sums->along = ck_fma(ck_load_some(dy, count), v, sums->along);
}

/* dx = scale (dy - x pull). */
CK_INLINE void ck_pull_length(const float *x, const float *dy, float *dx, ck_vf scale, ck_vf pull, int64_t count)
{
    ck_store_some(dx, scale * ck_fma(-pull, ck_load_some(x, count), ck_load_some(dy, count)), count);
}

void ck_l2Norm_bwd_f32(int part, int parts, int64_t rows, int64_t groups, int64_t cols, int64_t xRow, int64_t dyRow,
                       int64_t dxRow, float eps, const float *x, const float *dy, float *dx)
{
    int64_t item, end;
    ck_share(rows * groups, part, parts, &item, &end);
    for (; item < end; item++) {
        const float *from = x + ck_vector_at(item, groups, xRow, cols);
        const float *given = dy + ck_vector_at(item, groups, dyRow, cols);
        float *to = dx + ck_vector_at(item, groups, dxRow, cols);
        ck_lane_sums sums = {ck_set(0.0f), ck_set(0.0f), ck_set(0.0f)};
        int64_t col = 0;
        for (; col + CK_LANES <= cols; col += CK_LANES) {
            ck_add_lengths(&sums, from + col, given + col, CK_LANES);
        }
        if (col < cols) {
            ck_add_lengths(&sums, from + col, given + col, cols - col);
        }
        const float square = ck_sum(sums.squares) + eps;
        const ck_vf scale = ck_set(1.0f / sqrtf(square)), pull = ck_set(ck_sum(sums.along) / square);
        col = 0;
        for (; col + CK_LANES <= cols; col += CK_LANES) {
            ck_pull_length(from + col, given + col, to + col, scale, pull, CK_LANES);
        }
        if (col < cols) {
            ck_pull_length(from + col, given + col, to + col, scale, pull, cols - col);
        }
    }
}

/* e = dy f(gate) to `normed`, dgate but for its factor s, and the sums of the vector. */
CK_INLINE void ck_open_gate(ck_lane_sums *sums, const float *x, const float *gate, const float *gain, const float *dy,
                            float *normed, float *dgate, int64_t count)
{
    const ck_vf v = ck_load_some(x, count), given = ck_load_some(dy, count), by = ck_load_some(gain, count);
    const ck_curve curve = ck_silu_curve(ck_load_some(gate, count));
    const ck_vf e = given * curve.value;
    ck_store_some(normed, e, count);
    ck_store_some(dgate, given * v * by * curve.slope, count);
    sums->squares = ck_fma(v, v, sums->squares);
    sums->along = ck_fma(e * by, v, sums->along);
}

void ck_gatedRmsNorm_bwd_f32(int part, int parts, int64_t rows, int64_t groups, int64_t cols, int64_t xRow,
                             int64_t gateRow, int64_t dyRow, int64_t dxRow, int64_t dgateRow, float eps,
                             const float *restrict x, const float *gate, const float *restrict gain, const float *dy,
                             float *restrict scale, float *restrict dnormed, float *dx, float *dgate)
{
    int64_t item, end;
    ck_share(rows * groups, part, parts, &item, &end);
    for (; item < end; item++) {
        const float *from = x + ck_vector_at(item, groups, xRow, cols);
        const float *by = gate + ck_vector_at(item, groups, gateRow, cols);
        const float *given = dy + ck_vector_at(item, groups, dyRow, cols);
        float *normed = dnormed + item * cols;
        float *to = dx + ck_vector_at(item, groups, dxRow, cols);
        float *to_gate = dgate + ck_vector_at(item, groups, dgateRow, cols);
        ck_lane_sums sums = {ck_set(0.0f), ck_set(0.0f), ck_set(0.0f)};
        for (int64_t col = 0; col < cols; col += CK_LANES) {
            ck_open_gate(&sums, from + col, by + col, gain + col, given + col, normed + col, to_gate + col, cols - col);
        }
        const float factor = 1.0f / sqrtf(ck_sum(sums.squares) / (float)cols + eps);
        const ck_vf s = ck_set(factor), pull = ck_set(factor * factor * (ck_sum(sums.along) / (float)cols));
        scale[item] = factor;
        for (int64_t col = 0; col < cols; col += CK_LANES) {
            const int64_t left = cols - col;
            ck_store_some(to_gate + col, s * ck_load_some(to_gate + col, left), left);
            ck_pull_rms(from + col, gain + col, normed + col, NULL, to + col, s, pull, left);
        }
    }
}
