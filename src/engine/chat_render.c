#if !defined(_POSIX_C_SOURCE)
#define _POSIX_C_SOURCE 200809L
#endif
#include "chat_render.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "refuse.h"

int ck_chat_turns_add(ck_chat_turns *turns, int32_t role, const char *text, size_t bytes) {
    if (turns->count == turns->capacity) {
        int32_t capacity = turns->capacity ? 2 * turns->capacity : 8;
        ck_chat_turn *larger = realloc(turns->list, (size_t)capacity * sizeof *larger);
        if (!larger) return 0;
        turns->list = larger;
        turns->capacity = capacity;
    }
    ck_chat_turn turn = {.role = role};
    if (!ck_buffer_add(&turn.text, text, bytes)) return 0;
    turns->list[turns->count++] = turn;
    return 1;
}

int ck_chat_turns_set_system(ck_chat_turns *turns, const char *text, size_t bytes) {
    int has = turns->count > 0 && turns->list[0].role == CK_ROLE_SYSTEM;
    if (bytes > 0) {
        if (!ck_chat_turns_add(turns, CK_ROLE_SYSTEM, text, bytes)) return 0;
        ck_chat_turn added = turns->list[--turns->count];
        if (has) free(turns->list[0].text.bytes);
        else memmove(turns->list + 1, turns->list, (size_t)turns->count++ * sizeof *turns->list);
        turns->list[0] = added;
    } else if (has) {
        free(turns->list[0].text.bytes);
        memmove(turns->list, turns->list + 1, (size_t)--turns->count * sizeof *turns->list);
    }
    return 1;
}

int ck_chat_turn_add_id(ck_chat_turn *turn, int32_t id) {
    if (turn->id_count == turn->id_capacity) {
        int64_t capacity = turn->id_capacity ? 2 * turn->id_capacity : 64;
        int32_t *larger = realloc(turn->ids, (size_t)capacity * sizeof *larger);
        if (!larger) return 0;
        turn->ids = larger;
        turn->id_capacity = capacity;
    }
    turn->ids[turn->id_count++] = id;
    return 1;
}

void ck_chat_turns_cut(ck_chat_turns *turns, int32_t count) {
    while (turns->count > count && turns->count > 0) {
        ck_chat_turn *turn = &turns->list[--turns->count];
        free(turn->text.bytes);
        free(turn->ids);
    }
}

static void add_part(ck_rendered *r, ck_span text, int32_t special) {
    if (text.count == 0 || r->has_failed) return;
    if (r->part_count == r->part_capacity) {
        int32_t capacity = r->part_capacity ? 2 * r->part_capacity : 32;
        int64_t *ends = realloc(r->ends, (size_t)capacity * sizeof *ends);
        if (ends) r->ends = ends;
        int32_t *kinds = realloc(r->special, (size_t)capacity * sizeof *kinds);
        if (kinds) r->special = kinds;
        r->has_failed = !ends || !kinds;
        if (r->has_failed) return;
        r->part_capacity = capacity;
    }
    if (!ck_buffer_add(&r->text, text.bytes, text.count)) {
        r->has_failed = 1;
        return;
    }
    r->ends[r->part_count] = (int64_t)r->text.count;
    r->special[r->part_count++] = special;
}

/* The template's own text. */
static void add_marker(ck_rendered *r, const ck_chat_part *part) {
    char date[256];
    for (; part->text || part->date; part++) {
        ck_span text = {part->text, part->text ? strlen(part->text) : 0};
        if (part->date) {
            time_t now = time(NULL);
            struct tm local;
            text.bytes = date;
            text.count = localtime_r(&now, &local) ? strftime(date, sizeof date, part->date, &local) : 0;
        }
        add_part(r, text, 1);
    }
}

static int grow_ids(ck_rendered *r, int64_t more) {
    int32_t *larger = realloc(r->ids, (size_t)(r->id_count + more + 1) * sizeof *larger);
    if (larger) r->ids = larger;
    return larger != NULL;
}

/* Makes ids of the parts. */
static ck_status flush(ck_rendered *r, ck_error *error) {
    const int32_t flags = r->id_count > 0 ? CK_CONTINUES : 0;
    int64_t count = 0;
    if (r->has_failed) return ck_refuse(error, CK_ERROR_MEMORY, "no memory for a conversation");
    ck_status status = ck_tokenize_parts(r->model, r->text.bytes, r->ends, r->special, r->part_count, flags, NULL, 0,
                                         &count, error);
    if (status) return status;
    if (!grow_ids(r, count)) return ck_refuse(error, CK_ERROR_MEMORY, "no memory for a conversation");
    status = ck_tokenize_parts(r->model, r->text.bytes, r->ends, r->special, r->part_count, flags,
                               r->ids + r->id_count, count, &count, error);
    if (!status) r->id_count += count;
    return status;
}

static ck_span span_of(const ck_buffer *text) {
    return (ck_span){text->bytes ? text->bytes : "", text->count};
}

static void add_around(ck_rendered *r, const ck_chat_around *around, ck_span text) {
    add_marker(r, around->prefix);
    add_part(r, ck_trimmed(text, around->trim_start, around->trim_end), 0);
    add_marker(r, around->suffix);
}

/* An answer that is over. What the model drew stays as it was drawn where the template leaves it whole. */
static ck_status add_answer(ck_rendered *r, const ck_chat_shape *shape, const ck_chat_turn *turn, ck_error *error) {
    add_marker(r, shape->assistant.prefix);
    ck_span whole = span_of(&turn->text);
    ck_span kept = ck_trimmed(whole, shape->assistant.trim_start, shape->assistant.trim_end);
    size_t at = shape->drop_through ? ck_find_last(kept, shape->drop_through) : kept.count;
    if (at < kept.count) {
        at += strlen(shape->drop_through);
        kept = ck_trimmed((ck_span){kept.bytes + at, kept.count - at}, shape->drop_trim_start, shape->drop_trim_end);
    }
    ck_status status = CK_OK;
    if (turn->id_count > 0 && kept.count == whole.count) {
        add_part(r, (ck_span){whole.bytes, turn->opened}, 1);
        status = flush(r, error);
        if (status) return status;
        if (!grow_ids(r, turn->id_count)) return ck_refuse(error, CK_ERROR_MEMORY, "no memory for a conversation");
        memcpy(r->ids + r->id_count, turn->ids, (size_t)turn->id_count * sizeof *turn->ids);
        r->id_count += turn->id_count;
        r->text.count = 0;
        r->part_count = 0;
    } else {
        add_part(r, kept, 0);
    }
    add_marker(r, shape->assistant.suffix);
    return status;
}

ck_status ck_chat_render(const ck_chat_shape *shape, const ck_chat_turns *turns, ck_rendered *r, ck_error *error) {
    const ck_chat_turn *list = turns->list;
    const int32_t last = turns->count - 1; /* the answer that only begins */
    const int has_system = list[0].role == CK_ROLE_SYSTEM && shape->system_place != CK_SYSTEM_REFUSED;
    const int32_t place = has_system ? shape->system_place : CK_SYSTEM_REFUSED;
    const int32_t host = place == CK_SYSTEM_FIRST ? 1 : place == CK_SYSTEM_LAST ? last - 1 : -1;
    if (place == CK_SYSTEM_BEGIN) add_around(r, &shape->system, span_of(&list[0].text));
    else add_marker(r, shape->begin);
    for (int32_t i = 0; i < last; i++) {
        const ck_span text = span_of(&list[i].text);
        if (list[i].role == CK_ROLE_ASSISTANT) {
            ck_status status = add_answer(r, shape, &list[i], error);
            if (status) return status;
        } else if (list[i].role == CK_ROLE_USER) {
            add_marker(r, shape->user.prefix);
            if (i == host) add_around(r, &shape->system, span_of(&list[0].text));
            add_part(r, ck_trimmed(text, shape->user.trim_start, shape->user.trim_end), 0);
            add_marker(r, shape->user.suffix);
        }
    }
    r->generation_at = r->text.count;
    add_marker(r, shape->generation);
    return flush(r, error);
}

ck_span ck_chat_opened(const ck_chat_contract *contract, const ck_rendered *r) {
    ck_span text = {r->text.bytes + r->generation_at, r->text.count - r->generation_at};
    if (!contract->think_start || text.count == 0) return (ck_span){"", 0};
    size_t at = ck_find_last(text, contract->think_start);
    ck_span opened = {text.bytes + at, text.count - at};
    return at < text.count && ck_find_first(opened, contract->think_end) == opened.count ? opened : (ck_span){"", 0};
}

void ck_rendered_free(ck_rendered *r) {
    free(r->ids);
    free(r->text.bytes);
    free(r->ends);
    free(r->special);
}
