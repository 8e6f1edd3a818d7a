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
    if (position > 0 && position < held && ck_states_are_whole(context->model->program)) {
        return ck_refuse(error, CK_ERROR_ARGUMENT,
                         "position is %" PRId64 ", and the state of this model cannot go back; accepted: 0 or the %" PRId64
                         " tokens held",
                         position, held);
    }
    return CK_OK;
}

ck_status ck_sequence_rewind(ck_context *context, int32_t sequence, int64_t position, ck_error *error) {
    ck_status status = check_position(context, sequence, position, error);
    if (status) return status;
    context->positions[sequence] = position;
    if (position == 0) ck_states_clear(context->model->program, context->memory, sequence);
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
    if (check_position(context, sequence, same, NULL)) same = 0;
    *kept = same;
    return ck_sequence_rewind(context, sequence, same, error);
}

ck_status ck_sequence_copy(ck_context *context, int32_t from, int32_t to, int64_t tokens, ck_error *error) {
    ck_status status = check_position(context, from, tokens, error);
    if (!status) status = ck_check_sequence(context, to, error);
    if (status) return status;
    if (from == to) return ck_sequence_rewind(context, to, tokens, error);
    const ck_program *program = context->model->program;
    if (tokens == 0) return ck_sequence_rewind(context, to, 0, error);
    ck_states_copy(program, context->memory, from, to, tokens);
    int32_t *ids = context->ids + to * program->context;
    memcpy(ids, ck_sequence_ids(context, from), (size_t)tokens * sizeof *ids);
    context->positions[to] = tokens;
    return CK_OK;
}
