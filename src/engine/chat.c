#include "chat.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "chat_render.h"
#include "engine.h"
#include "refuse.h"
#include "utf8.h"

#define MOST_STOPS 16

struct ck_chat {
    ck_context *context;
    const ck_model *model;
    const ck_chat_contract *contract;
    const ck_chat_shape *shape;
    ck_chat_turns turns;
    int64_t prefilled;
    /* The answer that is being given: the last turn, while `generation` is not NULL. */
    ck_generation *generation;
    ck_thinking thinking;
    int32_t stop_ids[MOST_STOPS];
    int32_t stop_count;
    int32_t finish;
};

ck_status ck_chat_open(ck_context *context, const ck_chat_contract *contract, ck_chat **out, ck_error *error) {
    *out = NULL;
    const ck_model *model = ck_context_model(context);
    if (!model->tokenizer || !contract) {
        return ck_refuse(error, CK_ERROR_TOKENIZER, "%s has no %s, so it cannot chat; continue a text instead",
                         model->info.name, model->tokenizer ? "chat template" : "tokenizer");
    }
    ck_chat *chat = calloc(1, sizeof *chat);
    if (!chat) return ck_refuse(error, CK_ERROR_MEMORY, "no memory for a conversation");
    chat->context = context;
    chat->model = model;
    chat->contract = contract;
    chat->shape = contract->usually_on ? contract->on : contract->off;
    *out = chat;
    return CK_OK;
}

/* Makes what was answered so far a turn; a question without any answer is taken back where `may_undo`. */
static void end_answer(ck_chat *chat, int may_undo) {
    if (!chat->generation) return;
    ck_generation_close(chat->generation);
    chat->generation = NULL;
    ck_chat_turn *answer = &chat->turns.list[chat->turns.count - 1];
    /* Ids of an answer that ended otherwise may be more than its text. */
    if (chat->finish != CK_FINISH_EOS && chat->finish != CK_FINISH_LENGTH && chat->finish != CK_FINISH_CONTEXT) {
        answer->id_count = 0;
    }
    if (may_undo && answer->text.count == answer->opened) ck_chat_turns_cut(&chat->turns, chat->turns.count - 2);
}

void ck_chat_close(ck_chat *chat) {
    if (!chat) return;
    end_answer(chat, 0);
    ck_chat_turns_cut(&chat->turns, 0);
    free(chat->turns.list);
    free(chat->thinking.held.bytes);
    free(chat);
}

void ck_chat_reset(ck_chat *chat) {
    end_answer(chat, 0);
    int32_t kept = chat->turns.count > 0 && chat->turns.list[0].role == CK_ROLE_SYSTEM;
    ck_chat_turns_cut(&chat->turns, kept);
}

/* Some texts a template treats in its own way, which the contract does not say. */
static ck_status check_text(const ck_chat *chat, int32_t role, const char *text, int64_t bytes, ck_error *error) {
    const ck_span span = {text, (size_t)bytes};
    for (const ck_chat_exception *at = chat->contract->exceptions; at->text; at++) {
        if (at->role != role || ck_find_first(span, at->text) == span.count) continue;
        return ck_refuse(error, CK_ERROR_ARGUMENT,
                         "the text has '%s', which the model's chat template treats in a way of its own; accepted: "
                         "text without it",
                         at->text);
    }
    return CK_OK;
}

ck_status ck_chat_set_system(ck_chat *chat, const char *text, int64_t bytes, ck_error *error) {
    end_answer(chat, 0);
    ck_span said = ck_trimmed((ck_span){text, (size_t)bytes}, CK_TRIM_WHITE, CK_TRIM_WHITE);
    if (said.count > 0 && chat->shape->system_place == CK_SYSTEM_REFUSED) {
        return ck_refuse(error, CK_ERROR_ARGUMENT, "the model's chat template takes no system text: %s",
                         chat->shape->system_refusal);
    }
    ck_status status = check_text(chat, CK_ROLE_SYSTEM, text, bytes, error);
    if (status) return status;
    if (!ck_chat_turns_set_system(&chat->turns, text, said.count > 0 ? (size_t)bytes : 0)) {
        return ck_refuse(error, CK_ERROR_MEMORY, "no memory for a system text");
    }
    return CK_OK;
}

ck_status ck_chat_set_thinking(ck_chat *chat, ck_chat_thinking thinking, ck_error *error) {
    const ck_chat_contract *contract = chat->contract;
    int is_on = thinking == CK_THINKING_USUAL ? contract->usually_on : thinking == CK_THINKING_ON;
    const ck_chat_shape *shape = is_on ? contract->on : contract->off;
    if (!shape) {
        return ck_refuse(error, CK_ERROR_ARGUMENT, "the model's chat template has no way to turn thinking %s",
                         is_on ? "on" : "off");
    }
    end_answer(chat, 0);
    chat->shape = shape;
    return CK_OK;
}

/* The ids at which an answer ends, and the texts for markers that are no single token. */
static ck_status find_stops(ck_chat *chat, const char **texts, int32_t *text_count, ck_error *error) {
    chat->stop_count = 0;
    for (const char *const *stop = chat->contract->stops; *stop && chat->stop_count < MOST_STOPS; stop++) {
        int32_t id;
        int64_t count;
        ck_status status =
            ck_tokenize(chat->model, *stop, (int64_t)strlen(*stop), CK_PARSE_SPECIAL, &id, 1, &count, error);
        if (status) return status;
        if (count == 1) chat->stop_ids[chat->stop_count++] = id;
        else if (count > 1 && *text_count < MOST_STOPS) texts[(*text_count)++] = *stop;
    }
    return CK_OK;
}

/* Leaves in the context what it holds of `ids`, and begins to generate behind the rest. */
static ck_status begin(ck_chat *chat, const int32_t *ids, int64_t count, const ck_generation_options *options,
                       ck_error *error) {
    const ck_info *info = ck_model_info(chat->model);
    if (count > info->context) {
        return ck_refuse(error, CK_ERROR_CONTEXT,
                         "a conversation of %" PRId64 " tokens does not fit the context; accepted: at most %" PRId64
                         " (begin anew, or build with a larger --context)",
                         count, info->context);
    }
    const char *texts[MOST_STOPS];
    int32_t text_count = options->stop_count < MOST_STOPS ? options->stop_count : MOST_STOPS;
    if (text_count > 0) memcpy(texts, options->stops, (size_t)text_count * sizeof *texts);
    ck_status status = find_stops(chat, texts, &text_count, error);
    if (status) return status;
    int64_t common;
    status = ck_sequence_match(chat->context, 0, ids, count > 0 ? count - 1 : 0, &common, error);
    if (status) return status;
    ck_generation_options all = *options;
    all.stops = texts;
    all.stop_count = text_count;
    chat->prefilled = count - common;
    return ck_generation_open(chat->context, ids + common, count - common, &all, &chat->generation, error);
}

ck_status ck_chat_send(ck_chat *chat, const char *text, int64_t bytes, const ck_generation_options *options,
                       ck_error *error) {
    if (bytes < 0 || (bytes > 0 && !text) || !options) {
        return ck_refuse(error, CK_ERROR_ARGUMENT, "ck_chat_send: text of %" PRId64 " bytes; accepted: 0 or more",
                         bytes);
    }
    end_answer(chat, 0);
    ck_status status = check_text(chat, CK_ROLE_USER, text, bytes, error);
    if (status) return status;
    const int32_t before = chat->turns.count;
    ck_rendered rendered = {.model = chat->model};
    if (!ck_chat_turns_add(&chat->turns, CK_ROLE_USER, text, (size_t)bytes) ||
        !ck_chat_turns_add(&chat->turns, CK_ROLE_ASSISTANT, "", 0)) {
        status = ck_refuse(error, CK_ERROR_MEMORY, "no memory for a turn");
    }
    if (!status) status = ck_chat_render(chat->shape, &chat->turns, &rendered, error);
    if (!status) status = begin(chat, rendered.ids, rendered.id_count, options, error);
    if (status) {
        ck_chat_turns_cut(&chat->turns, before);
    } else {
        ck_chat_turn *answer = &chat->turns.list[chat->turns.count - 1];
        chat->finish = CK_RUNNING;
        chat->thinking.start = chat->contract->think_start;
        chat->thinking.end = chat->contract->think_end;
        chat->thinking.held.count = 0;
        chat->thinking.is_over = 0;
        /* What the beginning of the answer opens belongs to the answer as the template sees it later. */
        ck_span opened = ck_chat_opened(chat->contract, &rendered);
        chat->thinking.state = opened.count > 0 ? CK_THINKS : CK_BEGINS;
        if (ck_buffer_add(&answer->text, opened.bytes, opened.count)) answer->opened = opened.count;
    }
    ck_rendered_free(&rendered);
    return status;
}

/* The text of a token that ends the answer is not part of it. */
static int is_stop(const ck_chat *chat, int32_t id) {
    for (int32_t i = 0; i < chat->stop_count; i++) {
        if (chat->stop_ids[i] == id) return 1;
    }
    return 0;
}

/* Control tokens have no text of their own, but the markers of thinking must be seen. */
static const char *marker_of(const ck_chat *chat, const ck_piece *piece) {
    const char *markers[] = {chat->contract->think_start, chat->contract->think_end};
    for (int i = 0; i < 2 && piece->bytes == 0 && piece->id >= 0; i++) {
        int32_t id;
        int64_t count;
        if (!markers[i]) continue;
        ck_status status = ck_tokenize(chat->model, markers[i], (int64_t)strlen(markers[i]), CK_PARSE_SPECIAL, &id, 1,
                                       &count, NULL);
        if (!status && count == 1 && id == piece->id) return markers[i];
    }
    return NULL;
}

/* Draws one token more and adds its text to the answer. */
static ck_status draw(ck_chat *chat, ck_error *error) {
    ck_piece piece;
    ck_status status = ck_generation_next(chat->generation, &piece, error);
    if (status) return status;
    chat->finish = piece.finish;
    ck_chat_turn *answer = &chat->turns.list[chat->turns.count - 1];
    if (piece.id >= 0 && is_stop(chat, piece.id)) {
        piece.bytes = 0;
        chat->finish = CK_FINISH_EOS;
    } else if (piece.id >= 0 && piece.finish != CK_FINISH_EOS && !ck_chat_turn_add_id(answer, piece.id)) {
        return ck_refuse(error, CK_ERROR_MEMORY, "no memory for an answer");
    }
    const char *marker = marker_of(chat, &piece);
    const char *text = marker ? marker : piece.text;
    size_t bytes = marker ? strlen(marker) : (size_t)piece.bytes;
    if (!ck_buffer_add(&answer->text, text, bytes) || !ck_buffer_add(&chat->thinking.held, text, bytes)) {
        return ck_refuse(error, CK_ERROR_MEMORY, "no memory for an answer");
    }
    chat->thinking.is_over = chat->finish != CK_RUNNING;
    return CK_OK;
}

ck_status ck_chat_next(ck_chat *chat, ck_chat_piece *piece, ck_error *error) {
    if (!chat->generation) return ck_refuse(error, CK_ERROR_ARGUMENT, "no answer is being given; send a text first");
    piece->is_thinking = 0;
    piece->finish = CK_RUNNING;
    size_t ready = ck_thinking_ready(&chat->thinking, &piece->is_thinking);
    if (ready == 0 && chat->finish == CK_RUNNING) {
        ck_status status = draw(chat, error);
        if (status) {
            end_answer(chat, 1);
            return status;
        }
        ready = ck_thinking_ready(&chat->thinking, &piece->is_thinking);
    }
    if (ready > sizeof piece->text) {
        ready = (size_t)ck_utf8_whole((const uint8_t *)chat->thinking.held.bytes, (int64_t)sizeof piece->text);
    }
    if (ready > 0) memcpy(piece->text, chat->thinking.held.bytes, ready);
    ck_buffer_drop(&chat->thinking.held, ready);
    piece->bytes = (int64_t)ready;
    if (chat->finish != CK_RUNNING && chat->thinking.held.count == 0) {
        piece->finish = chat->finish;
        end_answer(chat, 0);
    }
    return CK_OK;
}

int64_t ck_chat_prefilled(const ck_chat *chat) {
    return chat->prefilled;
}
