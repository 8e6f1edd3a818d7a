#include "sampler.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "refuse.h"

#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#endif

typedef struct candidate {
    float logit;
    int32_t id;
} candidate;

struct ck_sampler {
    ck_sampling sampling;
    int64_t vocabulary;
    uint64_t random[4];
    candidate *candidates; /* [vocabulary] */
    double *weights;       /* [vocabulary], exp of the candidates that are kept */
    uint8_t *is_recent;    /* [vocabulary], all 0 between calls */
};

/* xoshiro256** (Blackman and Vigna 2018), its state filled by splitmix64 as its authors advise. */
static uint64_t random_next(uint64_t s[4]) {
    uint64_t five = s[1] * 5;
    uint64_t result = (five << 7 | five >> 57) * 9;
    uint64_t shifted = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= shifted;
    s[3] = s[3] << 45 | s[3] >> 19;
    return result;
}

static void random_seed(uint64_t s[4], uint64_t seed) {
    for (int i = 0; i < 4; i++) {
        seed += UINT64_C(0x9E3779B97F4A7C15);
        uint64_t z = seed;
        z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
        z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
        s[i] = z ^ z >> 31;
    }
}

/* exp(x) for x <= 0. Not libm's: its last bit differs between systems, and a draw may hang on it.
 * x = n·ln2 + r with |r| <= ln2/2, exp(x) = 2^n · Σ r^i/i!, 13 terms: below 1e-15 relative. */
static double exp_of(double x) {
    if (!(x > -700)) return 0;
    double n = (double)(int)(x * 1.4426950408889634 - 0.5);
    double r = (x - n * 0.693147180369123816490) - n * 1.90821492927058770002e-10;
    double sum = 1;
    for (int i = 13; i > 0; i--) sum = 1 + sum * r / i;
    return ldexp(sum, (int)n);
}

static int precedes(candidate a, candidate b) {
    return a.logit > b.logit || (a.logit == b.logit && a.id < b.id);
}

/* Moves heap[at] down to where no child precedes it. */
static void sift(candidate *heap, int64_t count, int64_t at) {
    candidate moving = heap[at];
    for (;;) {
        int64_t child = 2 * at + 1;
        if (child >= count) break;
        if (child + 1 < count && precedes(heap[child + 1], heap[child])) child++;
        if (!precedes(heap[child], moving)) break;
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = moving;
}

/* Swaps the first of the heap to its end, so that taken candidates lie at the end, the last one taken first. */
static candidate take(candidate *heap, int64_t *count) {
    candidate first = heap[0];
    (*count)--;
    heap[0] = heap[*count];
    heap[*count] = first;
    if (*count > 0) sift(heap, *count, 0);
    return first;
}

/* Fills the candidates in id order with every logit that is a number above minus infinity. Returns their number. */
static int64_t collect(ck_sampler *s, const float *logits, const int32_t *recent, int64_t count) {
    const float penalty = s->sampling.repeat_penalty;
    int64_t window = penalty == 1 ? 0 : s->sampling.repeat_window;
    if (window > count) window = count;
    recent += count - window;
    for (int64_t i = 0; i < window; i++) s->is_recent[recent[i]] = 1;
    int64_t kept = 0;
    for (int64_t id = 0; id < s->vocabulary; id++) {
        float logit = logits[id];
        if (s->is_recent[id]) logit = logit > 0 ? logit / penalty : logit * penalty;
        if (!(logit >= -FLT_MAX)) continue;
        s->candidates[kept++] = (candidate){logit > FLT_MAX ? FLT_MAX : logit, (int32_t)id};
    }
    for (int64_t i = 0; i < window; i++) s->is_recent[recent[i]] = 0;
    return kept;
}

static int32_t greedy(const candidate *candidates, int64_t count) {
    candidate best = candidates[0];
    for (int64_t i = 1; i < count; i++) {
        if (precedes(candidates[i], best)) best = candidates[i];
    }
    return best.id;
}

/* The index of the candidate whose share of [0, total) a random number falls into. */
static int64_t draw(ck_sampler *s, int64_t count, double total) {
    double at = (double)(random_next(s->random) >> 11) * 0x1p-53 * total;
    double sum = 0;
    for (int64_t i = 0; i < count; i++) {
        sum += s->weights[i];
        if (at < sum) return i;
    }
    return count - 1;
}

static double weight_of(candidate c, double largest, double temperature) {
    return exp_of(((double)c.logit - largest) / temperature);
}

/* Sorts the candidates that top_k, top_p and min_p leave to the end of the heap, the first one last, with their weights
 * in s->weights. Returns how many there are; *total is the sum of their weights. */
static int64_t truncate_tail(ck_sampler *s, int64_t all, double largest, double *total) {
    const ck_sampling *o = &s->sampling;
    candidate *heap = s->candidates;
    const int64_t most = o->top_k > 0 && o->top_k < all ? o->top_k : all;
    /* What top_p is a share of: the top_k candidates, or all of them, which then need no sorting. */
    double mass = 0;
    if (most == all && o->top_p < 1) {
        for (int64_t i = 0; i < all; i++) mass += weight_of(heap[i], largest, o->temperature);
    }
    for (int64_t i = all / 2 - 1; i >= 0; i--) sift(heap, all, i);
    int64_t left = all;
    int64_t taken = 0;
    while (most < all && taken < most) {
        s->weights[taken] = weight_of(take(heap, &left), largest, o->temperature);
        mass += s->weights[taken++];
    }
    int64_t kept = 0;
    *total = 0;
    for (; kept < most; kept++) {
        double weight = kept < taken ? s->weights[kept] : weight_of(heap[0], largest, o->temperature);
        /* The first candidate has weight 1, so min_p is a bound of the weights themselves. */
        if (kept > 0 && (weight < (double)o->min_p || (o->top_p < 1 && *total >= (double)o->top_p * mass))) break;
        if (kept == taken) {
            take(heap, &left);
            s->weights[taken++] = weight;
        }
        *total += weight;
    }
    return kept;
}

int32_t ck_sampler_next(ck_sampler *s, const float *logits, const int32_t *recent, int64_t count) {
    const ck_sampling *o = &s->sampling;
    const candidate *candidates = s->candidates;
    const int64_t all = collect(s, logits, recent, count);
    if (all == 0) return 0;
    if (o->temperature == 0 || o->top_k == 1) return greedy(candidates, all);

    float largest = candidates[0].logit;
    for (int64_t i = 1; i < all; i++) largest = candidates[i].logit > largest ? candidates[i].logit : largest;
    double total = 0;
    if ((o->top_k > 0 && o->top_k < all) || o->top_p < 1 || o->min_p > 0) {
        int64_t kept = truncate_tail(s, all, largest, &total);
        return candidates[all - 1 - draw(s, kept, total)].id;
    }
    for (int64_t i = 0; i < all; i++) {
        s->weights[i] = weight_of(candidates[i], largest, o->temperature);
        total += s->weights[i];
    }
    return candidates[draw(s, all, total)].id;
}

static ck_status check_sampling(const ck_sampling *o, ck_error *error) {
    if (!(o->temperature >= 0 && o->temperature <= FLT_MAX)) {
        return ck_refuse(error, CK_ERROR_ARGUMENT, "temperature is %g; accepted: 0 (greedy) or more",
                         (double)o->temperature);
    }
    if (o->top_k < 0) {
        return ck_refuse(error, CK_ERROR_ARGUMENT, "top_k is %" PRId32 "; accepted: 0 (off) or more", o->top_k);
    }
    if (!(o->top_p >= 0 && o->top_p <= 1)) {
        return ck_refuse(error, CK_ERROR_ARGUMENT, "top_p is %g; accepted: 0 to 1 (off)", (double)o->top_p);
    }
    if (!(o->min_p >= 0 && o->min_p <= 1)) {
        return ck_refuse(error, CK_ERROR_ARGUMENT, "min_p is %g; accepted: 0 (off) to 1", (double)o->min_p);
    }
    if (!(o->repeat_penalty > 0 && o->repeat_penalty <= FLT_MAX)) {
        return ck_refuse(error, CK_ERROR_ARGUMENT, "repeat_penalty is %g; accepted: more than 0 (1: off)",
                         (double)o->repeat_penalty);
    }
    if (o->repeat_window < 0) {
        return ck_refuse(error, CK_ERROR_ARGUMENT, "repeat_window is %" PRId32 "; accepted: 0 (off) or more",
                         o->repeat_window);
    }
    return CK_OK;
}

ck_status ck_sampler_open(const ck_sampling *sampling, int64_t vocabulary, ck_sampler **out, ck_error *error) {
    *out = NULL;
    ck_status status = check_sampling(sampling, error);
    if (status) return status;
    ck_sampler *s = calloc(1, sizeof *s);
    if (s) {
        s->sampling = *sampling;
        s->vocabulary = vocabulary;
        s->candidates = calloc((size_t)vocabulary, sizeof *s->candidates);
        s->weights = calloc((size_t)vocabulary, sizeof *s->weights);
        s->is_recent = calloc((size_t)vocabulary, sizeof *s->is_recent);
    }
    if (!s || !s->candidates || !s->weights || !s->is_recent) {
        ck_sampler_close(s);
        return ck_refuse(error, CK_ERROR_MEMORY, "no memory to sample from %" PRId64 " tokens", vocabulary);
    }
    random_seed(s->random, sampling->seed);
    *out = s;
    return CK_OK;
}

void ck_sampler_close(ck_sampler *sampler) {
    if (!sampler) return;
    free(sampler->candidates);
    free(sampler->weights);
    free(sampler->is_recent);
    free(sampler);
}
