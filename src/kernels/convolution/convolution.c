/* convolution.c: a short causal convolution of every channel with weights of its own. */
#include "convolution.h"

#include "activate.h"
#include "runs.h"
#include "slope.h"
#include "split.h"

enum {
    CK_ITEM_CHANNELS = 64, /* per item of the split: whole vectors on every target */
    CK_TILE = 512,         /* channels that are taken through all tokens, so that their weights stay in cache */
    CK_ROWS_TILE = 256,    /* and where their weights are packed first */
    CK_BACK_CHANNELS = 16, /* per item of the split of the gradients: a vector of the widest target */
    CK_BACK_TILE = 128,    /* channels that are taken through all tokens in the gradients */
    CK_PIECE = 64,         /* tokens that a vector of channels is taken through at a time there */
    CK_FEW_TAPS = 4,       /* that the gradients have in registers */
    CK_MOST_TAPS = 16
};

/* Floats of a panel of weights: whole lines of 64 bytes. */
CK_INLINE int64_t ck_panel(int64_t taps)
{
    return (taps * CK_LANES + 15) / 16 * 16;
}

/* Some channels of a run of tokens, from the first on. */
typedef struct {
    const float *x, *w;  /* w in panels */
    const float *before; /* [taps - 1, all channels]: what stood before the run; read where it is not the first */
    float *y;
    int64_t tokens, channels, x_row, y_row, before_row;
    int is_first, is_silu;
} ck_run;

/* Sums from the oldest input on. taps is a constant in most calls. */
CK_INLINE ck_vf ck_convolve(int64_t taps, const float *w, const float *const *rows, int64_t channel, int64_t left)
{
    ck_vf sum = ck_load(w) * (left < CK_LANES ? ck_load_n(rows[0] + channel, left) : ck_load(rows[0] + channel));
    for (int64_t j = 1; j < taps; j++) {
        const ck_vf x = left < CK_LANES ? ck_load_n(rows[j] + channel, left) : ck_load(rows[j] + channel);
        sum = ck_fma(ck_load(w + j * CK_LANES), x, sum);
    }
    return sum;
}

CK_INLINE void ck_convolve_run(int64_t taps, ck_run run)
{
    static const float nothing[CK_TILE] = {0};
    const float *rows[CK_MOST_TAPS];
    for (int64_t t = 0; t < run.tokens; t++) {
        for (int64_t j = 0; j < taps; j++) {
            const int64_t at = t - taps + 1 + j;
            const float *held = run.is_first ? nothing : run.before + (taps - 1 + at) * run.before_row;
            rows[j] = at < 0 ? held : run.x + at * run.x_row;
        }
        for (int64_t channel = 0; channel < run.channels; channel += CK_LANES) {
            const int64_t left = run.channels - channel;
            const ck_vf sum = ck_convolve(taps, run.w + channel / CK_LANES * ck_panel(taps), rows, channel, left);
            const ck_vf result = run.is_silu ? ck_silu(sum) : sum;
            if (left < CK_LANES) {
                ck_store_n(run.y + t * run.y_row + channel, result, left);
            } else {
                ck_store(run.y + t * run.y_row + channel, result);
            }
        }
    }
}

/* Most models have 4 taps. */
static void ck_convolve_taps(int64_t taps, ck_run run)
{
    switch (taps) {
    case 4:
        ck_convolve_run(4, run);
        break;
    case 3:
        ck_convolve_run(3, run);
        break;
    default:
        ck_convolve_run(taps, run);
    }
}

/* Leaves the last taps - 1 inputs of a run, the oldest first; what the state still holds of them moves up. */
static void ck_leave(int64_t taps, ck_run run, float *state)
{
    const size_t bytes = (size_t)run.channels * sizeof *state;
    for (int64_t j = 0; j < taps - 1; j++) {
        const int64_t at = run.tokens - taps + 1 + j;
        float *to = state + j * run.before_row;
        if (at >= 0) {
            memcpy(to, run.x + at * run.x_row, bytes);
        } else if (run.is_first) {
            memset(to, 0, bytes);
        } else {
            memcpy(to, to + run.tokens * run.before_row, bytes);
        }
    }
}

void ck_causalConvolution_fwd_f32(int part, int parts, int64_t tokens, int64_t channels, int64_t taps, int64_t held,
                                  int64_t sequenceCount, int64_t xRow, int64_t yRow, int64_t silu,
                                  const float *restrict x, const float *restrict w, const int32_t *restrict positions,
                                  const int32_t *restrict sequences, float *restrict state, float *restrict y)
{
    (void)sequenceCount;
    int64_t first, end;
    ck_share((channels + CK_ITEM_CHANNELS - 1) / CK_ITEM_CHANNELS, part, parts, &first, &end);
    end = end * CK_ITEM_CHANNELS < channels ? end * CK_ITEM_CHANNELS : channels;
    for (int64_t channel = first * CK_ITEM_CHANNELS; channel < end; channel += CK_TILE) {
        for (int64_t t = 0, run_end; t < tokens; t = run_end) {
            run_end = ck_run_end(t, tokens, positions, sequences);
            float *before = state + sequences[t] * held * channels + channel;
            const ck_run run = {
                .x = x + t * xRow + channel, .x_row = xRow,
                .y = y + t * yRow + channel, .y_row = yRow,
                .before = before, .before_row = channels,
                .w = w + channel / CK_LANES * ck_panel(taps),
                .channels = end - channel < CK_TILE ? end - channel : CK_TILE,
                .tokens = run_end - t, .is_first = positions[t] == 0, .is_silu = silu != 0,
            };
            ck_convolve_taps(taps, run);
            ck_leave(taps, run, before);
        }
    }
}

/* Packs rows of w [channels, taps] into panels of `counted` taps, the first of which are 0, as is what lacks of a panel. */
static void ck_pack(int64_t channels, int64_t taps, int64_t counted, const float *w, float *panels)
{
    for (int64_t channel = 0; channel < channels; channel += CK_LANES) {
        float *panel = panels + channel / CK_LANES * ck_panel(counted);
        memset(panel, 0, (size_t)(counted * CK_LANES) * sizeof *panel);
        for (int64_t lane = 0; lane < ck_least(channels - channel, CK_LANES); lane++) {
            for (int64_t j = 0; j < taps; j++) {
                panel[(counted - taps + j) * CK_LANES + lane] = w[(channel + lane) * taps + j];
            }
        }
    }
}

void ck_causalConvolutionRows_fwd_f32(int part, int parts, int64_t tokens, int64_t batch, int64_t channels,
                                      int64_t taps, int64_t xRow, int64_t yRow, int64_t silu, const float *restrict x,
                                      const float *restrict w, const int32_t *restrict starts, float *restrict y)
{
    _Alignas(64) float panels[CK_ROWS_TILE * CK_MOST_TAPS];
    const int64_t blocks = (channels + CK_ITEM_CHANNELS - 1) / CK_ITEM_CHANNELS, length = tokens / batch;
    int64_t item, end;
    ck_share(batch * blocks, part, parts, &item, &end);
    while (item < end) {
        /* The items of one row of the batch that lie side by side, as many as the tile holds. */
        const int64_t row = item / blocks, channel = item % blocks * CK_ITEM_CHANNELS;
        const int64_t taken = ck_least(ck_least(end - item, blocks - item % blocks), CK_ROWS_TILE / CK_ITEM_CHANNELS);
        const int64_t width = ck_least(taken * CK_ITEM_CHANNELS, channels - channel);
        item += taken;
        ck_pack(width, taps, taps, w + channel * taps, panels);
        const int64_t row_end = (row + 1) * length;
        for (int64_t t = row * length, sequence_end; t < row_end; t = sequence_end) {
            sequence_end = ck_sequence_end(t, row_end, starts);
            const ck_run run = {
                .x = x + t * xRow + channel, .x_row = xRow,
                .y = y + t * yRow + channel, .y_row = yRow,
                .w = panels, .channels = width,
                .tokens = sequence_end - t, .is_first = 1, .is_silu = silu != 0,
            };
            ck_convolve_taps(taps, run);
        }
    }
}

/* What the gradients of some channels read and write, from the first token of a sequence on. */
typedef struct {
    const float *x, *dy;
    float *dx;
    int64_t channels, x_row, dy_row, dx_row;
    int is_silu;
} ck_gradients;

/* A vector of channels on its way through the tokens of a sequence; taps are counted as in the call. */
typedef struct {
    ck_vf seen[CK_MOST_TAPS]; /* the inputs of the tokens before, the oldest first */
    ck_vf open[CK_MOST_TAPS]; /* what has come to the gradients of those tokens, in the same order */
    ck_vf dw[CK_MOST_TAPS];
} ck_flow;

/*
 * Tokens [first, end) of a sequence for one vector of channels: ds = dy * f'(sum); dw[j] gets ds times the input that tap j
 * has seen, and the gradient of that input w[j] * ds. That of a token is whole when taps - 1 others have followed it.
 * taps is a constant where this is called.
 */
CK_INLINE void ck_convolve_back(int64_t taps, ck_gradients run, int64_t first, int64_t end, int64_t channel,
                                const float *w, ck_flow *flow)
{
    const int64_t left = ck_least(run.channels - channel, CK_LANES);
    ck_vf seen[CK_MOST_TAPS], open[CK_MOST_TAPS], dw[CK_MOST_TAPS];
    CK_UNROLL
    for (int64_t j = 0; j < taps; j++) {
        seen[j] = flow->seen[j];
        open[j] = flow->open[j];
        dw[j] = flow->dw[j];
    }
    for (int64_t t = first; t < end; t++) {
        /* The vector that comes next finds its lines: a column of short pieces is nothing that the machine foresees. */
        __builtin_prefetch(run.x + t * run.x_row + channel + CK_LANES, 0, 2);
        __builtin_prefetch(run.dy + t * run.dy_row + channel + CK_LANES, 0, 2);
        __builtin_prefetch(run.dx + t * run.dx_row + channel + CK_LANES, 1, 2);
        seen[taps - 1] = ck_load_n(run.x + t * run.x_row + channel, left);
        open[taps - 1] = ck_set(0.0f);
        ck_vf ds = ck_load_n(run.dy + t * run.dy_row + channel, left);
        if (run.is_silu) {
            ck_vf sum = ck_load(w) * seen[0];
            CK_UNROLL
            for (int64_t j = 1; j < taps; j++) {
                sum = ck_fma(ck_load(w + j * CK_LANES), seen[j], sum);
            }
            ds = ds * ck_silu_curve(sum).slope;
        }
        CK_UNROLL
        for (int64_t j = 0; j < taps; j++) {
            dw[j] = ck_fma(ds, seen[j], dw[j]);
            open[j] = ck_fma(ck_load(w + j * CK_LANES), ds, open[j]);
        }
        if (t >= taps - 1) {
            ck_store_n(run.dx + (t - taps + 1) * run.dx_row + channel, open[0], left);
        }
        CK_UNROLL
        for (int64_t j = 0; j < taps - 1; j++) {
            seen[j] = seen[j + 1];
            open[j] = open[j + 1];
        }
    }
    CK_UNROLL
    for (int64_t j = 0; j < taps; j++) {
        flow->seen[j] = seen[j];
        flow->open[j] = open[j];
        flow->dw[j] = dw[j];
    }
}

/* A sequence of `tokens`, a few tokens at a time, so that what neighbouring vectors read together is still in cache. */
static void ck_gradients_of_sequence(int64_t taps, ck_gradients run, int64_t tokens, const float *panels, ck_flow *flows)
{
    const int64_t vectors = (run.channels + CK_LANES - 1) / CK_LANES;
    for (int64_t i = 0; i < vectors; i++) {
        memset(flows[i].seen, 0, sizeof flows[i].seen);
        memset(flows[i].open, 0, sizeof flows[i].open);
    }
    for (int64_t t = 0; t < tokens; t += CK_PIECE) {
        const int64_t end = ck_least(t + CK_PIECE, tokens);
        for (int64_t i = 0; i < vectors; i++) {
            const float *w = panels + i * ck_panel(taps);
            if (taps == CK_FEW_TAPS) {
                ck_convolve_back(CK_FEW_TAPS, run, t, end, i * CK_LANES, w, flows + i);
            } else {
                ck_convolve_back(CK_MOST_TAPS, run, t, end, i * CK_LANES, w, flows + i);
            }
        }
    }
    /* The last tokens, which fewer than taps - 1 others follow. */
    for (int64_t i = 0; i < vectors; i++) {
        const int64_t left = ck_least(run.channels - i * CK_LANES, CK_LANES);
        for (int64_t j = 0; j < taps - 1; j++) {
            const int64_t at = tokens - taps + 1 + j;
            if (at >= 0) {
                ck_store_n(run.dx + at * run.dx_row + i * CK_LANES, flows[i].open[j], left);
            }
        }
    }
}

void ck_causalConvolution_bwd_f32(int part, int parts, int64_t tokens, int64_t batch, int64_t channels, int64_t taps,
                                  int64_t xRow, int64_t dyRow, int64_t dxRow, int64_t silu, const float *restrict x,
                                  const float *restrict w, const int32_t *restrict starts, const float *restrict dy,
                                  const float *sum, float *restrict dx, float *dw)
{
    _Alignas(64) float panels[CK_BACK_TILE * CK_MOST_TAPS];
    ck_flow flows[CK_BACK_TILE / CK_LANES];
    /* Taps of 0 in front of the others change no sum. */
    const int64_t counted = taps <= CK_FEW_TAPS ? CK_FEW_TAPS : CK_MOST_TAPS, length = tokens / batch;
    int64_t first, last;
    ck_share((channels + CK_BACK_CHANNELS - 1) / CK_BACK_CHANNELS, part, parts, &first, &last);
    last = ck_least(last * CK_BACK_CHANNELS, channels);
    for (int64_t channel = first * CK_BACK_CHANNELS; channel < last; channel += CK_BACK_TILE) {
        const int64_t width = ck_least(last - channel, CK_BACK_TILE);
        ck_pack(width, taps, counted, w + channel * taps, panels);
        memset(flows, 0, sizeof flows);
        for (int64_t i = 0; sum && i < width; i++) {
            for (int64_t j = 0; j < taps; j++) {
                flows[i / CK_LANES].dw[counted - taps + j][i % CK_LANES] = sum[(channel + i) * taps + j];
            }
        }
        for (int64_t t = 0, end; t < tokens; t = end) {
            end = ck_sequence_end(t, (t / length + 1) * length, starts);
            const ck_gradients run = {
                .x = x + t * xRow + channel, .x_row = xRow,
                .dy = dy + t * dyRow + channel, .dy_row = dyRow,
                .dx = dx + t * dxRow + channel, .dx_row = dxRow,
                .channels = width, .is_silu = silu != 0,
            };
            ck_gradients_of_sequence(counted, run, end - t, panels, flows);
        }
        for (int64_t i = 0; i < width; i++) {
            for (int64_t j = 0; j < taps; j++) {
                dw[(channel + i) * taps + j] = flows[i / CK_LANES].dw[counted - taps + j][i % CK_LANES];
            }
        }
    }
}
