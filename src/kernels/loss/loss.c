/* loss.c: cross-entropy of rows of logits with the ids that were to come, and its gradient. */
#include "loss.h"

#include "exp.h"
#include "reduce.h"
#include "rowMax.h"
#include "split.h"

enum { CK_STATES = 3 }; /* numbers that are kept of a row: its largest logit, the sum of exponentials, its loss */
enum { CK_PIECE = 512 }; /* columns whose exponentials are summed in f32 */

/* Σ e^(x - most), lane by lane; and the exponentials, unless `to` is NULL. */
CK_INLINE float ck_sum_exponentials(int64_t cols, const float *x, float most, float *to)
{
    ck_vf sum = ck_set(0.0f);
    int64_t col = 0;
    CK_UNROLL_SOME
    for (; col + CK_LANES <= cols; col += CK_LANES) {
        const ck_vf v = ck_exp_nonpositive(ck_load(x + col) - most);
        sum = sum + v;
        if (to) {
            ck_store(to + col, v);
        }
    }
    if (col < cols) {
        const int64_t left = cols - col;
        const ck_vf v = ck_exp_nonpositive(ck_load_n(x + col, left) - most);
        sum = sum + ck_select(ck_lane() < (int32_t)left, v, ck_set(0.0f));
        if (to) {
            ck_store_n(to + col, v, left);
        }
    }
    return ck_sum(sum);
}

/* The state of a row whose target counts; and its exponentials, unless `to`, which may be `x`, is NULL. */
CK_INLINE void ck_weigh_row(int64_t cols, const float *x, int32_t target, float *state, float *to)
{
    const float most = ck_row_max(cols, x), wanted = x[target];
    double sum = 0.0;
    for (int64_t col = 0; col < cols; col += CK_PIECE) {
        const int64_t count = cols - col < CK_PIECE ? cols - col : CK_PIECE;
        sum += (double)ck_sum_exponentials(count, x + col, most, to ? to + col : NULL);
    }
    state[0] = most;
    state[1] = (float)sum;
    state[2] = (float)((double)most + log(sum) - (double)wanted);
}

/* The state of a row without a target. */
CK_INLINE void ck_skip_row(float *state)
{
    state[0] = state[2] = 0.0f;
    state[1] = 1.0f;
}

void ck_crossEntropyRows_fwd_f32(int part, int parts, int64_t rows, int64_t cols, int64_t logitsRow,
                                 const float *restrict logits, const int32_t *restrict targets, float *restrict states)
{
    int64_t row, end;
    ck_share(rows, part, parts, &row, &end);
    for (; row < end; row++) {
        float *state = states + row * CK_STATES;
        if (targets[row] < 0) {
            ck_skip_row(state);
        } else {
            ck_weigh_row(cols, logits + row * logitsRow, targets[row], state, NULL);
        }
    }
}

/* The rows that count. */
static double ck_count_targets(int64_t rows, const int32_t *targets, const float *total)
{
    if (total) {
        return (double)*total;
    }
    int64_t count = 0;
    for (int64_t row = 0; row < rows; row++) {
        count += targets[row] >= 0;
    }
    return (double)count;
}

void ck_crossEntropyMean_fwd_f32(int part, int parts, int64_t rows, const float *restrict states,
                                 const int32_t *restrict targets, const float *restrict total, float *restrict loss)
{
    int64_t begin, end;
    ck_share(1, part, parts, &begin, &end);
    if (begin == end) {
        return;
    }
    const double count = ck_count_targets(rows, targets, total);
    double sum = 0.0;
    for (int64_t row = 0; row < rows; row++) {
        sum += (double)states[row * CK_STATES + 2];
    }
    *loss = count > 0.0 ? (float)(sum / count) : 0.0f;
}

void ck_crossEntropy_bwd_f32(int part, int parts, int64_t rows, int64_t cols, int64_t logitsRow, int64_t dlogitsRow,
                             const float *logits, const float *restrict states, const int32_t *restrict targets,
                             const float *restrict total, const float *restrict dloss, float *dlogits)
{
    const float share = (float)((double)*dloss / ck_count_targets(rows, targets, total));
    int64_t row, end;
    ck_share(rows, part, parts, &row, &end);
    for (; row < end; row++) {
        const float *from = logits + row * logitsRow, *state = states + row * CK_STATES;
        float *to = dlogits + row * dlogitsRow;
        if (targets[row] < 0) {
            memset(to, 0, (size_t)cols * sizeof *to);
            continue;
        }
        const ck_vf most = ck_set(state[0]), factor = ck_set(share / state[1]);
        int64_t col = 0;
        CK_UNROLL_SOME
        for (; col + CK_LANES <= cols; col += CK_LANES) {
            ck_store(to + col, ck_exp_nonpositive(ck_load(from + col) - most) * factor);
        }
        if (col < cols) {
            const int64_t left = cols - col;
            ck_store_n(to + col, ck_exp_nonpositive(ck_load_n(from + col, left) - most) * factor, left);
        }
        to[targets[row]] -= share;
    }
}

void ck_crossEntropyFused_bwd_f32(int part, int parts, int64_t rows, int64_t cols, int64_t logitsRow,
                                  int64_t dlogitsRow, const float *logits, const int32_t *restrict targets,
                                  const float *restrict total, const float *restrict dloss, float *restrict states,
                                  float *dlogits)
{
    const float share = (float)((double)*dloss / ck_count_targets(rows, targets, total));
    int64_t row, end;
    ck_share(rows, part, parts, &row, &end);
    for (; row < end; row++) {
        float *state = states + row * CK_STATES, *to = dlogits + row * dlogitsRow;
        if (targets[row] < 0) {
            ck_skip_row(state);
            memset(to, 0, (size_t)cols * sizeof *to);
            continue;
        }
        ck_weigh_row(cols, logits + row * logitsRow, targets[row], state, to);
        const ck_vf factor = ck_set(share / state[1]);
        int64_t col = 0;
        CK_UNROLL_SOME
        for (; col + CK_LANES <= cols; col += CK_LANES) {
            ck_store(to + col, ck_load(to + col) * factor);
        }
        if (col < cols) {
            ck_store_n(to + col, ck_load_n(to + col, cols - col) * factor, cols - col);
        }
        to[targets[row]] -= share;
    }
}
