/* slopes.c: gradients of what works element by element, and of the softmax of a row. */
#include "slopes.h"

#include "columns.h"
#include "reduce.h"
#include "slope.h"
#include "softplus.h"

/* dx = `of` for each vector a of `value` and b of dy. */
#define CK_MAP_ROWS(of)                                                                                                \
    int64_t row, end;                                                                                                  \
    ck_share(rows, part, parts, &row, &end);                                                                           \
    for (; row < end; row++) {                                                                                         \
        const float *from = value + row * valueRow, *given = dy + row * dyRow;                                         \
        float *to = dx + row * dxRow;                                                                                  \
        int64_t col = 0;                                                                                               \
        for (; col + CK_LANES <= cols; col += CK_LANES) {                                                              \
            const ck_vf a = ck_load(from + col), b = ck_load(given + col);                                             \
            ck_store(to + col, of);                                                                                    \
        }                                                                                                              \
        if (col < cols) {                                                                                              \
            const int64_t left = cols - col;                                                                           \
            const ck_vf a = ck_load_n(from + col, left), b = ck_load_n(given + col, left);                             \
            ck_store_n(to + col, of, left);                                                                            \
        }                                                                                                              \
    }

#define CK_ACTIVATE(name)                                                                                              \
    static void ck_##name##_rows(int part, int parts, int64_t rows, int64_t cols, int64_t valueRow, int64_t dyRow,     \
                                 int64_t dxRow, const float *value, const float *dy, float *dx)                        \
    {                                                                                                                  \
        CK_MAP_ROWS(b *ck_##name##_curve(a).slope)                                                                     \
    }

CK_ACTIVATE(silu)
CK_ACTIVATE(gelu_tanh)
CK_ACTIVATE(gelu_erf)
CK_ACTIVATE(relu)

void ck_activate_bwd_f32(int part, int parts, int64_t rows, int64_t cols, int64_t valueRow, int64_t dyRow,
                         int64_t dxRow, int64_t activation, const float *value, const float *dy, float *dx)
{
    switch (activation) {
    case CK_GELU_TANH:
        ck_gelu_tanh_rows(part, parts, rows, cols, valueRow, dyRow, dxRow, value, dy, dx);
        break;
    case CK_GELU_ERF:
        ck_gelu_erf_rows(part, parts, rows, cols, valueRow, dyRow, dxRow, value, dy, dx);
        break;
    case CK_RELU:
        ck_relu_rows(part, parts, rows, cols, valueRow, dyRow, dxRow, value, dy, dx);
        break;
    default:
        ck_silu_rows(part, parts, rows, cols, valueRow, dyRow, dxRow, value, dy, dx);
        break;
    }
}

/* Some of a row of a gated product. All is read of a place before anything is written there. */
#define CK_GLU(name)                                                                                                   \
    static void ck_##name##_glu(int64_t cols, const float *gate, const float *up, const float *dy, float *dgate,       \
                                float *dup)                                                                            \
    {                                                                                                                  \
        for (int64_t col = 0; col < cols; col += CK_LANES) {                                                           \
            const int64_t left = cols - col;                                                                           \
            const ck_vf given = ck_load_some(dy + col, left), by = ck_load_some(up + col, left);                       \
            const ck_curve curve = ck_##name##_curve(ck_load_some(gate + col, left));                                  \
            ck_store_some(dgate + col, given * by * curve.slope, left);                                                \
            ck_store_some(dup + col, given * curve.value, left);                                                       \
        }                                                                                                              \
    }

CK_GLU(silu)
CK_GLU(gelu_tanh)
CK_GLU(gelu_erf)
CK_GLU(relu)

void ck_glu_bwd_f32(int part, int parts, int64_t rows, int64_t cols, int64_t gateRow, int64_t upRow, int64_t dyRow,
                    int64_t dgateRow, int64_t dupRow, int64_t activation, const float *gate, const float *up,
                    const float *dy, float *dgate, float *dup)
{
    int64_t row, end;
    ck_share(rows, part, parts, &row, &end);
    for (; row < end; row++) {
        const float *of = gate + row * gateRow, *by = up + row * upRow, *given = dy + row * dyRow;
        float *to_gate = dgate + row * dgateRow, *to_up = dup + row * dupRow;
        switch (activation) {
        case CK_GELU_TANH:
            ck_gelu_tanh_glu(cols, of, by, given, to_gate, to_up);
            break;
        case CK_GELU_ERF:
            ck_gelu_erf_glu(cols, of, by, given, to_gate, to_up);
            break;
        case CK_RELU:
            ck_relu_glu(cols, of, by, given, to_gate, to_up);
            break;
        default:
            ck_silu_glu(cols, of, by, given, to_gate, to_up);
            break;
        }
    }
}

void ck_sigmoid_bwd_f32(int part, int parts, int64_t rows, int64_t cols, int64_t valueRow, int64_t dyRow,
                        int64_t dxRow, const float *value, const float *dy, float *dx)
{
    CK_MAP_ROWS(b *a * (1.0f - a))
}

void ck_softCap_bwd_f32(int part, int parts, int64_t rows, int64_t cols, int64_t valueRow, int64_t dyRow,
                        int64_t dxRow, float cap, const float *value, const float *dy, float *dx)
{
    /* (1 - t) (1 + t) with t = y / cap: near the cap 1 - t^2 would cancel. */
    CK_MAP_ROWS(b * ((1.0f - a / cap) * (1.0f + a / cap)))
}

void ck_softmax_bwd_f32(int part, int parts, int64_t rows, int64_t cols, int64_t valueRow, int64_t dyRow,
                        int64_t dxRow, const float *value, const float *dy, float *dx)
{
    int64_t row, end;
    ck_share(rows, part, parts, &row, &end);
    for (; row < end; row++) {
        const float *from = value + row * valueRow, *given = dy + row * dyRow;
        float *to = dx + row * dxRow;
        ck_vf sum = ck_set(0.0f);
        int64_t col = 0;
        for (; col + CK_LANES <= cols; col += CK_LANES) {
            sum = ck_fma(ck_load(given + col), ck_load(from + col), sum);
        }
        if (col < cols) {
            sum = ck_fma(ck_load_n(given + col, cols - col), ck_load_n(from + col, cols - col), sum);
        }
        const ck_vf along = ck_set(ck_sum(sum));
        for (col = 0; col + CK_LANES <= cols; col += CK_LANES) {
            ck_store(to + col, ck_load(from + col) * (ck_load(given + col) - along));
        }
        if (col < cols) {
            const int64_t left = cols - col;
            ck_store_n(to + col, ck_load_n(from + col, left) * (ck_load_n(given + col, left) - along), left);
        }
    }
}

void ck_decayGate_bwd_f32(int part, int parts, int64_t rows, int64_t cols, int64_t xRow, int64_t dyRow, int64_t dxRow,
                          const float *x, const float *restrict rate, const float *restrict bias, const float *dy,
                          const float *rateSum, const float *biasSum, float *dx, float *drate, float *dbias)
{
    const ck_columns of = ck_share_columns(cols, part, parts);
    for (int64_t col = of.begin; col < of.end; col += CK_LANES) {
        const int64_t left = of.end - col;
        const ck_vf by = ck_load_some(rate + col, left), shift = ck_load_some(bias + col, left);
        ck_vf rates = rateSum ? ck_load_some(rateSum + col, left) : ck_set(0.0f);
        ck_vf biases = biasSum ? ck_load_some(biasSum + col, left) : ck_set(0.0f);
        for (int64_t row = 0; row < rows; row++) {
            const ck_vf v = ck_load_some(x + row * xRow + col, left) + shift;
            const ck_vf softplus = ck_softplus(v);
            const ck_vf flow = ck_load_some(dy + row * dyRow + col, left) * ck_exp(by * softplus);
            const ck_vf change = flow * by * ck_sigmoid(v).open;
            ck_store_some(dx + row * dxRow + col, change, left);
            rates = ck_fma(flow, softplus, rates);
            biases = biases + change;
        }
        ck_store_some(drate + col, rates, left);
        ck_store_some(dbias + col, biases, left);
    }
}
