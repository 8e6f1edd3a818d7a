/*
 * deltaBack.h: the gradients of the gated delta rule for some columns of the state of one sequence and value head.
 *
 * They need the state S before every token, from the last token to the first. Kept are only the states before every
 * `chunk`-th token, and those within one chunk, which are computed again from there.
 */
#ifndef CK_DELTA_BACK_H
#define CK_DELTA_BACK_H

#include "reduce.h"
#include "turn.h"

/* Vectors of columns at most: 32 columns, so that two states of 128 rows are in the first cache, or what registers hold. */
#if defined CK_AVX512
#define CK_BACK_VECTORS 2
#else
#define CK_BACK_VECTORS 4
#endif

enum { CK_BACK_COLS = CK_BACK_VECTORS * CK_LANES };

/* What is read and written of the first token; the others follow by strides. Rows of gates are those of both decay and beta. */
typedef struct {
    const float *q, *k, *v, *decay, *beta, *dy;
    float *dq, *dk, *dv, *ddecay, *dbeta;
    int64_t q_row, k_row, v_row, gate_row, dy_row, key_row; /* key_row: of dq and dk */
    int64_t rows, cols, chunk;
    float scale;
    int adds_keys, adds_gates; /* whether dq and dk, and ddecay and dbeta hold sums already */
} ck_back;

/* States of `rows` rows of `stride` floats each; lanes behind the last column are 0. */
typedef struct {
    int64_t stride, size;
    float *kept;   /* before the first token of each chunk */
    float *states; /* before the other tokens of one chunk */
    float *flow;   /* the gradient D of the state behind a token */
    float *errors; /* e of the tokens of one chunk, a row of `stride` each */
} ck_back_room;

/* ceil(sqrt(tokens)): then there are no more chunks than tokens in one. */
CK_INLINE int64_t ck_chunk(int64_t tokens)
{
    int64_t chunk = 0;
    while (chunk * chunk < tokens) {
        chunk++;
    }
    return chunk;
}

CK_INLINE int64_t ck_back_stride(int64_t cols)
{
    return cols < CK_BACK_COLS ? (cols + CK_LANES - 1) / CK_LANES * CK_LANES : CK_BACK_COLS;
}

/* Floats that the gradients of sequences of up to chunk * chunk tokens need; whole lines of 64 bytes. */
CK_INLINE int64_t ck_back_elements(int64_t chunk, int64_t rows, int64_t cols)
{
    const int64_t stride = ck_back_stride(cols);
    return ((2 * chunk + 1) * rows * stride + chunk * stride + 15) / 16 * 16;
}

CK_INLINE ck_back_room ck_back_room_in(float *scratch, const ck_back *c)
{
    const int64_t stride = ck_back_stride(c->cols), size = c->rows * stride;
    float *states = scratch + c->chunk * size, *flow = states + c->chunk * size;
    return (ck_back_room){stride, size, scratch, states, flow, flow + size};
}

/* Columns of vector i. */
CK_INLINE int64_t ck_back_width(int64_t cols, int i)
{
    const int64_t left = cols - i * CK_LANES;
    return left < CK_LANES ? left : CK_LANES;
}

CK_INLINE ck_vf ck_back_read(const float *row, int64_t cols, int i)
{
    return ck_load_n(row + i * CK_LANES, ck_back_width(cols, i));
}

enum { CK_UPDATE = 1, CK_MEET = 2 };

/*
 * One pass over the rows of a state. CK_UPDATE: to = decay * from + key deltaᵀ. CK_MEET: along = nextᵀS, S being what that has
 * left or else `from`. `vectors` and `what` are constants where this is called.
 */
CK_INLINE void ck_back_pass(int vectors, int what, int64_t rows, const float *from, float *to, const float *key,
                            float decay, const ck_vf *delta, const float *next, ck_vf *along)
{
    ck_vf sum[CK_BACK_VECTORS], change[CK_BACK_VECTORS];
    CK_UNROLL
    for (int i = 0; i < vectors; i++) {
        sum[i] = ck_set(0.0f);
        change[i] = what & CK_UPDATE ? delta[i] : sum[i];
    }
    const int64_t stride = vectors * CK_LANES;
    for (int64_t row = 0; row < rows; row++) {
        CK_UNROLL
        for (int i = 0; i < vectors; i++) {
            ck_vf s = ck_load(from + row * stride + i * CK_LANES);
            if (what & CK_UPDATE) {
                s = ck_fma(ck_set(key[row]), change[i], ck_set(decay) * s);
                ck_store(to + row * stride + i * CK_LANES, s);
            }
            if (what & CK_MEET) {
                sum[i] = ck_fma(ck_set(next[row]), s, sum[i]);
            }
        }
    }
    if (what & CK_MEET) {
        CK_UNROLL
        for (int i = 0; i < vectors; i++) {
            along[i] = sum[i];
        }
    }
}

/*
 * Takes the state `from` through tokens [first, end): e = v - decay * kᵀS, S = decay * S + k (beta * e)ᵀ. The state behind the
 * first of them goes to `to`, each further one `step` floats on; that behind the last one only where `is_whole`. errors: for
 * the e of each, or NULL.
 */
CK_INLINE void ck_back_states(int vectors, const ck_back *c, int64_t first, int64_t end, const float *from, float *to,
                              int64_t step, int is_whole, float *errors)
{
    ck_vf along[CK_BACK_VECTORS], delta[CK_BACK_VECTORS];
    ck_back_pass(vectors, CK_MEET, c->rows, from, NULL, NULL, 0.0f, NULL, c->k + first * c->k_row, along);
    for (int64_t t = first; t < end; t++) {
        const float *k = c->k + t * c->k_row;
        const float decay = c->decay[t * c->gate_row], beta = c->beta[t * c->gate_row];
        CK_UNROLL
        for (int i = 0; i < vectors; i++) {
            const ck_vf error = ck_back_read(c->v + t * c->v_row, c->cols, i) - ck_set(decay) * along[i];
            delta[i] = ck_set(beta) * error;
            if (errors) {
                ck_store(errors + ((t - first) * vectors + i) * CK_LANES, error);
            }
        }
        if (t + 1 < end) {
            ck_back_pass(vectors, CK_UPDATE | CK_MEET, c->rows, from, to, k, decay, delta, k + c->k_row, along);
        } else if (is_whole) {
            ck_back_pass(vectors, CK_UPDATE, c->rows, from, to, k, decay, delta, NULL, NULL);
        }
        from = to;
        to += step;
    }
}

/* The sums of CK_LANES vectors, that of vector i in lane i. */
CK_INLINE ck_vf ck_sums(ck_vf *vectors)
{
    CK_UNROLL
    for (int half = CK_LANES / 2; half > 0; half /= 2) {
        CK_UNROLL
        for (int i = 0; i < half; i++) {
            vectors[i] = ck_zip_low(vectors[i], vectors[i + half]) + ck_zip_high(vectors[i], vectors[i + half]);
        }
    }
    return vectors[0];
}

/* sums = the part, or what they were and that; `left` of them. */
CK_INLINE void ck_back_give(float *sums, int adds, int64_t left, ck_vf part)
{
    ck_store_n(sums, adds ? ck_load_n(sums, left) + part : part, left);
}

/*
 * The gradients of token t, before which the state is S. With g = scale * dy, d = beta * e: D += q gᵀ, dd = Dᵀk, dbeta = dd e,
 * dv = beta * dd, dq = decay * S g + (d g) k, dk = D d - decay * S dv, D -= k dvᵀ, ddecay = the sum of D * S, D *= decay.
 */
CK_INLINE void ck_back_token(int vectors, const ck_back *c, int64_t t, const float *state, const float *errors,
                             float *flow)
{
    const float *q = c->q + t * c->q_row, *k = c->k + t * c->k_row;
    const float decay = c->decay[t * c->gate_row], beta = c->beta[t * c->gate_row];
    const int64_t stride = vectors * CK_LANES;
    ck_vf given[CK_BACK_VECTORS], dchange[CK_BACK_VECTORS];
    CK_UNROLL
    for (int i = 0; i < vectors; i++) {
        given[i] = ck_set(c->scale) * ck_back_read(c->dy + t * c->dy_row, c->cols, i);
        dchange[i] = ck_set(0.0f);
    }
    for (int64_t row = 0; row < c->rows; row++) {
        CK_UNROLL
        for (int i = 0; i < vectors; i++) {
            float *at = flow + row * stride + i * CK_LANES;
            const ck_vf whole = ck_fma(ck_set(q[row]), given[i], ck_load(at));
            ck_store(at, whole);
            dchange[i] = ck_fma(ck_set(k[row]), whole, dchange[i]);
        }
    }
    ck_vf change[CK_BACK_VECTORS], dvalue[CK_BACK_VECTORS], less[CK_BACK_VECTORS];
    ck_vf ddecay[CK_BACK_VECTORS], dbeta = ck_set(0.0f), met = ck_set(0.0f);
    CK_UNROLL
    for (int i = 0; i < vectors; i++) {
        const ck_vf error = ck_load(errors + i * CK_LANES);
        change[i] = ck_set(beta) * error;
        dvalue[i] = ck_set(beta) * dchange[i];
        less[i] = ck_set(-decay) * dvalue[i];
        ddecay[i] = ck_set(0.0f);
        dbeta = ck_fma(dchange[i], error, dbeta);
        met = ck_fma(change[i], given[i], met);
        ck_store_n(c->dv + t * c->dy_row + i * CK_LANES, dvalue[i], ck_back_width(c->cols, i));
    }
    const ck_vf shared = ck_set(ck_sum(met));
    for (int64_t row = 0; row < c->rows; row += CK_LANES) {
        const int64_t left = c->rows - row < CK_LANES ? c->rows - row : CK_LANES;
        ck_vf to_keys[CK_LANES], to_queries[CK_LANES];
        for (int64_t r = 0; r < left; r++) {
            const ck_vf key = ck_set(-k[row + r]);
            ck_vf to_key = ck_set(0.0f), to_query = ck_set(0.0f);
            CK_UNROLL
            for (int i = 0; i < vectors; i++) {
                const int64_t place = (row + r) * stride + i * CK_LANES;
                const ck_vf whole = ck_load(flow + place), s = ck_load(state + place);
                to_key = ck_fma(s, less[i], ck_fma(whole, change[i], to_key));
                to_query = ck_fma(s, given[i], to_query);
                const ck_vf rest = ck_fma(key, dvalue[i], whole);
                ddecay[i] = ck_fma(rest, s, ddecay[i]);
                ck_store(flow + place, ck_set(decay) * rest);
            }
            to_keys[r] = to_key;
            to_queries[r] = to_query;
        }
        for (int64_t r = left; r < CK_LANES; r++) {
            to_keys[r] = to_queries[r] = ck_set(0.0f);
        }
        const ck_vf across = ck_set(decay) * ck_sums(to_queries);
        const ck_vf dq = ck_fma(shared, ck_load_n(k + row, left), across);
        ck_back_give(c->dq + t * c->key_row + row, c->adds_keys, left, dq);
        ck_back_give(c->dk + t * c->key_row + row, c->adds_keys, left, ck_sums(to_keys));
    }
    float *gates[] = {c->ddecay + t * c->gate_row, c->dbeta + t * c->gate_row};
    for (int i = 1; i < vectors; i++) {
        ddecay[0] = ddecay[0] + ddecay[i];
    }
    const float parts[] = {ck_sum(ddecay[0]), ck_sum(dbeta)};
    for (int i = 0; i < 2; i++) {
        *gates[i] = c->adds_gates ? *gates[i] + parts[i] : parts[i];
    }
}

/* A sequence of `tokens`, at most chunk * chunk. */
CK_INLINE void ck_back_sequence(int vectors, const ck_back *c, int64_t tokens, float *scratch)
{
    const ck_back_room room = ck_back_room_in(scratch, c);
    const int64_t last = (tokens - 1) / c->chunk;
    memset(room.kept, 0, (size_t)room.size * sizeof *room.kept);
    for (int64_t chunk = 0; chunk < last; chunk++) {
        float *from = room.kept + chunk * room.size;
        ck_back_states(vectors, c, chunk * c->chunk, (chunk + 1) * c->chunk, from, from + room.size, 0, 1, NULL);
    }
    memset(room.flow, 0, (size_t)room.size * sizeof *room.flow);
    for (int64_t chunk = last; chunk >= 0; chunk--) {
        const int64_t first = chunk * c->chunk, end = chunk < last ? first + c->chunk : tokens;
        const float *kept = room.kept + chunk * room.size;
        ck_back_states(vectors, c, first, end, kept, room.states, room.size, 0, room.errors);
        for (int64_t t = end - 1; t >= first; t--) {
            const float *state = t == first ? kept : room.states + (t - first - 1) * room.size;
            ck_back_token(vectors, c, t, state, room.errors + (t - first) * room.stride, room.flow);
        }
    }
}

/* The same for as many vectors as the columns are. */
static void ck_back_columns(const ck_back *c, int64_t tokens, float *scratch)
{
    switch (ck_back_stride(c->cols) / CK_LANES) {
    case 1:
        ck_back_sequence(1, c, tokens, scratch);
        break;
#if CK_BACK_VECTORS > 2
    case 2:
        ck_back_sequence(2, c, tokens, scratch);
        break;
    case 3:
        ck_back_sequence(3, c, tokens, scratch);
        break;
#endif
    default:
        ck_back_sequence(CK_BACK_VECTORS, c, tokens, scratch);
    }
}

#endif
