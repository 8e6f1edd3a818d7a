#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "canaries.h"
#include "cpu.h"
#include "crc32.h"
#include "engine.h"
#include "mapping.h"
#include "refuse.h"
#include "states.h"

#define BUMP_MAGIC "CKWEIGHT"
#define BUMP_VERSION 1
#define BUMP_ALIGNMENT 4096

_Static_assert(sizeof(ck_bump_header) == 128, "the header of weights.bump is 128 bytes");

static int region_fits(uint64_t offset, uint64_t bytes, uint64_t file_bytes) {
    return offset % BUMP_ALIGNMENT == 0 && offset >= BUMP_ALIGNMENT && offset <= file_bytes &&
           bytes <= file_bytes - offset;
}

static int regions_overlap(uint64_t a, uint64_t a_bytes, uint64_t b, uint64_t b_bytes) {
    return a < b + b_bytes && b < a + a_bytes;
}

/* Everything but the contents of the two regions. `path` is for the messages. */
static ck_status check_header(const ck_model *model, const char *path, ck_error *error) {
    const ck_bump_header *header = &model->header;
    if (memcmp(header->magic, BUMP_MAGIC, sizeof header->magic) != 0) {
        return ck_refuse(error, CK_ERROR_FORMAT,
                         "%s: does not begin with " BUMP_MAGIC "; a weights.bump file is accepted", path);
    }
    if (header->version != BUMP_VERSION) {
        return ck_refuse(error, CK_ERROR_FORMAT, "%s at byte 8: version is %" PRIu32 "; accepted: %d", path,
                         header->version, BUMP_VERSION);
    }
    uint32_t crc = ck_crc32(model->file + 16, sizeof *header - 16);
    if (crc != header->header_crc32) {
        return ck_refuse(error, CK_ERROR_FORMAT,
                         "%s at byte 12: the header's checksum is %08" PRIx32 " and its contents give %08" PRIx32
                         "; the file is damaged",
                         path, header->header_crc32, crc);
    }
    if (header->file_bytes != model->file_bytes) {
        return ck_refuse(error, CK_ERROR_FORMAT, "%s at byte 48: says %" PRIu64 " bytes and the file has %" PRIu64,
                         path, header->file_bytes, model->file_bytes);
    }
    if (!region_fits(header->weights_offset, header->weights_bytes, header->file_bytes)) {
        return ck_refuse(error, CK_ERROR_FORMAT,
                         "%s at byte 56: weights at %" PRIu64 " of %" PRIu64
                         " bytes; accepted: a multiple of %d inside the file's %" PRIu64 " bytes",
                         path, header->weights_offset, header->weights_bytes, BUMP_ALIGNMENT, header->file_bytes);
    }
    uint64_t tables = header->tokenizer_bytes;
    uint64_t tables_at = header->tokenizer_offset;
    if ((tables > 0 || tables_at > 0) &&
        (tables == 0 || !region_fits(tables_at, tables, header->file_bytes) ||
         regions_overlap(tables_at, tables, header->weights_offset, header->weights_bytes))) {
        return ck_refuse(error, CK_ERROR_FORMAT,
                         "%s at byte 80: tokenizer at %" PRIu64 " of %" PRIu64
                         " bytes; accepted: 0 of 0, or a multiple of %d inside the file's %" PRIu64
                         " bytes and outside the weights",
                         path, tables_at, tables, BUMP_ALIGNMENT, header->file_bytes);
    }
    for (size_t i = 0; i < sizeof header->zero; i++) {
        if (header->zero[i] != 0) {
            return ck_refuse(error, CK_ERROR_FORMAT, "%s at byte %zu: is %d; accepted: 0", path,
                             offsetof(ck_bump_header, zero) + i, header->zero[i]);
        }
    }
    return CK_OK;
}

/* The file belongs to this program. */
static ck_status check_match(const ck_model *model, const char *path, ck_error *error) {
    const ck_program *program = model->program;
    if (memcmp(model->header.weights_id, program->weights_id, sizeof program->weights_id) != 0) {
        return ck_refuse(error, CK_ERROR_FORMAT,
                         "%s: holds the weights of another build; accepted: the file that was written with this "
                         "program (%s)",
                         path, program->name);
    }
    if (model->header.weights_bytes != program->weights_bytes) {
        return ck_refuse(error, CK_ERROR_FORMAT,
                         "%s at byte 64: has %" PRIu64 " bytes of weights; accepted: %" PRIu64, path,
                         model->header.weights_bytes, program->weights_bytes);
    }
    return CK_OK;
}

/* A generated table with an impossible number would write outside the context's memory. */
static int program_is_sound(const ck_program *p) {
    uint64_t tokens = (uint64_t)(p->prefill_tokens > p->decode_tokens ? p->prefill_tokens : p->decode_tokens);
    const uint64_t limit = UINT64_C(1) << 31;
    if (p->vocabulary < 1 || p->context < 1 || p->sequence_count < 1) return 0;
    if (p->prefill_tokens < 1 || p->decode_tokens < 1 || p->output_rows < 1) return 0;
    if ((uint64_t)p->vocabulary >= limit || (uint64_t)p->context >= limit || tokens >= limit ||
        (uint64_t)p->output_rows >= limit || (uint64_t)p->embedding_width >= limit) {
        return 0;
    }
    const struct {
        uint64_t offset, bytes;
    } regions[] = {
        {p->ids, 4 * tokens},
        {p->positions, 4 * tokens},
        {p->sequences, 4 * tokens},
        {p->output_index, 4 * (uint64_t)p->output_rows},
        {p->logits, p->encode ? 0 : 4 * (uint64_t)p->output_rows * (uint64_t)p->vocabulary},
        {p->types, 4 * tokens},
        {p->last, 4 * tokens},
        {p->embedding, 4 * (uint64_t)p->embedding_width},
    };
    for (size_t i = 0; i < sizeof regions / sizeof regions[0]; i++) {
        if (regions[i].offset % 4 != 0 || regions[i].offset > p->memory_bytes ||
            regions[i].bytes > p->memory_bytes - regions[i].offset) {
            return 0;
        }
    }
    /* A text is encoded in one step. */
    const int is_encoder = p->encode && p->embedding_width > 0 && tokens >= (uint64_t)p->context;
    return p->state_bytes <= p->memory_bytes && (p->encode ? is_encoder : p->prefill && p->decode) &&
           ck_states_are_sound(p) && ck_canaries_are_sound(p->canaries, p->encode ? 1 : 2, p->memory_bytes);
}

static ck_status check_program(const ck_program *program, ck_error *error) {
    if (program->abi != CK_ABI_VERSION) {
        return ck_refuse(error, CK_ERROR_FORMAT, "the program was generated for engine ABI %" PRIu32 "; accepted: %d",
                         program->abi, CK_ABI_VERSION);
    }
    char missing[256];
    if (ck_cpu_missing(program->cpu_features, missing, sizeof missing) > 0) {
        return ck_refuse(error, CK_ERROR_CPU,
                         "%s was built for %s, and this CPU lacks %s; build it for this machine (--target native)",
                         program->name, program->target, missing);
    }
    if (!program_is_sound(program)) {
        return ck_refuse(error, CK_ERROR_FORMAT,
                         "the program of %s has sizes that contradict each other; build it again", program->name);
    }
    return CK_OK;
}

static ck_status open_tokenizer(ck_model *model, const char *path, ck_error *error) {
    const ck_bump_header *header = &model->header;
    if (header->tokenizer_bytes == 0) return CK_OK;
    const uint8_t *tables = model->file + header->tokenizer_offset;
    uint32_t crc = ck_crc32(tables, header->tokenizer_bytes);
    if (crc != header->tokenizer_crc32) {
        return ck_refuse(error, CK_ERROR_FORMAT,
                         "%s at byte %" PRIu64 ": the tokenizer's checksum is %08" PRIx32
                         " and its contents give %08" PRIx32 "; the file is damaged",
                         path, header->tokenizer_offset, header->tokenizer_crc32, crc);
    }
    return ck_tokenizer_open(tables, header->tokenizer_bytes, &model->tokenizer, error);
}

static ck_status open_file(ck_model *model, const char *path, ck_error *error) {
    ck_status status = ck_map_file(path, &model->file, &model->file_bytes, error);
    if (status) return status;
    if (model->file_bytes < sizeof model->header) {
        return ck_refuse(error, CK_ERROR_FORMAT, "%s: has %" PRIu64 " bytes; a weights.bump file has at least %zu",
                         path, model->file_bytes, sizeof model->header);
    }
    memcpy(&model->header, model->file, sizeof model->header);
    if ((status = check_header(model, path, error))) return status;
    if ((status = check_match(model, path, error))) return status;
    model->weights = model->file + model->header.weights_offset;
    return open_tokenizer(model, path, error);
}

static ck_info describe(const ck_model *model) {
    const ck_program *program = model->program;
    const ck_tokenizer *tokenizer = model->tokenizer;
    return (ck_info){
        .name = program->name,
        .target = program->target,
        .vocabulary = program->vocabulary,
        .context = program->context,
        .sequences = program->sequence_count,
        .prefill_tokens = program->prefill_tokens,
        .output_rows = program->output_rows,
        .weights_bytes = program->weights_bytes,
        .context_bytes = program->memory_bytes,
        .has_tokenizer = tokenizer != NULL,
        .bos = tokenizer ? ck_tokenizer_bos(tokenizer) : -1,
        .eos = tokenizer ? ck_tokenizer_eos(tokenizer) : -1,
        .embedding = program->embedding_width,
    };
}

ck_status ck_model_open(const char *weights_path, ck_model **out, ck_error *error) {
    if (!out) return ck_refuse(error, CK_ERROR_ARGUMENT, "ck_model_open: model is NULL");
    *out = NULL;
    if (!weights_path) return ck_refuse(error, CK_ERROR_ARGUMENT, "ck_model_open: weights_path is NULL");
    ck_status status = check_program(&ck_model_program, error);
    if (status) return status;
    ck_model *model = calloc(1, sizeof *model);
    if (!model) return ck_refuse(error, CK_ERROR_MEMORY, "no memory for a model");
    model->program = &ck_model_program;
    status = open_file(model, weights_path, error);
    if (status) {
        ck_model_close(model);
        return status;
    }
    model->info = describe(model);
    *out = model;
    return CK_OK;
}

void ck_model_close(ck_model *model) {
    if (!model) return;
    if (model->tokenizer) ck_tokenizer_close(model->tokenizer);
    ck_unmap_file(model->file, model->file_bytes);
    free(model);
}

const ck_info *ck_model_info(const ck_model *model) {
    return &model->info;
}

ck_status ck_model_verify(const ck_model *model, ck_error *error) {
    const ck_bump_header *header = &model->header;
    const struct {
        const char *what;
        uint64_t offset, bytes;
        uint32_t crc;
    } parts[] = {
        {"header", 16, sizeof *header - 16, header->header_crc32},
        {"weights", header->weights_offset, header->weights_bytes, header->weights_crc32},
        {"tokenizer", header->tokenizer_offset, header->tokenizer_bytes, header->tokenizer_crc32},
    };
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        if (parts[i].bytes == 0) continue;
        uint32_t crc = ck_crc32(model->file + parts[i].offset, parts[i].bytes);
        if (crc != parts[i].crc) {
            return ck_refuse(error, CK_ERROR_FORMAT,
                             "weights file at byte %" PRIu64 ": the checksum of the %s is %08" PRIx32
                             " and its contents give %08" PRIx32 "; the file is damaged",
                             parts[i].offset, parts[i].what, parts[i].crc, crc);
        }
    }
    return CK_OK;
}
