/* encode.c: an encoder's embedding of a whole text, in one step. */
#include <inttypes.h>
#include <string.h>

#include "context.h"
#include "refuse.h"

ck_status ck_context_embed(ck_context *context, const int32_t *ids, int64_t count, float *embedding, ck_error *error) {
    const ck_program *program = context->model->program;
    if (!program->encode) {
        return ck_refuse(error, CK_ERROR_ARGUMENT,
                         "%s continues text and gives no embeddings; accepted: a model built from an encoder",
                         program->name);
    }
    if (count < 1 || !ids || !embedding) {
        return ck_refuse(error, CK_ERROR_ARGUMENT, "%" PRId64 " token ids to embed; accepted: 1 or more", count);
    }
    const ck_batch batch = {.ids = ids, .count = count};
    ck_status status = ck_check_tokens(context, &batch, error);
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
    status = ck_run_step(context, 0, count, 1, error);
    if (status) return status;
    memcpy(embedding, memory + program->embedding, (size_t)program->embedding_width * sizeof *embedding);
    return CK_OK;
}
