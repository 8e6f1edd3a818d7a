/* tokenizer_nfc.c: Unicode normalisation form C (Unicode Standard Annex 15) over the blob's tables. */
#include <stdlib.h>

#include "tokenizer_tables.h"

enum { HANGUL_FIRST = 0xac00, LEAD = 0x1100, VOWEL = 0x1161, TAIL = 0x11a7, LEADS = 19, VOWELS = 21, TAILS = 28 };
enum { HANGUL_LAST = HANGUL_FIRST + LEADS * VOWELS * TAILS - 1 };

/* A character's place among the marks, or INERT: it stays and joins nothing before it, or UNSTEADY: a starter that may
 * not. */
enum { INERT = 0, UNSTEADY = 254 };

/* A code point, or an invalid byte as 0x80000000 + byte. */
#define INVALID 0x80000000u

typedef struct ck_codes {
    uint32_t *codes;
    size_t count;
} ck_codes;

static uint32_t class_of(const ck_tokenizer *t, uint32_t code) {
    if (code > 0x10ffff) return INERT;
    return t->nfc_classes[256u * t->nfc_block_of[code >> 8] + (code & 255u)];
}

/* Order among marks that may change places; 0 for starters. */
static uint32_t order_of(const ck_tokenizer *t, uint32_t code) {
    uint32_t c = class_of(t, code);
    return c == UNSTEADY ? 0 : c;
}

static uint32_t code_at(const uint8_t *text, size_t bytes, size_t *taken) {
    int32_t code;
    *taken = ck_utf8_decode(text, bytes, &code);
    return code < 0 ? INVALID + text[0] : (uint32_t)code;
}

static void append_code(ck_text *out, uint32_t code) {
    uint8_t *to = out->bytes + out->count;
    if (code >= INVALID) {
        to[0] = (uint8_t)(code - INVALID);
        out->count += 1;
    } else if (code < 0x80) {
        to[0] = (uint8_t)code;
        out->count += 1;
    } else if (code < 0x800) {
        to[0] = (uint8_t)(0xc0 | code >> 6);
        to[1] = (uint8_t)(0x80 | (code & 63));
        out->count += 2;
    } else if (code < 0x10000) {
        to[0] = (uint8_t)(0xe0 | code >> 12);
        to[1] = (uint8_t)(0x80 | (code >> 6 & 63));
        to[2] = (uint8_t)(0x80 | (code & 63));
        out->count += 3;
    } else {
        to[0] = (uint8_t)(0xf0 | code >> 18);
        to[1] = (uint8_t)(0x80 | (code >> 12 & 63));
        to[2] = (uint8_t)(0x80 | (code >> 6 & 63));
        to[3] = (uint8_t)(0x80 | (code & 63));
        out->count += 4;
    }
}

static void decompose(const ck_tokenizer *t, uint32_t code, ck_codes *to) {
    if (code >= HANGUL_FIRST && code <= HANGUL_LAST) {
        uint32_t index = code - HANGUL_FIRST;
        to->codes[to->count++] = LEAD + index / (VOWELS * TAILS);
        to->codes[to->count++] = VOWEL + index / TAILS % VOWELS;
        if (index % TAILS != 0) to->codes[to->count++] = TAIL + index % TAILS;
        return;
    }
    uint32_t low = 0;
    uint32_t high = t->nfc->expansions;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (t->expansions[middle].code < code) low = middle + 1;
        else high = middle;
    }
    if (low == t->nfc->expansions || t->expansions[low].code != code) {
        to->codes[to->count++] = code;
        return;
    }
    const uint32_t *parts = t->expansions[low].parts;
    for (int i = 0; i < 4 && parts[i] != 0; i++) to->codes[to->count++] = parts[i];
}

/* What two code points compose to; 0: nothing. */
static uint32_t compose(const ck_tokenizer *t, uint32_t first, uint32_t second) {
    if (first - LEAD < LEADS && second - VOWEL < VOWELS) {
        return HANGUL_FIRST + ((first - LEAD) * VOWELS + (second - VOWEL)) * TAILS;
    }
    if (first >= HANGUL_FIRST && first <= HANGUL_LAST && (first - HANGUL_FIRST) % TAILS == 0 && second > TAIL &&
        second < TAIL + TAILS) {
        return first + (second - TAIL);
    }
    uint32_t low = 0;
    uint32_t high = t->nfc->compositions;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        const ck_composition *c = &t->compositions[middle];
        if (c->first < first || (c->first == first && c->second < second)) low = middle + 1;
        else high = middle;
    }
    if (low == t->nfc->compositions) return 0;
    const ck_composition *c = &t->compositions[low];
    return c->first == first && c->second == second ? c->composed : 0;
}

/* Sorts a run of marks by order, equal ones keeping their places: counting, since there are at most 255 orders. */
static void sort_marks(const ck_tokenizer *t, uint32_t *marks, size_t count, uint32_t *room) {
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
static void reorder(const ck_tokenizer *t, ck_codes *codes, uint32_t *room) {
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
static void recompose(const ck_tokenizer *t, ck_codes *codes) {
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
static int normalize_run(const ck_tokenizer *t, const uint8_t *text, size_t bytes, ck_text *out) {
    if (bytes > SIZE_MAX / 64) return 0;
    size_t most = 4 * bytes;
    uint32_t *room = malloc(2 * most * sizeof *room);
    if (room == NULL) return 0;
    ck_codes codes = {room, 0};
    size_t taken;
    for (size_t at = 0; at < bytes; at += taken) decompose(t, code_at(text + at, bytes - at, &taken), &codes);
    reorder(t, &codes, room + most);
    recompose(t, &codes);
    int fits = ck_text_reserve(out, 4 * codes.count);
    for (size_t i = 0; fits && i < codes.count; i++) append_code(out, codes.codes[i]);
    free(room);
    return fits;
}

static int append_bytes(ck_text *out, const uint8_t *text, size_t bytes) {
    if (bytes == 0) return 1;
    if (!ck_text_reserve(out, bytes)) return 0;
    memcpy(out->bytes + out->count, text, bytes);
    out->count += bytes;
    return 1;
}

int ck_normalize_nfc(const ck_tokenizer *tokenizer, const uint8_t *text, size_t bytes, ck_text *out) {
    size_t copied = 0; /* text before this is in `out` */
    size_t before = 0; /* the last character seen that stays: the next one may join it */
    size_t at = 0;
    while (at < bytes) {
        size_t taken;
        if (class_of(tokenizer, code_at(text + at, bytes - at, &taken)) == INERT) {
            before = at;
            at += taken;
            continue;
        }
        size_t end = at;
        while (end < bytes && class_of(tokenizer, code_at(text + end, bytes - end, &taken)) != INERT) end += taken;
        if (!append_bytes(out, text + copied, before - copied)) return 0;
        if (!normalize_run(tokenizer, text + before, end - before, out)) return 0;
        copied = before = at = end;
    }
    return append_bytes(out, text + copied, bytes - copied);
}
