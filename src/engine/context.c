#include <inttypes.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "engine.h"
#include "mapping.h"
#include "profile.h"
#include "refuse.h"
#include "workers.h"

#define MAX_THREADS 64

struct ck_context {
    const ck_model *model;
    uint8_t *memory; /* program->memory_bytes */
    int32_t *ids;    /* [program->context], the first `position` are held */
    int64_t position;
    ck_workers *workers;
    ck_profile *profile; /* NULL: no profile build */
    atomic_int stopping;
};

ck_status ck_context_open(const ck_model *model, int32_t threads, ck_context **out, ck_error *error) {
    if (!out) return ck_refuse(error, CK_ERROR_ARGUMENT, "ck_context_open: context is NULL");
    *out = NULL;
    if (!model) return ck_refuse(error, CK_ERROR_ARGUMENT, "ck_context_open: model is NULL");
    if (threads < 1 || threads > MAX_THREADS) {
        return ck_refuse(error, CK_ERROR_ARGUMENT, "threads is %" PRId32 "; accepted: 1 to %d", threads, MAX_THREADS);
    }
    const ck_program *program = model->program;
    ck_context *context = calloc(1, sizeof *context);
    if (!context) return ck_refuse(error, CK_ERROR_MEMORY, "no memory for a context");
    context->model = model;
    atomic_init(&context->stopping, 0);
    context->memory = ck_map_zeros(program->memory_bytes);
    context->ids = calloc((size_t)program->context, sizeof *context->ids);
    ck_status status = CK_OK;
    if (!context->memory || !context->ids) {
        status = ck_refuse(error, CK_ERROR_MEMORY,
                           "the system refused %" PRIu64 " bytes for a context of %" PRId64
                           " tokens; build with a smaller --context",
                           program->memory_bytes, program->context);
    }
    if (!status) status = ck_profile_open(program, threads, &context->profile, error);
    if (!status) status = ck_workers_open(threads, &context->workers, error);
    if (status) {
        ck_context_close(context);
        return status;
    }
    *out = context;
    return CK_OK;
}

void ck_context_close(ck_context *context) {
    if (!context) return;
    ck_workers_close(context->workers);
    ck_profile_close(context->profile);
    ck_unmap_zeros(context->memory, context->model->program->memory_bytes);
    free(context->ids);
    free(context);
}

static ck_status check_ids(const ck_context *context, const int32_t *ids, int64_t count, ck_error *error) {
    const ck_program *program = context->model->program;
    if (count < 0 || (count > 0 && !ids)) {
        return ck_refuse(error, CK_ERROR_ARGUMENT, "%" PRId64 " token ids; accepted: 0 or more", count);
    }
    if (count > program->context - context->position) {
        return ck_refuse(error, CK_ERROR_CONTEXT,
                         "%" PRId64 " tokens after the %" PRId64
                         " held do not fit the context; accepted: at most %" PRId64
                         " in all (build with a larger --context)",
                         count, context->position, program->context);
    }
    for (int64_t i = 0; i < count; i++) {
        if (ids[i] < 0 || ids[i] >= program->vocabulary) {
            return ck_refuse(error, CK_ERROR_ARGUMENT,
                             "token id %" PRId32 " at position %" PRId64
                             " is outside the vocabulary; accepted: 0 to %" PRId64,
                             ids[i], context->position + i, program->vocabulary - 1);
        }
    }
    return CK_OK;
}

/* Tokens of the next step, so that its logits rows fit. `skip`: tokens before the first that has a logits row. */
static int64_t step_tokens(const ck_program *program, ck_mode mode, int64_t remaining, int64_t skip) {
    int64_t most = mode == CK_DECODE ? 1 : program->prefill_tokens;
    int64_t tokens = remaining < most ? remaining : most;
    return tokens - skip < program->output_rows ? tokens : skip + program->output_rows;
}

/* Appends `tokens` ids; the last `outputs` of them get logits rows in the context's memory. */
static void run_step(ck_context *context, ck_mode mode, const int32_t *ids, int64_t tokens, int64_t outputs) {
    const ck_program *program = context->model->program;
    uint8_t *memory = context->memory;
    int32_t *positions = (int32_t *)(memory + program->positions);
    int32_t *output_index = (int32_t *)(memory + program->output_index);
    memcpy(memory + program->ids, ids, (size_t)tokens * sizeof *ids);
    memset(memory + program->sequences, 0, (size_t)tokens * sizeof(int32_t));
    for (int64_t i = 0; i < tokens; i++) positions[i] = (int32_t)(context->position + i);
    for (int64_t i = 0; i < outputs; i++) output_index[i] = (int32_t)(tokens - outputs + i);
    const ck_step step = {
        .weights = context->model->weights,
        .memory = memory,
        .tokens = tokens,
        .outputs = outputs,
        .barrier = ck_workers_barrier(context->workers),
        .profile = context->profile,
    };
    ck_workers_run(context->workers, mode == CK_DECODE ? program->decode : program->prefill, &step);
    memcpy(context->ids + context->position, ids, (size_t)tokens * sizeof *ids);
    context->position += tokens;
}

ck_status ck_context_eval(ck_context *context, ck_mode mode, const int32_t *ids, int64_t count, float *logits,
                          int64_t rows, ck_error *error) {
    const ck_program *program = context->model->program;
    if (program->encode) {
        return ck_refuse(error, CK_ERROR_ARGUMENT,
                         "%s is an encoder: it gives embeddings and continues no text; accepted: ck embed", program->name);
    }
    atomic_store(&context->stopping, 0);
    if (mode != CK_PREFILL && mode != CK_DECODE) {
        return ck_refuse(error, CK_ERROR_ARGUMENT, "mode is %d; accepted: 0 (prefill) or 1 (decode)", (int)mode);
    }
    ck_status status = check_ids(context, ids, count, error);
    if (status) return status;
    if (rows < 0 || rows > count || (rows > 0 && !logits)) {
        return ck_refuse(error, CK_ERROR_ARGUMENT,
                         "%" PRId64 " logits rows; accepted: 0 to the %" PRId64 " tokens given", rows, count);
    }
    const int64_t first_row = count - rows;
    for (int64_t at = 0; at < count;) {
        if (atomic_load(&context->stopping)) {
            return ck_refuse(error, CK_ERROR_STOPPED, "stopped after %" PRId64 " of %" PRId64 " tokens", at, count);
        }
        int64_t skip = at < first_row ? first_row - at : 0;
        int64_t tokens = step_tokens(program, mode, count - at, skip);
        int64_t outputs = tokens > skip ? tokens - skip : 0;
        run_step(context, mode, ids + at, tokens, outputs);
        at += tokens;
        if (outputs > 0) {
            size_t values = (size_t)outputs * (size_t)program->vocabulary;
            memcpy(logits, context->memory + program->logits, values * sizeof *logits);
            logits += values;
        }
    }
    return CK_OK;
}

ck_status ck_context_embed(ck_context *context, const int32_t *ids, int64_t count, float *embedding, ck_error *error) {
    const ck_program *program = context->model->program;
    if (!program->encode) {
        return ck_refuse(error, CK_ERROR_ARGUMENT,
                         "%s continues text and gives no embeddings; accepted: a model built from an encoder",
                         program->name);
    }
    if (count < 1 || !embedding) {
        return ck_refuse(error, CK_ERROR_ARGUMENT, "%" PRId64 " token ids to embed; accepted: 1 or more", count);
    }
    ck_status status = check_ids(context, ids, count, error);
    if (status) return status;
    uint8_t *memory = context->memory;
    int32_t *positions = (int32_t *)(memory + program->positions);
    int32_t *last = (int32_t *)(memory + program->last);
    memcpy(memory + program->ids, ids, (size_t)count * sizeof *ids);
    memset(memory + program->sequences, 0, (size_t)count * sizeof(int32_t));
    memset(memory + program->types, 0, (size_t)count * sizeof(int32_t));
    for (int64_t i = 0; i < count; i++) {
        positions[i] = (int32_t)i;
        last[i] = (int32_t)(count - 1);
    }
    const ck_step step = {
        .weights = context->model->weights,
        .memory = memory,
        .tokens = count,
        .outputs = 1,
        .barrier = ck_workers_barrier(context->workers),
        .profile = context->profile,
    };
    ck_workers_run(context->workers, program->encode, &step);
    memcpy(embedding, memory + program->embedding, (size_t)program->embedding_width * sizeof *embedding);
    return CK_OK;
}

int64_t ck_context_position(const ck_context *context) {
    return context->position;
}

ck_status ck_context_rewind(ck_context *context, int64_t position, ck_error *error) {
    if (position < 0 || position > context->position) {
        return ck_refuse(error, CK_ERROR_ARGUMENT,
                         "position is %" PRId64 "; accepted: 0 to the %" PRId64 " tokens held", position,
                         context->position);
    }
    context->position = position;
    return CK_OK;
}

void ck_context_stop(ck_context *context) {
    atomic_store(&context->stopping, 1);
}

ck_status ck_context_peek(const ck_context *context, uint64_t offset, uint64_t bytes, void *out, ck_error *error) {
    uint64_t memory_bytes = context->model->program->memory_bytes;
    if (offset > memory_bytes || bytes > memory_bytes - offset || (bytes > 0 && !out)) {
        return ck_refuse(error, CK_ERROR_ARGUMENT,
                         "%" PRIu64 " bytes at %" PRIu64 " are outside the context's memory; accepted: within %" PRIu64
                         " bytes",
                         bytes, offset, memory_bytes);
    }
    if (bytes > 0) memcpy(out, context->memory + offset, (size_t)bytes);
    return CK_OK;
}

const ck_model *ck_context_model(const ck_context *context) {
    return context->model;
}

struct ck_profile *ck_context_counters(const ck_context *context) {
    return context->profile;
}

const int32_t *ck_context_ids(const ck_context *context) {
    return context->ids;
}
