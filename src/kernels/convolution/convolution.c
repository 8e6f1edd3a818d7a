/* convolution.c: a short causal convolution of every channel with weights of its own. */
#include "convolution.h"

#include "activate.h"
#include "runs.h"
#include "split.h"

enum {
    CK_ITEM_CHANNELS = 64, /* per item of the split: whole vectors on every target */
    CK_MOST_TAPS = 16
};

CK_INLINE ck_vf ck_read(const float *p, int64_t channels)
{
    return channels == CK_LANES ? ck_load(p) : ck_load_n(p, channels);
}

CK_INLINE void ck_write(float *p, ck_vf v, int64_t channels)
{
    if (channels == CK_LANES) {
        ck_store(p, v);
    } else {
        ck_store_n(p, v, channels);
    }
}

/* A run of tokens, from the first on, for at most a vector of channels. */
typedef struct {
    const float *x;
    float *y, *state; /* state [taps - 1, all channels] */
    int64_t tokens, x_row, y_row, state_row;
    int is_first, is_silu;
} ck_run;

/* The window slides over the run: window[j] is the input of j + 1 - taps tokens ahead. taps is a constant in most calls. */
CK_INLINE void ck_convolve(int64_t taps, int64_t channels, const ck_vf *w, ck_run run)
{
    ck_vf window[CK_MOST_TAPS];
    for (int64_t j = 0; j + 1 < taps; j++) {
        window[j] = run.is_first ? ck_set(0.0f) : ck_read(run.state + j * run.state_row, channels);
    }
    for (int64_t t = 0; t < run.tokens; t++) {
        window[taps - 1] = ck_read(run.x + t * run.x_row, channels);
        ck_vf sum = w[0] * window[0];
        for (int64_t j = 1; j < taps; j++) {
            sum = ck_fma(w[j], window[j], sum);
        }
        ck_write(run.y + t * run.y_row, run.is_silu ? ck_silu(sum) : sum, channels);
        for (int64_t j = 0; j + 1 < taps; j++) {
            window[j] = window[j + 1];
        }
    }
    for (int64_t j = 0; j + 1 < taps; j++) {
        ck_write(run.state + j * run.state_row, window[j], channels);
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
    for (int64_t channel = first * CK_ITEM_CHANNELS; channel < end; channel += CK_LANES) {
        const int64_t some = end - channel < CK_LANES ? end - channel : CK_LANES;
        float turned[CK_MOST_TAPS][CK_LANES] = {{0}};
        ck_vf weights[CK_MOST_TAPS];
        for (int64_t j = 0; j < taps; j++) {
            for (int64_t i = 0; i < some; i++) {
                turned[j][i] = w[(channel + i) * taps + j];
            }
            weights[j] = ck_load(turned[j]);
        }
        for (int64_t t = 0, run_end; t < tokens; t = run_end) {
            run_end = ck_run_end(t, tokens, positions, sequences);
            const ck_run run = {
                .x = x + t * xRow + channel, .x_row = xRow,
                .y = y + t * yRow + channel, .y_row = yRow,
                .state = state + sequences[t] * held * channels + channel, .state_row = channels,
                .tokens = run_end - t, .is_first = positions[t] == 0, .is_silu = silu != 0,
            };
            switch (taps) {
            case 4:
                ck_convolve(4, some, weights, run);
                break;
            case 3:
                ck_convolve(3, some, weights, run);
                break;
            default:
                ck_convolve(taps, some, weights, run);
            }
        }
    }
}
