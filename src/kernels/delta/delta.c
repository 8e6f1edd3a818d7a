/* delta.c: the gated delta rule. Columns of the state do not depend on each other, so a pass takes a few of them through
 * all tokens of a run: they stay in cache, and the state is read and written once however many tokens there are. */
#include "delta.h"

#include "deltaBack.h"
#include "reduce.h"
#include "runs.h"
#include "simd.h"
#include "split.h"

/* Vectors of columns per pass: their sums and deltas, three of each, are to stay in registers. */
#if defined CK_AVX512 || defined CK_NEON
#define CK_VECTORS 4
#else
#define CK_VECTORS 2
#endif

enum {
    CK_ITEM_COLS = 64, /* columns per item of the split */
    CK_PASS_COLS = CK_VECTORS * CK_LANES,
    CK_WIDEST_KEY = 256
};

/* Some columns of a state, or the copy of them on the stack: row i begins at at + i * row. */
typedef struct {
    float *at;
    int64_t row;
} ck_columns;

/* What a token brings: its key and query, and its columns of beta * (v - kᵀS'). */
typedef struct {
    const float *k, *q;
    float decay;
    ck_vf delta[CK_VECTORS];
} ck_token;

/* Columns of vector i of a pass over `cols`. */
CK_INLINE int64_t ck_width(int64_t cols, int i)
{
    const int64_t left = cols - i * CK_LANES;
    return left < 0 ? 0 : left < CK_LANES ? left : CK_LANES;
}

CK_INLINE ck_vf ck_read(const float *p, int whole, int64_t cols, int i)
{
    return whole ? ck_load(p + i * CK_LANES) : ck_load_n(p + i * CK_LANES, ck_width(cols, i));
}

CK_INLINE void ck_write(float *p, ck_vf v, int whole, int64_t cols, int i)
{
    if (whole) {
        ck_store(p + i * CK_LANES, v);
    } else {
        ck_store_n(p + i * CK_LANES, v, ck_width(cols, i));
    }
}

/*
 * One pass over the rows of S. `last`: to = decay * from + k deltaᵀ of that token. `next`: along = kᵀS and across = qᵀS of
 * that token, S being what `last` has left or else `from`, added row by row. NULL: without. `whole` says that cols is
 * CK_PASS_COLS; it and whether last and next are NULL are constants where this is called.
 */
CK_INLINE void ck_pass(int whole, int64_t rows, int64_t cols, ck_columns from, ck_columns to, const ck_token *last,
                       const ck_token *next, ck_vf *along, ck_vf *across)
{
    ck_vf kept[CK_VECTORS], key[CK_VECTORS], query[CK_VECTORS];
    CK_UNROLL
    for (int i = 0; i < CK_VECTORS; i++) {
        kept[i] = last ? last->delta[i] : ck_set(0.0f);
        key[i] = query[i] = ck_set(0.0f);
    }
    const ck_vf decay = ck_set(last ? last->decay : 1.0f);
    for (int64_t row = 0; row < rows; row++) {
        CK_UNROLL
        for (int i = 0; i < CK_VECTORS; i++) {
            ck_vf s = ck_read(from.at + row * from.row, whole, cols, i);
            if (last) {
                s = ck_fma(ck_set(last->k[row]), kept[i], decay * s);
                ck_write(to.at + row * to.row, s, whole, cols, i);
            }
            if (next) {
                key[i] = ck_fma(ck_set(next->k[row]), s, key[i]);
                query[i] = ck_fma(ck_set(next->q[row]), s, query[i]);
            }
        }
    }
    if (next) {
        CK_UNROLL
        for (int i = 0; i < CK_VECTORS; i++) {
            along[i] = key[i];
            across[i] = query[i];
        }
    }
}

CK_INLINE float ck_dot(const float *a, const float *b, int64_t cols)
{
    ck_vf sum = ck_set(0.0f);
    int64_t col = 0;
    for (; col + CK_LANES <= cols; col += CK_LANES) {
        sum = ck_fma(ck_load(a + col), ck_load(b + col), sum);
    }
    if (col < cols) {
        sum = ck_fma(ck_load_n(a + col, cols - col), ck_load_n(b + col, cols - col), sum);
    }
    return ck_sum(sum);
}

/* What the passes over a block of columns of a head read and write for the first token; the others follow by strides. */
typedef struct {
    const float *q, *k, *v, *decay, *beta;
    float *y;
    int64_t q_row, k_row, v_row, gate_row, y_row;
    float scale;
} ck_run;

CK_INLINE ck_token ck_token_of(ck_run run, int64_t t)
{
    return (ck_token){.k = run.k + t * run.k_row, .q = run.q + t * run.q_row, .decay = run.decay[t * run.gate_row]};
}

/*
 * The token's delta and result from along = kᵀS and across = qᵀS of the old state S: with S' = decay * S, kᵀS' is
 * decay * kᵀS, and qᵀ(S' + k deltaᵀ) is decay * qᵀS + (qᵀk) deltaᵀ. So one pass over S gives the result of a token, and
 * it is the pass that brings the token before into S.
 */
CK_INLINE void ck_answer(int whole, ck_run run, int64_t t, int64_t rows, int64_t cols, const ck_vf *along,
                         const ck_vf *across, ck_token *token)
{
    const ck_vf decay = ck_set(token->decay), beta = ck_set(run.beta[t * run.gate_row]);
    const ck_vf met = ck_set(ck_dot(token->q, token->k, rows));
    CK_UNROLL
    for (int i = 0; i < CK_VECTORS; i++) {
        const ck_vf v = ck_read(run.v + t * run.v_row, whole, cols, i);
        token->delta[i] = beta * (v - decay * along[i]);
        const ck_vf result = ck_fma(met, token->delta[i], decay * across[i]);
        ck_write(run.y + t * run.y_row, ck_set(run.scale) * result, whole, cols, i);
    }
}

/* All tokens of a run from S in `held` on; afterwards it lies there, or behind more than one token in `local`, but for what
 * the last token brings, which is returned. */
CK_INLINE ck_token ck_columns_of_run(int whole, ck_run run, int64_t tokens, int64_t rows, int64_t cols, ck_columns held,
                                     ck_columns local)
{
    ck_vf along[CK_VECTORS], across[CK_VECTORS];
    ck_token last = ck_token_of(run, 0);
    ck_pass(whole, rows, cols, held, held, NULL, &last, along, across);
    ck_answer(whole, run, 0, rows, cols, along, across, &last);
    for (int64_t t = 1; t < tokens; t++) {
        ck_token next = ck_token_of(run, t);
        ck_pass(whole, rows, cols, held, local, &last, &next, along, across);
        ck_answer(whole, run, t, rows, cols, along, across, &next);
        held = local;
        last = next;
    }
    return last;
}

/* The same, and leaves S where it was. */
CK_INLINE void ck_advance_columns(int whole, ck_run run, int64_t tokens, int64_t rows, int64_t cols, ck_columns state,
                                  ck_columns local)
{
    const ck_token last = ck_columns_of_run(whole, run, tokens, rows, cols, state, local);
    ck_pass(whole, rows, cols, tokens > 1 ? local : state, state, &last, NULL, NULL, NULL);
}

/* The key head that a value head reads. */
CK_INLINE int64_t ck_key_head(int64_t head, int64_t key_heads, int64_t value_heads, int64_t tiled)
{
    return tiled ? head % key_heads : head / (value_heads / key_heads);
}

void ck_deltaRule_fwd_f32(int part, int parts, int64_t tokens, int64_t keyHeads, int64_t valueHeads, int64_t keyWidth,
                          int64_t valueWidth, int64_t sequenceCount, int64_t qRow, int64_t kRow, int64_t vRow,
                          int64_t yRow, int64_t tiled, float scale, const float *restrict q, const float *restrict k,
                          const float *restrict v, const float *restrict decay, const float *restrict beta,
                          const int32_t *restrict positions, const int32_t *restrict sequences, float *restrict state,
                          float *restrict y)
{
    (void)sequenceCount;
    /* A vector across two cache lines costs twice. */
    _Alignas(64) float copy[CK_WIDEST_KEY * CK_PASS_COLS];
    const ck_columns local = {copy, CK_PASS_COLS};
    const int64_t blocks = (valueWidth + CK_ITEM_COLS - 1) / CK_ITEM_COLS;
    int64_t item, end;
    ck_share(valueHeads * blocks, part, parts, &item, &end);
    for (; item < end; item++) {
        const int64_t head = item / blocks, first = item % blocks * CK_ITEM_COLS;
        const int64_t key_head = ck_key_head(head, keyHeads, valueHeads, tiled);
        const int64_t stop = first + CK_ITEM_COLS < valueWidth ? first + CK_ITEM_COLS : valueWidth;
        for (int64_t t = 0, run_end; t < tokens; t = run_end) {
            run_end = ck_run_end(t, tokens, positions, sequences);
            float *of_head = state + (sequences[t] * valueHeads + head) * keyWidth * valueWidth;
            for (int64_t col = first; col < stop; col += CK_PASS_COLS) {
                const int64_t cols = stop - col < CK_PASS_COLS ? stop - col : CK_PASS_COLS;
                const ck_columns columns = {of_head + col, valueWidth};
                for (int64_t row = 0; positions[t] == 0 && row < keyWidth; row++) {
                    memset(columns.at + row * valueWidth, 0, (size_t)cols * sizeof *state);
                }
                const int64_t key = key_head * keyWidth, value = head * valueWidth + col, gate = t * valueHeads + head;
                const ck_run run = {
                    .q = q + t * qRow + key, .q_row = qRow,
                    .k = k + t * kRow + key, .k_row = kRow,
                    .v = v + t * vRow + value, .v_row = vRow,
                    .decay = decay + gate, .beta = beta + gate, .gate_row = valueHeads,
                    .y = y + t * yRow + value, .y_row = yRow,
                    .scale = scale,
                };
                if (cols == CK_PASS_COLS) {
                    ck_advance_columns(1, run, run_end - t, keyWidth, CK_PASS_COLS, columns, local);
                } else {
                    ck_advance_columns(0, run, run_end - t, keyWidth, cols, columns, local);
                }
            }
        }
    }
}

void ck_deltaRuleRows_fwd_f32(int part, int parts, int64_t tokens, int64_t batch, int64_t keyHeads, int64_t valueHeads,
                              int64_t keyWidth, int64_t valueWidth, int64_t qRow, int64_t kRow, int64_t vRow,
                              int64_t yRow, int64_t tiled, float scale, const float *restrict q,
                              const float *restrict k, const float *restrict v, const float *restrict decay,
                              const float *restrict beta, const int32_t *restrict starts, float *restrict y)
{
    _Alignas(64) float copy[CK_WIDEST_KEY * CK_PASS_COLS];
    const ck_columns local = {copy, CK_PASS_COLS};
    const int64_t blocks = (valueWidth + CK_ITEM_COLS - 1) / CK_ITEM_COLS, length = tokens / batch;
    int64_t item, end;
    ck_share(batch * valueHeads * blocks, part, parts, &item, &end);
    for (; item < end; item++) {
        const int64_t head = item / blocks % valueHeads, first = item % blocks * CK_ITEM_COLS;
        const int64_t key = ck_key_head(head, keyHeads, valueHeads, tiled) * keyWidth;
        const int64_t stop = first + CK_ITEM_COLS < valueWidth ? first + CK_ITEM_COLS : valueWidth;
        const int64_t row = item / blocks / valueHeads * length, row_end = row + length;
        for (int64_t t = row, sequence_end; t < row_end; t = sequence_end) {
            sequence_end = ck_sequence_end(t, row_end, starts);
            for (int64_t col = first; col < stop; col += CK_PASS_COLS) {
                const int64_t cols = stop - col < CK_PASS_COLS ? stop - col : CK_PASS_COLS;
                const int64_t value = head * valueWidth + col, gate = t * valueHeads + head;
                const ck_run run = {
                    .q = q + t * qRow + key, .q_row = qRow,
                    .k = k + t * kRow + key, .k_row = kRow,
                    .v = v + t * vRow + value, .v_row = vRow,
                    .decay = decay + gate, .beta = beta + gate, .gate_row = valueHeads,
                    .y = y + t * yRow + value, .y_row = yRow,
                    .scale = scale,
                };
                memset(copy, 0, (size_t)(keyWidth * CK_PASS_COLS) * sizeof *copy);
                if (cols == CK_PASS_COLS) {
                    ck_columns_of_run(1, run, sequence_end - t, keyWidth, CK_PASS_COLS, local, local);
                } else {
                    ck_columns_of_run(0, run, sequence_end - t, keyWidth, cols, local, local);
                }
            }
        }
    }
}

void ck_deltaRule_bwd_f32(int part, int parts, int64_t tokens, int64_t batch, int64_t keyHeads, int64_t valueHeads,
                          int64_t keyWidth, int64_t valueWidth, int64_t room, int64_t qRow, int64_t kRow, int64_t vRow,
                          int64_t tiled, float scale, const float *restrict q, const float *restrict k,
                          const float *restrict v, const float *restrict decay, const float *restrict beta,
                          const int32_t *restrict starts, const float *restrict dy, float *restrict dq,
                          float *restrict dk, float *restrict dv, float *restrict ddecay, float *restrict dbeta,
                          float *restrict scratch)
{
    const int64_t length = tokens / batch, chunk = ck_chunk(length), heads = valueHeads / keyHeads;
    const int64_t each = ck_back_elements(chunk, keyWidth, valueWidth);
    const int64_t workers = room / each < parts ? room / each : parts;
    if (part >= workers) {
        return;
    }
    int64_t item, end;
    ck_share(batch * keyHeads, part, (int)workers, &item, &end);
    for (; item < end; item++) {
        const int64_t key_head = item % keyHeads, row = item / keyHeads * length, row_end = row + length;
        for (int64_t t = row, sequence_end; t < row_end; t = sequence_end) {
            sequence_end = ck_sequence_end(t, row_end, starts);
            for (int64_t i = 0; i < heads; i++) {
                const int64_t head = tiled ? key_head + i * keyHeads : key_head * heads + i;
                for (int64_t col = 0; col < valueWidth; col += CK_BACK_COLS) {
                    const int64_t key = (t * keyHeads + key_head) * keyWidth, gate = t * valueHeads + head;
                    const int64_t value = head * valueWidth + col, dense = t * valueHeads * valueWidth + value;
                    const ck_back of = {
                        .q = q + t * qRow + key_head * keyWidth, .q_row = qRow,
                        .k = k + t * kRow + key_head * keyWidth, .k_row = kRow,
                        .v = v + t * vRow + value, .v_row = vRow,
                        .decay = decay + gate, .beta = beta + gate, .gate_row = valueHeads,
                        .dy = dy + dense, .dv = dv + dense, .dy_row = valueHeads * valueWidth,
                        .dq = dq + key, .dk = dk + key, .key_row = keyHeads * keyWidth,
                        .ddecay = ddecay + gate, .dbeta = dbeta + gate,
                        .rows = keyWidth, .chunk = chunk, .scale = scale,
                        .cols = valueWidth - col < CK_BACK_COLS ? valueWidth - col : CK_BACK_COLS,
                        .adds_keys = i > 0 || col > 0, .adds_gates = col > 0,
                    };
                    ck_back_columns(&of, sequence_end - t, scratch + part * each);
                }
            }
        }
    }
}
