/* tokenizer_normalize.c: runs the steps that a text passes before it is cut, and those of them that need no tables. */
#include <stdlib.h>

#include "tokenizer_parts.h"

static int replace(const ck_tokenizer *t, const ck_step *step, const uint8_t *text, size_t bytes, ck_text *out) {
    const uint8_t *content = t->step_tables + step->offset;
    ck_trail trail = {0};
    size_t end = 0;
    int fits = 1;
    for (size_t at = 0; fits && at < bytes; at = end) {
        int matches;
        end = ck_automaton_next(t, step->argument, text, at, bytes, &trail, &matches);
        if (end == 0) fits = 0;
        else fits = matches ? ck_text_append(out, content, step->bytes) : ck_text_append(out, text + at, end - at);
    }
    free(trail.states);
    return fits;
}

static int prepend(const ck_tokenizer *t, const ck_step *step, const uint8_t *text, size_t bytes, ck_text *out) {
    if (bytes > 0 && !ck_text_append(out, t->step_tables + step->offset, step->bytes)) return 0;
    return ck_text_append(out, text, bytes);
}

/* argument: 1 the left side, 2 the right one. */
static int strip(const ck_step *step, const uint8_t *text, size_t bytes, ck_text *out) {
    size_t from = 0;
    if ((step->argument & 1) != 0) {
        for (size_t white = 1; from < bytes && white > 0; from += white) {
            white = ck_white_space(text + from, bytes - from);
        }
    }
    if ((step->argument & 2) != 0) bytes = ck_without_white_tail(text, from, bytes);
    return ck_text_append(out, text + from, bytes - from);
}

/* Spaces at the ends go (argument 1: only at those of the whole text), and of several in a row one stays. */
static int squeeze(const ck_step *step, uint32_t edges, const uint8_t *text, size_t bytes, ck_text *out) {
    uint32_t ends = step->argument == 1 ? edges : CK_TEXT_START | CK_TEXT_END;
    if (!ck_text_reserve(out, bytes)) return 0;
    for (size_t i = 0; i < bytes; i++) {
        int doubled = out->count == 0 ? (ends & CK_TEXT_START) != 0 : out->bytes[out->count - 1] == ' ';
        if (text[i] != ' ' || !doubled) out->bytes[out->count++] = text[i];
    }
    if ((ends & CK_TEXT_END) != 0 && out->count > 0 && out->bytes[out->count - 1] == ' ') out->count--;
    return 1;
}

static int run(const ck_tokenizer *t, const ck_step *step, uint32_t edges, const uint8_t *text, size_t bytes,
               ck_text *out) {
    switch (step->kind) {
    case CK_STEP_FORM: return ck_normalize_form(t, step, text, bytes, out);
    case CK_STEP_MAP: return ck_normalize_map(t, step, text, bytes, out);
    case CK_STEP_REPLACE: return replace(t, step, text, bytes, out);
    case CK_STEP_PREPEND:
        return (edges & CK_TEXT_GOES_ON) != 0 ? ck_text_append(out, text, bytes) : prepend(t, step, text, bytes, out);
    case CK_STEP_STRIP: return strip(step, text, bytes, out);
    case CK_STEP_CHARSMAP: return ck_normalize_charsmap(t, step, text, bytes, out);
    default: return squeeze(step, edges, text, bytes, out);
    }
}

int ck_normalize(const ck_tokenizer *tokenizer, uint32_t edges, const uint8_t **text, size_t *bytes,
                 ck_text buffers[2]) {
    for (uint32_t i = 0; i < tokenizer->header->steps; i++) {
        ck_text *out = &buffers[i % 2];
        out->count = 0;
        if (!ck_text_reserve(out, *bytes + 1)) return 0;
        if (!run(tokenizer, &tokenizer->steps[i], edges, *text, *bytes, out)) return 0;
        *text = out->bytes;
        *bytes = out->count;
    }
    return 1;
}
