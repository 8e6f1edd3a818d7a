/* tokenizer_special.c: finds special tokens in text, and the white space around them. */
#include "tokenizer_parts.h"

size_t ck_white_space(const uint8_t *text, size_t bytes) {
    int32_t code;
    size_t taken = ck_utf8_decode(text, bytes, &code);
    int white = (code >= 0x09 && code <= 0x0d) || code == 0x20 || code == 0x85 || code == 0xa0 || code == 0x1680 ||
                (code >= 0x2000 && code <= 0x200a) || code == 0x2028 || code == 0x2029 || code == 0x202f ||
                code == 0x205f || code == 0x3000;
    return white ? taken : 0;
}

/* Where the character that ends before text[end] begins. */
static size_t character_before(const uint8_t *text, size_t from, size_t end) {
    size_t at = end - 1;
    while (at > from && end - at < 4 && (text[at] & 0xc0) == 0x80) at--;
    return at;
}

size_t ck_without_white_tail(const uint8_t *text, size_t from, size_t end) {
    while (end > from) {
        size_t at = character_before(text, from, end);
        if (ck_white_space(text + at, end - at) != end - at) break;
        end = at;
    }
    return end;
}

int32_t ck_special_at(const ck_tokenizer *tokenizer, int which, int parse_control, const uint8_t *text, size_t at,
                      size_t end, size_t *length) {
    const ck_special_table *special = &tokenizer->special[which];
    int32_t found = -1;
    uint32_t node = 1;
    for (size_t i = at; i < end; i++) {
        node = special->table[(size_t)node * special->width + special->classes[text[i]]];
        if (node == 0) break;
        int32_t id = special->ids[node];
        if (id < 0 || (!parse_control && (tokenizer->piece_types[id] & CK_PIECE_TYPE) != CK_PIECE_USER)) continue;
        found = id;
        *length = i + 1 - at;
    }
    return found;
}

static int is_word_character(const ck_tokenizer *tokenizer, const uint8_t *text, size_t from, size_t end) {
    int matches;
    ck_automaton_next(tokenizer, tokenizer->header->word_automaton - 1, text, from, end, NULL, &matches);
    return matches;
}

int ck_touches_word(const ck_tokenizer *tokenizer, const uint8_t *text, size_t at, size_t end, size_t bytes) {
    if (tokenizer->header->word_automaton == 0) return 0;
    return (at > 0 && is_word_character(tokenizer, text, character_before(text, 0, at), at)) ||
           (end < bytes && is_word_character(tokenizer, text, end, bytes));
}
