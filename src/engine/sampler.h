/* sampler.h: one token id out of a row of logits. */
#ifndef CK_SAMPLER_H
#define CK_SAMPLER_H

#include "ck.h"

typedef struct ck_sampler ck_sampler;

/* Refuses settings out of their range and reserves all memory that ck_sampler_next needs. `vocabulary` >= 1. */
ck_status ck_sampler_open(const ck_sampling *sampling, int64_t vocabulary, ck_sampler **sampler, ck_error *error);
void ck_sampler_close(ck_sampler *sampler);

/* The steps, in this order: repetition penalty over the last repeat_window of `recent` [count]; top_k largest; division
 * by the temperature; softmax; top_p; min_p (a share of the largest probability); a draw. Among equal logits the lower
 * id comes first. NaN counts as minus infinity; where nothing else is left, id 0 is the answer. The same settings, seed
 * and calls give the same ids on every machine. */
int32_t ck_sampler_next(ck_sampler *sampler, const float *logits, const int32_t *recent, int64_t count);

#endif
