/* tokenizer_split.c: walks a split automaton over text. */
#include "tokenizer_tables.h"

/* The character at text[at]: its class, and in *bytes its length. */
static uint32_t class_at(const ck_split *split, const uint16_t *block_of, const uint8_t *class_of, const uint8_t *text,
                         size_t at, size_t end, size_t *bytes) {
    if (text[at] < 0x80) {
        *bytes = 1;
        return class_of[256u * block_of[0] + text[at]];
    }
    int32_t code;
    *bytes = ck_utf8_decode(text + at, end - at, &code);
    if (code < 0) return split->invalid_class;
    return class_of[256u * block_of[(uint32_t)code >> 8] + ((uint32_t)code & 255u)];
}

size_t ck_split_next(const ck_tokenizer *tokenizer, uint32_t level, const uint8_t *text, size_t from, size_t end) {
    const ck_split *split = &tokenizer->splits[level];
    const uint16_t *block_of = (const uint16_t *)(const void *)(tokenizer->split_tables + split->block_of);
    const uint8_t *class_of = tokenizer->split_tables + split->class_of;
    const uint16_t *table = (const uint16_t *)(const void *)(tokenizer->split_tables + split->table);
    size_t width = (size_t)split->classes + 1;

    for (size_t start = from; start < end;) {
        uint32_t state = CK_SPLIT_START;
        size_t matched = start;
        size_t first_bytes = 0;
        size_t at = start;
        while (state != 0) {
            size_t bytes = 0;
            uint32_t c = split->classes;
            if (at < end) c = class_at(split, block_of, class_of, text, at, end, &bytes);
            if (at == start) first_bytes = bytes;
            uint32_t cell = table[state * width + c];
            if ((cell & CK_SPLIT_ACCEPT) != 0) matched = at;
            if (at == end) break;
            state = cell & ~CK_SPLIT_ACCEPT;
            at += bytes;
        }
        if (matched > start) return start == from ? matched : start;
        start += first_bytes;
    }
    return end;
}
