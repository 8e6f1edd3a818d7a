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

/* 1/i!, i = 13 .. 0. */
static const double inverse_factorials[] = {
    1 / 6227020800.0, 1 / 479001600.0, 1 / 39916800.0, 1 / 3628800.0, 1 / 362880.0, 1 / 40320.0, 1 / 5040.0,
    1 / 720.0,        1 / 120.0,       1 / 24.0,       1 / 6.0,       1 / 2.0,      1,           1,
};

/* exp(x) for x <= 0. Not libm's: its last bit differs between systems, and a draw may hang on it.
 * x = n·ln2 + r with |r| <= ln2/2, exp(x) = 2^n · Σ r^i/i!, 14 terms: below 1e-15 relative. */
static double exp_of(double x) {
    if (!(x > -700)) return 0;
    double n = (double)(int)(x * 1.4426950408889634 - 0.5);
    double r = (x - n * 0.693147180369123816490) - n * 1.90821492927058770002e-10;
    double sum = 0;
    for (int i = 0; i < 14; i++) sum = sum * r + inverse_factorials[i];
    return ldexp(sum, (int)n);
}

static int precedes(candidate a, candidate b) {
    return a.logit > b.logit || (a.logit == b.logit && a.id < b.id);
}

/* Whether `a` is nearer to the root of a heap than `b`: the best first, or the worst first. */
static inline int is_above(candidate a, candidate b, int worst_first) {
    return worst_first ? precedes(b, a) : precedes(a, b);
}

/* Moves heap[at] down to where it is above its children. */
static void sift(candidate *heap, int64_t count, int64_t at, int worst_first) {
    candidate moving = heap[at];
    for (;;) {
        int64_t child = 2 * at + 1;
        if (child >= count) break;
        if (child + 1 < count && is_above(heap[child + 1], heap[child], worst_first)) child++;
        if (!is_above(heap[child], moving, worst_first)) break;
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = moving;
}

static void make_heap(candidate *heap, int64_t count, int worst_first) {
    for (int64_t i = count / 2 - 1; i >= 0; i--) sift(heap, count, i, worst_first);
}

/* Brings the best `kept` of `count` candidates to the front, in no order. */
static void keep_best(candidate *candidates, int64_t count, int64_t kept) {
    make_heap(candidates, kept, 1);
    for (int64_t i = kept; i < count; i++) {
        if (!precedes(candidates[i], candidates[0])) continue;
        candidates[0] = candidates[i];
        sift(candidates, kept, 0, 1);
    }
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

/* Sorts those of `count` candidates that top_p and min_p leave to the end, the first one last, with their weights in
 * s->weights. Returns how many there are; *total is the sum of their weights. */
static int64_t truncate_tail(ck_sampler *s, int64_t count, double largest, double *total) {
    const ck_sampling *o = &s->sampling;
    candidate *heap = s->candidates;
    double mass = 0;
    for (int64_t i = 0; o->top_p < 1 && i < count; i++) mass += weight_of(heap[i], largest, o->temperature);
    make_heap(heap, count, 0);
    int64_t kept = 0;
    *total = 0;
    for (; kept < count; kept++) {
        double weight = weight_of(heap[0], largest, o->temperature);
        /* The first candidate has weight 1, so min_p is a bound of the weights themselves. */
        if (kept > 0 && (weight < (double)o->min_p || (o->top_p < 1 && *total >= (double)o->top_p * mass))) break;
        s->weights[kept] = weight;
        *total += weight;
        int64_t last = count - 1 - kept;
        candidate first = heap[0];
        heap[0] = heap[last];
        heap[last] = first;
        sift(heap, last, 0, 0);
    }
    return kept;
}

int32_t ck_sampler_next(ck_sampler *s, const float *logits, const int32_t *recent, int64_t count) {
    const ck_sampling *o = &s->sampling;
    candidate *candidates = s->candidates;
    int64_t left = collect(s, logits, recent, count);
    if (left == 0) return 0;
    if (o->temperature == 0 || o->top_k == 1) return greedy(candidates, left);

    const int is_cut = o->top_k > 0 && o->top_k < left;
    if (is_cut) {
        keep_best(candidates, left, o->top_k);
        left = o->top_k;
    }
    float largest = candidates[0].logit;
    for (int64_t i = 1; i < left; i++) largest = candidates[i].logit > largest ? candidates[i].logit : largest;
    double total = 0;
    if (is_cut || o->top_p < 1 || o->min_p > 0) {
        int64_t kept = truncate_tail(s, left, largest, &total);
        return candidates[left - 1 - draw(s, kept, total)].id;
    }
    for (int64_t i = 0; i < left; i++) {
        s->weights[i] = weight_of(candidates[i], largest, o->temperature);
        total += s->weights[i];
    }
    return candidates[draw(s, left, total)].id;
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
