/* tokenizer_form.c: the Unicode normalisation forms C, D, KC, KD (Unicode Standard Annex 15) over a step's tables. */
#include <stdlib.h>

#include "tokenizer_parts.h"

enum { HANGUL_FIRST = 0xac00, LEAD = 0x1100, VOWEL = 0x1161, TAIL = 0x11a7, LEADS = 19, VOWELS = 21, TAILS = 28 };
enum { HANGUL_LAST = HANGUL_FIRST + LEADS * VOWELS * TAILS - 1 };

enum { COMPOSES = 1 };
#define PARTS_PER_BYTE 6u /* U+FDFA, of three bytes, becomes 18 characters: no other is longer by its bytes */

/* A character's place among the marks, or INERT: it stays and joins nothing before it, or UNSTEADY: a starter that may
 * not. */
enum { INERT = 0, UNSTEADY = 254 };

/* A code point, or an invalid byte as 0x80000000 + byte. */
#define INVALID 0x80000000u

typedef struct ck_form_header {
    uint32_t blocks;
    uint32_t expansions;
    uint32_t parts;
    uint32_t compositions;
} ck_form_header;

typedef struct ck_expansion {
    uint32_t code;
    uint32_t first; /* into the parts */
    uint32_t count;
} ck_expansion;

typedef struct ck_composition {
    uint32_t first;
    uint32_t second;
    uint32_t composed;
} ck_composition;

typedef struct ck_form {
    const ck_form_header *header;
    const uint16_t *block_of;
    const uint8_t *classes;
    const ck_expansion *expansions;
    const uint32_t *parts;
    const ck_composition *compositions;
    int composes;
} ck_form;

typedef struct ck_codes {
    uint32_t *codes;
    size_t count;
} ck_codes;

static ck_form form_of(const ck_tokenizer *tokenizer, const ck_step *step) {
    const uint8_t *at = tokenizer->step_tables + step->offset;
    ck_form form;
    form.header = (const ck_form_header *)(const void *)at;
    form.block_of = (const uint16_t *)(const void *)(at + sizeof *form.header);
    form.classes = (const uint8_t *)(form.block_of + CK_UNICODE_BLOCKS);
    form.expansions = (const ck_expansion *)(const void *)(form.classes + 256 * (size_t)form.header->blocks);
    form.parts = (const uint32_t *)(form.expansions + form.header->expansions);
    form.compositions = (const ck_composition *)(form.parts + form.header->parts);
    form.composes = (step->argument & COMPOSES) != 0;
    return form;
}

const char *ck_check_form(const ck_tokenizer *tokenizer, const ck_step *step) {
    if (step->bytes < sizeof(ck_form_header)) return "lacks its normalisation tables";
    const ck_form form = form_of(tokenizer, step);
    const ck_form_header *header = form.header;
    if (header->blocks > CK_UNICODE_BLOCKS || step->argument > COMPOSES ||
        step->bytes != sizeof *header + 2 * CK_UNICODE_BLOCKS + 256 * (uint64_t)header->blocks +
                           sizeof(ck_expansion) * (uint64_t)header->expansions + 4 * (uint64_t)header->parts +
                           sizeof(ck_composition) * (uint64_t)header->compositions) {
        return "has normalisation tables of another size";
    }
    for (uint32_t i = 0; i < header->expansions; i++) {
        const ck_expansion *e = &form.expansions[i];
        uint32_t bytes = e->code < 0x80 ? 1 : e->code < 0x800 ? 2 : 3;
        if (e->first > header->parts || e->count > header->parts - e->first || e->count > PARTS_PER_BYTE * bytes) {
            return "has a decomposition outside its table";
        }
    }
    for (uint32_t i = 0; i < header->parts; i++) {
        if (form.parts[i] > 0x10ffff) return "has a decomposition beyond Unicode";
    }
    for (uint32_t i = 0; i < header->compositions; i++) {
        if (form.compositions[i].composed > 0x10ffff) return "has a composition beyond Unicode";
    }
    return ck_check_two_stages(form.block_of, header->blocks);
}

static uint32_t class_of(const ck_form *t, uint32_t code) {
    if (code > 0x10ffff) return INERT;
    return t->classes[256u * t->block_of[code >> 8] + (code & 255u)];
}

/* Order among marks that may change places; 0 for starters. */
static uint32_t order_of(const ck_form *t, uint32_t code) {
    uint32_t c = class_of(t, code);
    return c == UNSTEADY ? 0 : c;
}

static uint32_t code_at(const uint8_t *text, size_t bytes, size_t *taken) {
    int32_t code;
    *taken = ck_utf8_decode(text, bytes, &code);
    return code < 0 ? INVALID + text[0] : (uint32_t)code;
}

static void decompose(const ck_form *t, uint32_t code, ck_codes *to) {
    if (code >= HANGUL_FIRST && code <= HANGUL_LAST) {
        uint32_t index = code - HANGUL_FIRST;
        to->codes[to->count++] = LEAD + index / (VOWELS * TAILS);
        to->codes[to->count++] = VOWEL + index / TAILS % VOWELS;
        if (index % TAILS != 0) to->codes[to->count++] = TAIL + index % TAILS;
        return;
    }
    uint32_t low = 0;
    uint32_t high = t->header->expansions;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (t->expansions[middle].code < code) low = middle + 1;
        else high = middle;
    }
    if (low == t->header->expansions || t->expansions[low].code != code) {
        to->codes[to->count++] = code;
        return;
    }
    const ck_expansion *e = &t->expansions[low];
    for (uint32_t i = 0; i < e->count; i++) to->codes[to->count++] = t->parts[e->first + i];
}

/* What two code points compose to; 0: nothing. */
static uint32_t compose(const ck_form *t, uint32_t first, uint32_t second) {
    if (first - LEAD < LEADS && second - VOWEL < VOWELS) {
        return HANGUL_FIRST + ((first - LEAD) * VOWELS + (second - VOWEL)) * TAILS;
    }
    if (first >= HANGUL_FIRST && first <= HANGUL_LAST && (first - HANGUL_FIRST) % TAILS == 0 && second > TAIL &&
        second < TAIL + TAILS) {
        return first + (second - TAIL);
    }
    uint32_t low = 0;
    uint32_t high = t->header->compositions;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        const ck_composition *c = &t->compositions[middle];
        if (c->first < first || (c->first == first && c->second < second)) low = middle + 1;
        else high = middle;
    }
    if (low == t->header->compositions) return 0;
    const ck_composition *c = &t->compositions[low];
    return c->first == first && c->second == second ? c->composed : 0;
}

/* Sorts a run of marks by order, equal ones keeping their places: counting, since there are at most 255 orders. */
static void sort_marks(const ck_form *t, uint32_t *marks, size_t count, uint32_t *room) {
    size_t starts[256] = {0};
    for (size_t i = 0; i < count; i++) starts[order_of(t, marks[i])]++;
    size_t sum = 0;
    for (int order = 0; order < 256; order++) {
        size_t here = starts[order];
        starts[order] = sum;
        sum += here;
    }
    for (size_t i = 0; i < count; i++) room[starts[order_of(t, marks[i])]++] = marks[i];
    memcpy(marks, room, count * sizeof *marks);
}

/* Orders the marks behind each starter. */
static void reorder(const ck_form *t, ck_codes *codes, uint32_t *room) {
    for (size_t at = 0; at < codes->count;) {
        size_t end = at;
        int sorted = 1;
        while (end < codes->count && order_of(t, codes->codes[end]) != 0) {
            if (end > at && order_of(t, codes->codes[end]) < order_of(t, codes->codes[end - 1])) sorted = 0;
            end++;
        }
        if (!sorted) sort_marks(t, codes->codes + at, end - at, room);
        at = end > at ? end : at + 1;
    }
}

/* Joins each character with the last starter, unless one of the same order, or a starter, stands between. */
static void recompose(const ck_form *t, ck_codes *codes) {
    size_t kept = 0;
    size_t starter = SIZE_MAX;
    uint32_t last = 0;
    for (size_t i = 0; i < codes->count; i++) {
        uint32_t code = codes->codes[i];
        uint32_t order = order_of(t, code);
        int adjacent = starter != SIZE_MAX && starter + 1 == kept;
        if (starter != SIZE_MAX && (adjacent || (last != 0 && last < order))) {
            uint32_t composed = compose(t, codes->codes[starter], code);
            if (composed != 0) {
                codes->codes[starter] = composed;
                continue;
            }
        }
        if (order == 0) starter = kept;
        last = order;
        codes->codes[kept++] = code;
    }
    codes->count = kept;
}

/* Normalises text[0 .. bytes), which holds every character that can act on another of it. 0: no memory. */
static int normalize_run(const ck_form *t, const uint8_t *text, size_t bytes, ck_text *out) {
    if (bytes > SIZE_MAX / 128) return 0;
    size_t most = PARTS_PER_BYTE * bytes;
    uint32_t *room = malloc(2 * most * sizeof *room);
    if (room == NULL) return 0;
    ck_codes codes = {room, 0};
    size_t taken;
    for (size_t at = 0; at < bytes; at += taken) decompose(t, code_at(text + at, bytes - at, &taken), &codes);
    reorder(t, &codes, room + most);
    if (t->composes) recompose(t, &codes);
    int fits = ck_text_reserve(out, 4 * codes.count);
    for (size_t i = 0; fits && i < codes.count; i++) {
        uint32_t code = codes.codes[i];
        if (code < INVALID) ck_text_put(out, code);
        else out->bytes[out->count++] = (uint8_t)(code - INVALID);
    }
    free(room);
    return fits;
}

int ck_normalize_form(const ck_tokenizer *tokenizer, const ck_step *step, const uint8_t *text, size_t bytes,
                      ck_text *out) {
    const ck_form form = form_of(tokenizer, step);
    size_t copied = 0; /* text before this is in `out` */
    size_t before = 0; /* the last character seen that stays: the next one may join it */
    size_t at = 0;
    while (at < bytes) {
        size_t taken;
        if (text[at] < 0x80) {
            before = at++;
            continue;
        }
        if (class_of(&form, code_at(text + at, bytes - at, &taken)) == INERT) {
            before = at;
            at += taken;
            continue;
        }
        size_t end = at;
        while (end < bytes && class_of(&form, code_at(text + end, bytes - end, &taken)) != INERT) end += taken;
        if (!ck_text_append(out, text + copied, before - copied)) return 0;
        if (!normalize_run(&form, text + before, end - before, out)) return 0;
        copied = before = at = end;
    }
    return ck_text_append(out, text + copied, bytes - copied);
}
