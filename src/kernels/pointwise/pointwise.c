/* pointwise.c: kernels in which an output element depends on the elements at its own place only. */
#include "pointwise.h"

#include "activate.h"
#include "exp.h"
#include "softplus.h"
#include "split.h"

enum { CK_GROUP = 16 }; /* columns per item where rows of any width are divided */

/* Columns [begin, end) of a row. */
typedef struct {
    int64_t row, begin, end;
} ck_columns;

/* What items [item, end) of `wide` columns have of the first one's row; `item` becomes the first of the next row. */
CK_INLINE ck_columns ck_take_columns(int64_t *item, int64_t end, int64_t cols, int64_t wide)
{
    const int64_t across = (cols + wide - 1) / wide;
    const int64_t row = *item / across, first = *item % across;
    const int64_t taken = ck_least(end - *item, across - first);
    *item += taken;
    return (ck_columns){row, first * wide, ck_least((first + taken) * wide, cols)};
}

/* y[col] = of(a, b), a and b being the vectors of x and z there, for col in [col, end). */
#define CK_MAP(of, x, z, y, col, end)                                                                                  \
    for (; col + CK_LANES <= end; col += CK_LANES) {                                                                   \
        const ck_vf a = ck_load(x + col), b = ck_load(z + col);                                                        \
        ck_store(y + col, of);                                                                                         \
    }                                                                                                                  \
    if (col < end) {                                                                                                   \
        const int64_t left = end - col;                                                                                \
        const ck_vf a = ck_load_n(x + col, left), b = ck_load_n(z + col, left);                                        \
        ck_store_n(y + col, of, left);                                                                                 \
    }

void ck_glu_fwd_f32(int part, int parts, int64_t rows, int64_t cols, int64_t pieces, int64_t gateRow, int64_t upRow,
                    int64_t yRow, int64_t activation, const float *gate, const float *up, float *y)
{
    int64_t item, end;
    ck_share(rows * pieces, part, parts, &item, &end);
    while (item < end) {
        const ck_columns of = ck_take_columns(&item, end, cols, cols / pieces);
        const float *x = gate + of.row * gateRow, *z = up + of.row * upRow;
        float *to = y + of.row * yRow;
        int64_t col = of.begin;
        CK_MAP(ck_activate(activation, a) * b, x, z, to, col, of.end)
    }
}

#define CK_DEFINE_BINARY(name, f)                                                                                      \
    void ck_##name(int part, int parts, int64_t rows, int64_t cols, int64_t xRow, int64_t zRow, int64_t yRow,          \
                   const float *x, const float *z, float *y)                                                           \
    {                                                                                                                  \
        int64_t row, end;                                                                                              \
        ck_share(rows, part, parts, &row, &end);                                                                       \
        for (; row < end; row++) {                                                                                     \
            const float *from = x + row * xRow, *with = z + row * zRow;                                                \
            float *to = y + row * yRow;                                                                                \
            int64_t col = 0;                                                                                           \
            CK_MAP(f, from, with, to, col, cols)                                                                       \
        }                                                                                                              \
    }

CK_DEFINE_BINARY(add_fwd_f32, a + b)
CK_DEFINE_BINARY(multiply_fwd_f32, a *b)

/* y[row, col] = f for each vector v of x. */
#define CK_MAP_ROWS(f)                                                                                                 \
    int64_t row, end;                                                                                                  \
    ck_share(rows, part, parts, &row, &end);                                                                           \
    for (; row < end; row++) {                                                                                         \
        const float *from = x + row * xRow;                                                                            \
        float *to = y + row * yRow;                                                                                    \
        int64_t col = 0;                                                                                               \
        for (; col + CK_LANES <= cols; col += CK_LANES) {                                                              \
            const ck_vf v = ck_load(from + col);                                                                       \
            ck_store(to + col, f);                                                                                     \
        }                                                                                                              \
        if (col < cols) {                                                                                              \
            const ck_vf v = ck_load_n(from + col, cols - col);                                                         \
            ck_store_n(to + col, f, cols - col);                                                                       \
        }                                                                                                              \
    }

void ck_activate_fwd_f32(int part, int parts, int64_t rows, int64_t cols, int64_t xRow, int64_t yRow,
                         int64_t activation, const float *x, float *y)
{
    CK_MAP_ROWS(ck_activate(activation, v))
}

void ck_scale_fwd_f32(int part, int parts, int64_t rows, int64_t cols, int64_t xRow, int64_t yRow, float factor,
                      const float *x, float *y)
{
    CK_MAP_ROWS(ck_set(factor) * v)
}

void ck_sigmoid_fwd_f32(int part, int parts, int64_t rows, int64_t cols, int64_t xRow, int64_t yRow, const float *x,
                        float *y)
{
    CK_MAP_ROWS(ck_times_sigmoid(ck_set(1.0f), v))
}

CK_INLINE ck_vf ck_decay_gate(ck_vf x, ck_vf rate, ck_vf bias)
{
    return ck_exp(rate * ck_softplus(x + bias));
}

void ck_decayGate_fwd_f32(int part, int parts, int64_t rows, int64_t cols, int64_t xRow, int64_t yRow, const float *x,
                          const float *restrict rate, const float *restrict bias, float *y)
{
    int64_t row, end;
    ck_share(rows, part, parts, &row, &end);
    for (; row < end; row++) {
        const float *from = x + row * xRow;
        float *to = y + row * yRow;
        int64_t col = 0;
        for (; col + CK_LANES <= cols; col += CK_LANES) {
            ck_store(to + col, ck_decay_gate(ck_load(from + col), ck_load(rate + col), ck_load(bias + col)));
        }
        if (col < cols) {
            const int64_t left = cols - col;
            const ck_vf gate =
                ck_decay_gate(ck_load_n(from + col, left), ck_load_n(rate + col, left), ck_load_n(bias + col, left));
            ck_store_n(to + col, gate, left);
        }
    }
}

void ck_softCap_fwd_f32(int part, int parts, int64_t rows, int64_t cols, int64_t xRow, int64_t yRow, float cap,
                        const float *x, float *y)
{
    int64_t item, end;
    ck_share(rows * ((cols + CK_GROUP - 1) / CK_GROUP), part, parts, &item, &end);
    while (item < end) {
        const ck_columns of = ck_take_columns(&item, end, cols, CK_GROUP);
        const float *from = x + of.row * xRow;
        float *to = y + of.row * yRow;
        for (int64_t col = of.begin; col < of.end; col += CK_LANES) {
            const int64_t left = of.end - col < CK_LANES ? of.end - col : CK_LANES;
            ck_store_n(to + col, ck_tanh(ck_load_n(from + col, left) / cap) * cap, left);
        }
    }
}
