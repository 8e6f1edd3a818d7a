/* chat.h: a conversation with a built model, whose chat template is data (chat_contract.h). */
#ifndef CK_CHAT_H
#define CK_CHAT_H

#include "chat_contract.h"
#include "ck.h"

typedef struct ck_chat ck_chat;

typedef enum ck_chat_thinking { CK_THINKING_USUAL, CK_THINKING_ON, CK_THINKING_OFF } ck_chat_thinking;

typedef struct ck_chat_piece {
    int32_t is_thinking; /* 1: what is thought, with its markers; 0: the answer */
    int32_t finish;      /* ck_finish */
    int64_t bytes;       /* of text: whole UTF-8 characters; may be 0 */
    char text[1024];
} ck_chat_piece;

/* A conversation in `context`, which it has for itself until it is closed. Refuses CK_ERROR_TOKENIZER. */
ck_status ck_chat_open(ck_context *context, const ck_chat_contract *contract, ck_chat **chat, ck_error *error);
void ck_chat_close(ck_chat *chat);

/* Forgets the turns; the system text stays. */
void ck_chat_reset(ck_chat *chat);
/* Sets the system text; of 0 bytes: none. Refuses CK_ERROR_ARGUMENT where the template takes none. */
ck_status ck_chat_set_system(ck_chat *chat, const char *text, int64_t bytes, ck_error *error);
/* Refuses CK_ERROR_ARGUMENT where the template lacks it. */
ck_status ck_chat_set_thinking(ck_chat *chat, ck_chat_thinking thinking, ck_error *error);

/* Says a user's text; ck_chat_next then gives the answer. What the context holds of the conversation stays; the rest is
 * evaluated by the first ck_chat_next. After a refusal the conversation is what it was before. */
ck_status ck_chat_send(ck_chat *chat, const char *text, int64_t bytes, const ck_generation_options *options,
                       ck_error *error);
/* The next piece of the answer. After a finish, or a status other than CK_OK, the answer so far is a turn. */
ck_status ck_chat_next(ck_chat *chat, ck_chat_piece *piece, ck_error *error);
/* Tokens of the conversation that the last ck_chat_send found missing in the context. */
int64_t ck_chat_prefilled(const ck_chat *chat);

#endif
