/* engine.h: what the engine's own files know of a model. */
#ifndef CK_ENGINE_H
#define CK_ENGINE_H

#include "ck.h"
#include "program.h"
#include "tokenizer.h"

struct ck_model {
    const ck_program *program;
    const uint8_t *file; /* the whole weights file, mapped read-only */
    uint64_t file_bytes;
    const uint8_t *weights;     /* in file */
    ck_bump_header header;      /* checked */
    ck_tokenizer *tokenizer;    /* NULL: none */
    ck_info info;
};

const ck_model *ck_context_model(const ck_context *context);
/* NULL: no profile build. */
struct ck_profile *ck_context_counters(const ck_context *context);
/* Every id that an existing sequence holds, oldest first: [ck_sequence_position]. */
const int32_t *ck_sequence_ids(const ck_context *context, int32_t sequence);

#endif
