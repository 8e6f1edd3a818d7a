/* tokenizer_split.c: walks an automaton over text. */
#include <stdlib.h>

#include "tokenizer_parts.h"

/* Bytes walked in vain after which walks are remembered. */
#define PATIENCE 4096

typedef struct ck_walker {
    const ck_automaton *automaton;
    const uint16_t *block_of;
    const uint8_t *class_of;
    const uint16_t *table;
    size_t width;
} ck_walker;

/* The character at text[at]: its class, and in *bytes its length. */
static uint32_t class_at(const ck_walker *w, const uint8_t *text, size_t at, size_t end, size_t *bytes) {
    if (text[at] < 0x80) {
        *bytes = 1;
        return w->class_of[256u * w->block_of[0] + text[at]];
    }
    int32_t code;
    *bytes = ck_utf8_decode(text + at, end - at, &code);
    if (code < 0) return w->automaton->invalid_class;
    return w->class_of[256u * w->block_of[(uint32_t)code >> 8] + ((uint32_t)code & 255u)];
}

/* The end of the match that begins at `start`, or `start`; *walked: where the walk ended. */
static size_t match_at(const ck_walker *w, const uint8_t *text, size_t start, size_t end, size_t *walked) {
    uint32_t state = CK_AUTOMATON_START;
    size_t matched = start;
    size_t at = start;
    for (;;) {
        size_t bytes = 0;
        uint32_t c = at < end ? class_at(w, text, at, end, &bytes) : w->automaton->classes;
        uint32_t cell = w->table[state * w->width + c];
        if ((cell & CK_AUTOMATON_ACCEPT) != 0) matched = at;
        state = cell & ~CK_AUTOMATON_ACCEPT;
        if (state == 0 || at == end) break;
        at += bytes;
    }
    *walked = at;
    return matched;
}

/* The same, along a trail: where this walk meets the last one in the same state, the rest of that one is its own too. */
static size_t match_along(const ck_walker *w, const uint8_t *text, size_t start, size_t end, ck_trail *trail) {
    uint32_t state = CK_AUTOMATON_START;
    size_t matched = start;
    size_t at = start;
    for (;;) {
        size_t place = at - trail->origin;
        if (at < trail->end && trail->states[place] == state) {
            if (trail->matched > at) matched = trail->matched;
            break;
        }
        trail->states[place] = (uint16_t)state;
        size_t bytes = 0;
        uint32_t c = at < end ? class_at(w, text, at, end, &bytes) : w->automaton->classes;
        uint32_t cell = w->table[state * w->width + c];
        if ((cell & CK_AUTOMATON_ACCEPT) != 0) matched = at;
        state = cell & ~CK_AUTOMATON_ACCEPT;
        for (size_t i = 1; i < bytes; i++) trail->states[place + i] = 0;
        if (state == 0 || at == end) {
            trail->end = at + 1;
            break;
        }
        at += bytes;
    }
    trail->matched = matched;
    return matched;
}

/* Begins a trail over text[from .. end). 0: no memory. */
static int begin_trail(ck_trail *trail, size_t from, size_t end) {
    if (end - from + 1 > trail->capacity) {
        free(trail->states);
        trail->capacity = end - from + 1;
        trail->states = malloc(trail->capacity * sizeof *trail->states);
        if (trail->states == NULL) {
            trail->capacity = 0;
            return 0;
        }
    }
    trail->origin = from;
    trail->end = from;
    trail->matched = from;
    return 1;
}

/* Counts bytes walked in vain; begins the trail where they are too many. 0: no memory. */
static int waste(ck_trail *trail, size_t bytes, size_t from, size_t end) {
    if (bytes < 16) return 1;
    trail->wasted += bytes;
    return trail->wasted < PATIENCE || begin_trail(trail, from, end);
}

size_t ck_automaton_next(const ck_tokenizer *tokenizer, uint32_t automaton, const uint8_t *text, size_t from,
                         size_t end, ck_trail *trail, int *matches) {
    const ck_automaton *a = &tokenizer->automata[automaton];
    const ck_walker w = {
        .automaton = a,
        .block_of = (const uint16_t *)(const void *)(tokenizer->automaton_tables + a->block_of),
        .class_of = tokenizer->automaton_tables + a->class_of,
        .table = (const uint16_t *)(const void *)(tokenizer->automaton_tables + a->table),
        .width = (size_t)a->classes + 1,
    };
    int patient = trail == NULL || trail->wasted < PATIENCE;
    *matches = 0;
    for (size_t start = from; start < end;) {
        size_t walked = start;
        size_t matched = patient ? match_at(&w, text, start, end, &walked) : match_along(&w, text, start, end, trail);
        if (matched > start) {
            size_t next = start == from ? matched : start;
            if (patient && trail != NULL && !waste(trail, walked - matched, next, end)) return 0;
            *matches = start == from;
            return next;
        }
        if (patient && trail != NULL) {
            if (!waste(trail, walked - start, start, end)) return 0;
            patient = trail->wasted < PATIENCE;
        }
        int32_t code;
        start += ck_utf8_decode(text + start, end - start, &code);
    }
    return end;
}
