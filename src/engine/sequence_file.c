/* sequence_file.c: a sequence of a context in a file: its ids, and the bytes of its states up to its position. */
#if !defined(_GNU_SOURCE)
#define _GNU_SOURCE 1
#endif
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "context.h"
#include "crc32.h"
#include "mapping.h"
#include "refuse.h"
#include "states.h"

#define SAVED_MAGIC "CKTOKENS"
enum { SAVED_VERSION = 1, STAGE_BYTES = 1 << 20 };

/* Little-endian, 128 bytes. Behind it the ids, int32 [tokens], then the runs of each state in the program's order. */
typedef struct saved_header {
    char magic[8];
    uint32_t version;
    uint32_t header_crc32; /* of bytes 16 .. 127 */
    uint8_t weights_id[32];
    uint8_t state_id[32];
    uint32_t weights_crc32; /* of the weights file that computed it */
    uint32_t body_crc32;
    uint64_t file_bytes;
    int64_t tokens;
    uint8_t zero[24];
} saved_header;

_Static_assert(sizeof(saved_header) == 128, "the header has no padding");

static uint64_t body_bytes(const ck_program *program, int64_t tokens) {
    return (uint64_t)tokens * sizeof(int32_t) + ck_states_bytes(program, tokens);
}

static saved_header header_of(const ck_context *context, int64_t tokens) {
    const ck_program *program = context->model->program;
    saved_header header = {
        .magic = SAVED_MAGIC,
        .version = SAVED_VERSION,
        .weights_crc32 = context->model->header.weights_crc32,
        .file_bytes = sizeof header + body_bytes(program, tokens),
        .tokens = tokens,
    };
    memcpy(header.weights_id, program->weights_id, sizeof header.weights_id);
    memcpy(header.state_id, program->state_id, sizeof header.state_id);
    return header;
}

static uint32_t crc_of_header(const saved_header *header) {
    return ck_crc32((const uint8_t *)header + 16, sizeof *header - 16);
}

/* The body on its way to the file, in pieces that are worth a checksum. */
typedef struct writer {
    FILE *file;
    uint8_t *stage; /* [STAGE_BYTES] */
    size_t staged;
    uint32_t crc;
    int has_failed;
} writer;

static void flush(writer *w) {
    w->crc = ck_crc32_more(w->crc, w->stage, w->staged);
    if (fwrite(w->stage, 1, w->staged, w->file) != w->staged) w->has_failed = 1;
    w->staged = 0;
}

static void put(writer *w, const uint8_t *bytes, uint64_t count) {
    while (count > 0) {
        const size_t room = STAGE_BYTES - w->staged;
        const size_t piece = count < room ? (size_t)count : room;
        memcpy(w->stage + w->staged, bytes, piece);
        w->staged += piece;
        bytes += piece;
        count -= piece;
        if (w->staged == STAGE_BYTES) flush(w);
    }
}

/* `panel` has room for the largest mixed panel. */
static void put_body(writer *w, const ck_context *context, int32_t sequence, uint8_t *panel) {
    const ck_program *program = context->model->program;
    const int64_t tokens = context->positions[sequence];
    put(w, (const uint8_t *)ck_sequence_ids(context, sequence), (uint64_t)tokens * sizeof(int32_t));
    for (int32_t i = 0; i < program->state_count; i++) {
        const ck_state *state = &program->states[i];
        for (int64_t r = 0; r < ck_state_runs(state); r++) {
            const ck_state_run run = ck_state_run_of(state, sequence, r, tokens);
            const uint8_t *bytes = context->memory + run.offset;
            put(w, bytes, run.bytes - run.mixed);
            if (run.mixed == 0) continue;
            memcpy(panel, bytes + run.bytes - run.mixed, (size_t)run.mixed);
            ck_state_mask(state, tokens, panel);
            put(w, panel, run.mixed);
        }
    }
    flush(w);
}

static uint64_t largest_mixed(const ck_program *program, int64_t tokens) {
    uint64_t most = 1;
    for (int32_t i = 0; i < program->state_count; i++) {
        const uint64_t mixed = ck_state_run_of(&program->states[i], 0, 0, tokens).mixed;
        if (mixed > most) most = mixed;
    }
    return most;
}

static int write_file(FILE *file, const ck_context *context, int32_t sequence, uint8_t *stage, uint8_t *panel) {
    saved_header header = header_of(context, context->positions[sequence]);
    writer w = {.file = file, .stage = stage};
    if (fwrite(&header, 1, sizeof header, file) != sizeof header) return 0;
    put_body(&w, context, sequence, panel);
    header.body_crc32 = w.crc;
    header.header_crc32 = crc_of_header(&header);
    return !w.has_failed && fseek(file, 0, SEEK_SET) == 0 && fwrite(&header, 1, sizeof header, file) == sizeof header;
}

/* Writes to a name of its own beside `path`, so that no reader sees half a file, and renames. */
static ck_status write_beside(const ck_context *context, int32_t sequence, const char *path, char *beside,
                              uint8_t *stage, uint8_t *panel, ck_error *error) {
    snprintf(beside, strlen(path) + 8, "%s.XXXXXX", path);
    const int descriptor = mkstemp(beside);
    FILE *file = descriptor < 0 ? NULL : fdopen(descriptor, "wb");
    int is_written = file && write_file(file, context, sequence, stage, panel);
    int cause = errno;
    if (file && fclose(file) != 0) {
        if (is_written) cause = errno;
        is_written = 0;
    }
    if (!file && descriptor >= 0) close(descriptor);
    if (is_written && rename(beside, path) == 0) return CK_OK;
    if (is_written) cause = errno;
    if (descriptor >= 0) unlink(beside);
    return ck_refuse(error, CK_ERROR_FILE, "%s: cannot be written (%s); nothing was left behind", path,
                     strerror(cause));
}

ck_status ck_sequence_save(const ck_context *context, int32_t sequence, const char *path, ck_error *error) {
    ck_status status = ck_check_sequence(context, sequence, error);
    if (status) return status;
    if (!path || !*path) return ck_refuse(error, CK_ERROR_ARGUMENT, "the path is empty; accepted: that of a file");
    const uint64_t mixed = largest_mixed(context->model->program, context->positions[sequence]);
    char *beside = malloc(strlen(path) + 8);
    uint8_t *stage = malloc(STAGE_BYTES);
    uint8_t *panel = malloc((size_t)mixed);
    status = beside && stage && panel ? write_beside(context, sequence, path, beside, stage, panel, error)
                                      : ck_refuse(error, CK_ERROR_MEMORY, "%s: no memory to write it", path);
    free(beside);
    free(stage);
    free(panel);
    return status;
}

/* The header and the size of the file: is it one of ours, whole, and of this model? */
static ck_status check_header(const ck_context *context, const char *path, const saved_header *header, uint64_t bytes,
                              ck_error *error) {
    if (memcmp(header->magic, SAVED_MAGIC, sizeof header->magic) != 0 || header->version != SAVED_VERSION) {
        return ck_refuse(error, CK_ERROR_FORMAT,
                         "%s: is no file of saved tokens; accepted: " SAVED_MAGIC " of version %d", path,
                         SAVED_VERSION);
    }
    if (header->file_bytes != bytes || header->header_crc32 != crc_of_header(header)) {
        return ck_refuse(error, CK_ERROR_FORMAT, "%s: the file is damaged or cut off; save it again", path);
    }
    const ck_model *model = context->model;
    const size_t id_bytes = sizeof header->state_id;
    if (memcmp(header->weights_id, model->program->weights_id, id_bytes) != 0 ||
        header->weights_crc32 != model->header.weights_crc32) {
        return ck_refuse(error, CK_ERROR_FORMAT, "%s: was saved by another model; accepted: by this one (%s)", path,
                         model->program->name);
    }
    if (memcmp(header->state_id, model->program->state_id, id_bytes) != 0) {
        return ck_refuse(error, CK_ERROR_FORMAT,
                         "%s: was saved by another build of this model; accepted: one with the same target, cache type "
                         "and strictness",
                         path);
    }
    if (header->tokens < 0 || header->tokens > model->program->context) {
        return ck_refuse(error, CK_ERROR_CONTEXT,
                         "%s: holds %" PRId64 " tokens, which do not fit the context; accepted: at most %" PRId64
                         " (build with a larger --context)",
                         path, header->tokens, model->program->context);
    }
    return CK_OK;
}

static ck_status check_file(const ck_context *context, const char *path, const uint8_t *file, uint64_t bytes,
                            saved_header *header, ck_error *error) {
    if (bytes < sizeof *header) {
        return ck_refuse(error, CK_ERROR_FORMAT,
                         "%s: has %" PRIu64 " bytes; a file of saved tokens has at least %zu", path, bytes,
                         sizeof *header);
    }
    memcpy(header, file, sizeof *header);
    ck_status status = check_header(context, path, header, bytes, error);
    if (status) return status;
    const ck_program *program = context->model->program;
    const uint64_t body = bytes - sizeof *header;
    if (body != body_bytes(program, header->tokens) || ck_crc32(file + sizeof *header, body) != header->body_crc32) {
        return ck_refuse(error, CK_ERROR_FORMAT, "%s: the file is damaged or cut off; save it again", path);
    }
    for (int64_t i = 0; i < header->tokens; i++) {
        int32_t id;
        memcpy(&id, file + sizeof *header + (size_t)i * sizeof id, sizeof id);
        if (id >= 0 && id < program->vocabulary) continue;
        return ck_refuse(error, CK_ERROR_FORMAT,
                         "%s: token id %" PRId32 " at position %" PRId64
                         " is outside the vocabulary; accepted: 0 to %" PRId64,
                         path, id, i, program->vocabulary - 1);
    }
    return CK_OK;
}

/* From a file that was checked. */
static void take_body(ck_context *context, int32_t sequence, int64_t tokens, const uint8_t *body) {
    const ck_program *program = context->model->program;
    const size_t id_bytes = (size_t)tokens * sizeof(int32_t);
    if (id_bytes > 0) memcpy(context->ids + sequence * program->context, body, id_bytes);
    body += id_bytes;
    for (int32_t i = 0; i < program->state_count; i++) {
        const ck_state *state = &program->states[i];
        for (int64_t r = 0; r < ck_state_runs(state); r++) {
            const ck_state_run run = ck_state_run_of(state, sequence, r, tokens);
            if (run.bytes > 0) memcpy(context->memory + run.offset, body, (size_t)run.bytes);
            body += run.bytes;
        }
    }
    context->positions[sequence] = tokens;
    ck_checkpoints_drop(context->checkpoints, sequence, 0);
    ck_checkpoints_take(context->checkpoints, context->memory, sequence, tokens, 0);
}

ck_status ck_sequence_load(ck_context *context, int32_t sequence, const char *path, ck_error *error) {
    ck_status status = ck_check_sequence(context, sequence, error);
    if (status) return status;
    if (!path || !*path) return ck_refuse(error, CK_ERROR_ARGUMENT, "the path is empty; accepted: that of a file");
    const uint8_t *file;
    uint64_t bytes;
    status = ck_map_file(path, &file, &bytes, error);
    if (status) return status;
    saved_header header;
    status = check_file(context, path, file, bytes, &header, error);
    if (!status) take_body(context, sequence, header.tokens, file + sizeof header);
    ck_unmap_file(file, bytes);
    return status;
}
