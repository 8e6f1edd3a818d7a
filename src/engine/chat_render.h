/* chat_render.h: the turns of a conversation, and the ids that its template's contract writes them as. */
#ifndef CK_CHAT_RENDER_H
#define CK_CHAT_RENDER_H

#include "chat_contract.h"
#include "chat_text.h"
#include "ck.h"

typedef struct ck_chat_turn {
    int32_t role;
    ck_buffer text;
    size_t opened; /* of an answer: bytes at the start of `text` that the template wrote, not the model */
    int32_t *ids;  /* [id_count] of the rest of `text`, as they were drawn; none: the text is tokenized */
    int64_t id_count;
    int64_t id_capacity;
} ck_chat_turn;

/* In the order [system] (user assistant)*. Zero at first. */
typedef struct ck_chat_turns {
    ck_chat_turn *list;
    int32_t count;
    int32_t capacity;
} ck_chat_turns;

/* These give 0 where there is no memory; nothing has changed then. */
int ck_chat_turns_add(ck_chat_turns *turns, int32_t role, const char *text, size_t bytes);
/* Sets, replaces, or with 0 bytes removes the system text. */
int ck_chat_turns_set_system(ck_chat_turns *turns, const char *text, size_t bytes);
int ck_chat_turn_add_id(ck_chat_turn *turn, int32_t id);
/* Forgets the turns from `count` on. */
void ck_chat_turns_cut(ck_chat_turns *turns, int32_t count);

/* A conversation as ids. Zero but `model` at first. */
typedef struct ck_rendered {
    const ck_model *model;
    int32_t *ids;
    int64_t id_count;
    size_t generation_at; /* where the beginning of the answer stands in `text` */
    ck_buffer text;       /* of the parts that are not ids yet, or that became ids last */
    int64_t *ends;        /* [part_count] as ck_tokenize_parts takes them */
    int32_t *special;
    int32_t part_count;
    int32_t part_capacity;
    int has_failed; /* no memory */
} ck_rendered;

/* Writes the turns, of which the last is an answer that only begins. The date is today's. */
ck_status ck_chat_render(const ck_chat_shape *shape, const ck_chat_turns *turns, ck_rendered *rendered,
                         ck_error *error);
/* What the beginning of the answer has opened: from a start marker of thinking without an end marker behind it. */
ck_span ck_chat_opened(const ck_chat_contract *contract, const ck_rendered *rendered);
void ck_rendered_free(ck_rendered *rendered);

#endif
