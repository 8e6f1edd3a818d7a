#include "context.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "canaries.h"
#include "mapping.h"
#include "profile.h"
#include "refuse.h"

ck_status ck_context_open(const ck_model *model, int32_t threads, ck_context **out, ck_error *error) {
    if (!out) return ck_refuse(error, CK_ERROR_ARGUMENT, "ck_context_open: context is NULL");
    *out = NULL;
    if (!model) return ck_refuse(error, CK_ERROR_ARGUMENT, "ck_context_open: model is NULL");
    if (threads < 1 || threads > CK_MOST_PARTS) {
        return ck_refuse(error, CK_ERROR_ARGUMENT, "threads is %" PRId32 "; accepted: 1 to %d", threads, CK_MOST_PARTS);
    }
    const ck_program *program = model->program;
    ck_context *context = calloc(1, sizeof *context);
    if (!context) return ck_refuse(error, CK_ERROR_MEMORY, "no memory for a context");
    context->model = model;
    atomic_init(&context->stopping, 0);
    context->memory = ck_map_zeros(program->memory_bytes);
    const size_t sequences = (size_t)program->sequence_count;
    context->ids = calloc(sequences * (size_t)program->context, sizeof *context->ids);
    context->positions = calloc(sequences, sizeof *context->positions);
    context->counts = calloc(sequences, sizeof *context->counts);
    context->checkpoints = ck_checkpoints_open(program);
    ck_status status = CK_OK;
    if (!context->memory || !context->ids || !context->positions || !context->counts || !context->checkpoints) {
        status = ck_refuse(error, CK_ERROR_MEMORY,
                           "the system refused %" PRIu64 " bytes for %" PRId32
                           " sequences of %" PRId64 " tokens; build with a smaller --context or fewer --sequences",
                           program->memory_bytes, program->sequence_count, program->context);
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
    ck_checkpoints_close(context->checkpoints);
    ck_unmap_zeros(context->memory, context->model->program->memory_bytes);
    free(context->ids);
    free(context->positions);
    free(context->counts);
    free(context);
}

static int32_t sequence_of(const ck_batch *batch, int64_t token) {
    return batch->sequences ? batch->sequences[token] : batch->sequence;
}

/* The token of the batch that row `row` of the logits belongs to; `count` behind the last row. */
static int64_t output_of(const ck_batch *batch, int64_t row) {
    if (row >= batch->rows) return batch->count;
    return batch->outputs ? batch->outputs[row] : batch->count - batch->rows + row;
}

ck_status ck_check_tokens(ck_context *context, const ck_batch *batch, ck_error *error) {
    const ck_program *program = context->model->program;
    int64_t *counts = context->counts;
    memset(counts, 0, (size_t)program->sequence_count * sizeof *counts);
    for (int64_t i = 0; i < batch->count; i++) {
        const int32_t sequence = sequence_of(batch, i);
        ck_status status = ck_check_sequence(context, sequence, error);
        if (status) return status;
        const int64_t position = context->positions[sequence] + counts[sequence]++;
        if (batch->ids[i] < 0 || batch->ids[i] >= program->vocabulary) {
            return ck_refuse(error, CK_ERROR_ARGUMENT,
                             "token id %" PRId32 " at position %" PRId64
                             " is outside the vocabulary; accepted: 0 to %" PRId64,
                             batch->ids[i], position, program->vocabulary - 1);
        }
    }
    for (int32_t sequence = 0; sequence < program->sequence_count; sequence++) {
        const int64_t held = context->positions[sequence];
        if (counts[sequence] > program->context - held) {
            return ck_refuse(error, CK_ERROR_CONTEXT,
                             "%" PRId64 " tokens after the %" PRId64
                             " held do not fit the context; accepted: at most %" PRId64
                             " in all (build with a larger --context)",
                             counts[sequence], held, program->context);
        }
    }
    return CK_OK;
}

static ck_status check_batch(ck_context *context, const ck_batch *batch, const float *logits, ck_error *error) {
    const int64_t count = batch->count, rows = batch->rows;
    if (count < 0 || (count > 0 && !batch->ids)) {
        return ck_refuse(error, CK_ERROR_ARGUMENT, "%" PRId64 " token ids; accepted: 0 or more", count);
    }
    ck_status status = ck_check_tokens(context, batch, error);
    if (status) return status;
    if (rows < 0 || rows > count || (rows > 0 && !logits)) {
        return ck_refuse(error, CK_ERROR_ARGUMENT,
                         "%" PRId64 " logits rows; accepted: 0 to the %" PRId64 " tokens given", rows, count);
    }
    for (int64_t row = 0; row < rows && batch->outputs; row++) {
        if (batch->outputs[row] <= (row > 0 ? batch->outputs[row - 1] : -1) || batch->outputs[row] >= count) {
            return ck_refuse(error, CK_ERROR_ARGUMENT,
                             "logits row %" PRId64 " is of token %" PRId64 "; accepted: ascending, 0 to %" PRId64, row,
                             batch->outputs[row], count - 1);
        }
    }
    return CK_OK;
}

/* Writes the ids, positions and sequences of the next step, whose first token is `at` and whose first logits row is
 * `row`. A decode step has one token per sequence. Gives the number of tokens. */
static int64_t fill_step(ck_context *context, ck_mode mode, const ck_batch *batch, int64_t at, int64_t row,
                         int64_t *outputs) {
    const ck_program *program = context->model->program;
    int32_t *ids = (int32_t *)(context->memory + program->ids);
    int32_t *positions = (int32_t *)(context->memory + program->positions);
    int32_t *sequences = (int32_t *)(context->memory + program->sequences);
    int32_t *output_index = (int32_t *)(context->memory + program->output_index);
    const int64_t most = mode == CK_DECODE ? program->decode_tokens : program->prefill_tokens;
    int64_t tokens = 0;
    *outputs = 0;
    for (; tokens < most && at + tokens < batch->count; tokens++) {
        const int32_t sequence = sequence_of(batch, at + tokens);
        const int is_wanted = output_of(batch, row + *outputs) == at + tokens;
        if (is_wanted && *outputs == program->output_rows) break;
        int is_second = 0;
        for (int64_t i = 0; mode == CK_DECODE && i < tokens; i++) is_second |= sequences[i] == sequence;
        if (is_second) break;
        ids[tokens] = batch->ids[at + tokens];
        sequences[tokens] = sequence;
        positions[tokens] = (int32_t)context->positions[sequence];
        context->ids[sequence * program->context + context->positions[sequence]++] = ids[tokens];
        if (is_wanted) output_index[(*outputs)++] = (int32_t)tokens;
    }
    return tokens;
}

ck_status ck_run_step(ck_context *context, int index, int64_t tokens, int64_t outputs, ck_error *error) {
    const ck_program *program = context->model->program;
    const char *name = index == 1 ? "decode" : program->encode ? "encode" : "prefill";
    ck_step_function *function = index == 1 ? program->decode : program->encode ? program->encode : program->prefill;
    ck_watch watch = {.canaries = program->canaries ? &program->canaries[index] : NULL};
    const ck_step step = {
        .weights = context->model->weights,
        .memory = context->memory,
        .tokens = tokens,
        .outputs = outputs,
        .barrier = ck_workers_barrier(context->workers),
        .profile = context->profile,
        .watch = watch.canaries ? &watch : NULL,
    };
    ck_workers_run(context->workers, function, &step);
    return ck_watch_judge(&watch, name, error);
}

ck_status ck_context_eval_batch(ck_context *context, ck_mode mode, const ck_batch *batch, float *logits,
                                ck_error *error) {
    const ck_program *program = context->model->program;
    if (program->encode) {
        return ck_refuse(error, CK_ERROR_ARGUMENT,
                         "%s is an encoder: it gives embeddings and continues no text; accepted: ck embed", program->name);
    }
    atomic_store(&context->stopping, 0);
    if (mode != CK_PREFILL && mode != CK_DECODE) {
        return ck_refuse(error, CK_ERROR_ARGUMENT, "mode is %d; accepted: 0 (prefill) or 1 (decode)", (int)mode);
    }
    if (!batch) return ck_refuse(error, CK_ERROR_ARGUMENT, "ck_context_eval_batch: batch is NULL");
    ck_status status = check_batch(context, batch, logits, error);
    if (status) return status;
    for (int64_t at = 0, row = 0; at < batch->count;) {
        if (atomic_load(&context->stopping)) {
            return ck_refuse(error, CK_ERROR_STOPPED, "stopped after %" PRId64 " of %" PRId64 " tokens", at,
                             batch->count);
        }
        int64_t outputs;
        const int64_t tokens = fill_step(context, mode, batch, at, row, &outputs);
        status = ck_run_step(context, mode == CK_DECODE, tokens, outputs, error);
        if (status) return status;
        at += tokens;
        if (outputs > 0) {
            const size_t values = (size_t)outputs * (size_t)program->vocabulary;
            memcpy(logits + row * program->vocabulary, context->memory + program->logits, values * sizeof *logits);
            row += outputs;
        }
    }
    /* Several tokens at once are a prompt, behind which others may be tried. */
    for (int32_t sequence = 0; sequence < program->sequence_count; sequence++) {
        if (context->counts[sequence] < 2) continue;
        ck_checkpoints_take(context->checkpoints, context->memory, sequence, context->positions[sequence], 0);
    }
    return CK_OK;
}

ck_status ck_context_eval(ck_context *context, ck_mode mode, const int32_t *ids, int64_t count, float *logits,
                          int64_t rows, ck_error *error) {
    const ck_batch batch = {.ids = ids, .count = count, .rows = rows};
    return ck_context_eval_batch(context, mode, &batch, logits, error);
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
