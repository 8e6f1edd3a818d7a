/* context.h: what a context is made of, for the engine's files that work on it. */
#ifndef CK_CONTEXT_H
#define CK_CONTEXT_H

#include <stdatomic.h>

#include "checkpoints.h"
#include "engine.h"
#include "workers.h"

struct ck_context {
    const ck_model *model;
    uint8_t *memory;    /* program->memory_bytes */
    int32_t *ids;       /* [sequence_count, context]: of a sequence the first positions[sequence] are held */
    int64_t *positions; /* [sequence_count] */
    int64_t *counts;    /* [sequence_count], for the checks of a call */
    ck_checkpoints *checkpoints;
    ck_workers *workers;
    struct ck_profile *profile; /* NULL: no profile build */
    atomic_int stopping;
};

/* Runs program `index` of the model on what its inputs hold: 0 prefill or encode, 1 decode. In a debug build
 * CK_ERROR_OVERRUN where a call wrote beyond a buffer. */
ck_status ck_run_step(ck_context *context, int index, int64_t tokens, int64_t outputs, ck_error *error);

/* Refuses a sequence that the context does not have. */
ck_status ck_check_sequence(const ck_context *context, int32_t sequence, ck_error *error);

/* Refuses ids outside the vocabulary, and more of a sequence than fit it. */
ck_status ck_check_tokens(ck_context *context, const ck_batch *batch, ck_error *error);

#endif
