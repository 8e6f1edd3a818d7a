/* convolution.c: a short causal convolution of every channel with weights of its own. */
#include "convolution.h"

#include "activate.h"
#include "runs.h"
#include "split.h"

enum {
    CK_ITEM_CHANNELS = 64, /* per item of the split: whole vectors on every target */
    CK_TILE = 512,         /* channels that are taken through all tokens, so that their weights stay in cache */
    CK_MOST_TAPS = 16
};

/* Floats of a panel of weights: whole lines of 64 bytes. */
CK_INLINE int64_t ck_panel(int64_t taps)
{
    return (taps * CK_LANES + 15) / 16 * 16;
}

/* Some channels of a run of tokens, from the first on. */
typedef struct {
    const float *x, *w; /* w in panels */
    float *y, *state;   /* state [taps - 1, all channels]: what stood before the run */
    int64_t tokens, channels, x_row, y_row, state_row;
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
            const float *held = run.is_first ? nothing : run.state + (taps - 1 + at) * run.state_row;
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
    /* The last taps - 1 inputs, the oldest first; what the state still holds of them moves up. */
    const size_t bytes = (size_t)run.channels * sizeof *run.state;
    for (int64_t j = 0; j < taps - 1; j++) {
        const int64_t at = run.tokens - taps + 1 + j;
        float *to = run.state + j * run.state_row;
        if (at >= 0) {
            memcpy(to, run.x + at * run.x_row, bytes);
        } else if (run.is_first) {
            memset(to, 0, bytes);
        } else {
            memcpy(to, to + run.tokens * run.state_row, bytes);
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
            const ck_run run = {
                .x = x + t * xRow + channel, .x_row = xRow,
                .y = y + t * yRow + channel, .y_row = yRow,
                .state = state + sequences[t] * held * channels + channel, .state_row = channels,
                .w = w + channel / CK_LANES * ck_panel(taps),
                .channels = end - channel < CK_TILE ? end - channel : CK_TILE,
                .tokens = run_end - t, .is_first = positions[t] == 0, .is_silu = silu != 0,
            };
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
    }
}
