/* tokenizer_wordpiece.c: the longest piece that begins a word, then the longest that goes on with it. */
#include "tokenizer_parts.h"

static int has_more_characters(const uint8_t *word, size_t bytes, uint32_t most) {
    size_t characters = 0;
    int32_t code;
    if (bytes <= most) return 0;
    for (size_t at = 0; at < bytes && characters <= most; characters++) {
        at += ck_utf8_decode(word + at, bytes - at, &code);
    }
    return characters > most;
}

/* Where the longest piece that leads from `node` along word[at .. bytes) ends, or `at`. */
static size_t longest(const ck_tokenizer *t, uint32_t node, const uint8_t *word, size_t at, size_t bytes,
                      uint32_t *id) {
    size_t end = at;
    for (size_t i = at; i < bytes; i++) {
        node = ck_trie_step(t, node, word[i]);
        if (node == 0) break;
        if (t->trie[node].id == CK_NO_SYMBOL) continue;
        *id = t->trie[node].id;
        end = i + 1;
    }
    return end;
}

void ck_wordpiece_word(const ck_tokenizer *tokenizer, const uint8_t *word, size_t bytes, ck_ids *out) {
    int64_t count = out->count;
    uint32_t id = 0;
    int fits = !has_more_characters(word, bytes, tokenizer->header->most_word_characters);
    for (size_t at = 0; fits && at < bytes;) {
        /* Where no piece goes on with a word, the walk must not begin anew at the root. */
        size_t end = at > 0 && tokenizer->continuation == 0
                         ? at
                         : longest(tokenizer, at > 0 ? tokenizer->continuation : 0, word, at, bytes, &id);
        fits = end > at;
        if (fits) ck_ids_push(out, id);
        at = end;
    }
    if (fits) return;
    out->count = count;
    out->word_count = 0;
    ck_ids_push(out, (uint32_t)tokenizer->header->unknown);
}
