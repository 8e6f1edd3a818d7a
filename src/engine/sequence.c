/* sequence.c: which tokens the sequences of a context hold. */
#include <inttypes.h>
#include <string.h>

#include "context.h"
#include "refuse.h"
#include "states.h"

ck_status ck_check_sequence(const ck_context *context, int32_t sequence, ck_error *error) {
    const int32_t sequences = context->model->program->sequence_count;
    if (sequence >= 0 && sequence < sequences) return CK_OK;
    return ck_refuse(error, CK_ERROR_ARGUMENT,
                     "sequence %" PRId32 " of %" PRId32 "; accepted: 0 to %" PRId32 " (build with more --sequences)",
                     sequence, sequences, sequences - 1);
}

int64_t ck_sequence_position(const ck_context *context, int32_t sequence) {
    return ck_check_sequence(context, sequence, NULL) ? -1 : context->positions[sequence];
}

int64_t ck_context_position(const ck_context *context) {
    return context->positions[0];
}

const int32_t *ck_sequence_ids(const ck_context *context, int32_t sequence) {
    return context->ids + sequence * context->model->program->context;
}

static ck_status check_position(const ck_context *context, int32_t sequence, int64_t position, ck_error *error) {
    ck_status status = ck_check_sequence(context, sequence, error);
    if (status) return status;
    const int64_t held = context->positions[sequence];
    if (position < 0 || position > held) {
        return ck_refuse(error, CK_ERROR_ARGUMENT,
                         "position is %" PRId64 "; accepted: 0 to the %" PRId64 " tokens held", position, held);
    }
    if (ck_sequence_restorable(context, sequence, position) != position) {
        return ck_refuse(error, CK_ERROR_ARGUMENT,
                         "position is %" PRId64 ", and the state of this model goes back only to checkpoints; the nearest"
                         " positions accepted: %" PRId64 " and %" PRId64,
                         position, ck_checkpoints_below(context->checkpoints, sequence, position),
                         ck_checkpoints_above(context->checkpoints, sequence, position, held));
    }
    return CK_OK;
}

int64_t ck_sequence_restorable(const ck_context *context, int32_t sequence, int64_t position) {
    if (ck_check_sequence(context, sequence, NULL)) return -1;
    const int64_t held = context->positions[sequence];
    if (position <= 0) return 0;
    return position >= held ? held : ck_checkpoints_below(context->checkpoints, sequence, position);
}

ck_status ck_sequence_checkpoint(ck_context *context, int32_t sequence, ck_error *error) {
    ck_status status = ck_check_sequence(context, sequence, error);
    if (status) return status;
    ck_checkpoints_take(context->checkpoints, context->memory, sequence, context->positions[sequence], 1);
    return CK_OK;
}

ck_status ck_context_checkpoint(ck_context *context, ck_error *error) {
    return ck_sequence_checkpoint(context, 0, error);
}

ck_status ck_sequence_rewind(ck_context *context, int32_t sequence, int64_t position, ck_error *error) {
    ck_status status = check_position(context, sequence, position, error);
    if (status) return status;
    if (position < context->positions[sequence]) {
        ck_checkpoints_restore(context->checkpoints, context->memory, sequence, position, sequence);
    }
    if (position == 0) ck_states_clear(context->model->program, context->memory, sequence);
    ck_checkpoints_drop(context->checkpoints, sequence, position);
    context->positions[sequence] = position;
    return CK_OK;
}

ck_status ck_context_rewind(ck_context *context, int64_t position, ck_error *error) {
    return ck_sequence_rewind(context, 0, position, error);
}

ck_status ck_sequence_match(ck_context *context, int32_t sequence, const int32_t *ids, int64_t count, int64_t *kept,
                            ck_error *error) {
    ck_status status = ck_check_sequence(context, sequence, error);
    if (status) return status;
    if (count < 0 || (count > 0 && !ids) || !kept) {
        return ck_refuse(error, CK_ERROR_ARGUMENT, "%" PRId64 " token ids; accepted: 0 or more", count);
    }
    const int32_t *held = ck_sequence_ids(context, sequence);
    int64_t same = 0;
    while (same < count && same < context->positions[sequence] && ids[same] == held[same]) same++;
    *kept = ck_sequence_restorable(context, sequence, same);
    return ck_sequence_rewind(context, sequence, *kept, error);
}

ck_status ck_sequence_copy(ck_context *context, int32_t from, int32_t to, int64_t tokens, ck_error *error) {
    ck_status status = check_position(context, from, tokens, error);
    if (!status) status = ck_check_sequence(context, to, error);
    if (status) return status;
    if (from == to) return ck_sequence_rewind(context, to, tokens, error);
    const ck_program *program = context->model->program;
    if (tokens == 0) return ck_sequence_rewind(context, to, 0, error);
    ck_states_copy(program, context->memory, from, to, tokens);
    if (tokens < context->positions[from]) {
        ck_checkpoints_restore(context->checkpoints, context->memory, from, tokens, to);
    }
    ck_checkpoints_drop(context->checkpoints, to, 0);
    int32_t *ids = context->ids + to * program->context;
    memcpy(ids, ck_sequence_ids(context, from), (size_t)tokens * sizeof *ids);
    context->positions[to] = tokens;
    return CK_OK;
}
