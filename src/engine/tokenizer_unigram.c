/* tokenizer_unigram.c: the cut of a word into pieces with the greatest sum of scores (Viterbi; Kudo 2018). Every place
 * is left by each piece that begins there, so the time is that of the text times the longest piece. */
#include "tokenizer_parts.h"

/* The best way to a place of the word. */
typedef struct ck_best {
    double score;
    uint32_t from; /* CK_NO_SYMBOL: none yet */
    uint32_t id;   /* CK_NO_SYMBOL: a character without a piece */
} ck_best;

static void offer(ck_best *best, double score, size_t from, uint32_t id) {
    if (best->from != CK_NO_SYMBOL && !(score > best->score)) return;
    *best = (ck_best){score, (uint32_t)from, id};
}

static void leave(const ck_tokenizer *t, ck_best *best, const uint8_t *word, size_t at, size_t bytes) {
    int32_t code;
    size_t character = ck_utf8_decode(word + at, bytes - at, &code);
    int has_piece = 0;
    uint32_t node = 0;
    for (size_t i = at; i < bytes; i++) {
        node = ck_trie_step(t, node, word[i]);
        if (node == 0) break;
        uint32_t id = t->trie[node].id;
        if (id == CK_NO_SYMBOL) continue;
        offer(&best[i + 1], best[at].score + t->scores[id], at, id);
        has_piece |= i + 1 - at == character;
    }
    if (!has_piece) offer(&best[at + character], best[at].score + t->header->unknown_score, at, CK_NO_SYMBOL);
}

int ck_unigram_word(const ck_tokenizer *tokenizer, ck_word_room *room, const uint8_t *word, size_t bytes, ck_ids *out) {
    if (bytes > SIZE_MAX / (2 * sizeof(ck_best)) - 1) return 0;
    ck_best *best = ck_word_reserve(room, (bytes + 1) * sizeof *best);
    if (best == NULL) return 0;
    best[0] = (ck_best){0, 0, CK_NO_SYMBOL};
    for (size_t i = 1; i <= bytes; i++) best[i].from = CK_NO_SYMBOL;
    for (size_t at = 0; at < bytes; at++) {
        if (best[at].from != CK_NO_SYMBOL) leave(tokenizer, best, word, at, bytes);
    }
    /* From the end back, each place on the way is told where its piece ends. */
    for (uint32_t at = (uint32_t)bytes, end = CK_NO_SYMBOL;;) {
        uint32_t from = best[at].from;
        best[at].from = end;
        if (at == 0) break;
        end = at;
        at = from;
    }
    int after_unknown = 0;
    for (uint32_t at = 0; at < bytes;) {
        uint32_t end = best[at].from;
        uint32_t id = best[end].id;
        if (id != CK_NO_SYMBOL) {
            ck_ids_push(out, id);
        } else if (ck_has(tokenizer, CK_TOKENS_BYTE_FALLBACK)) {
            for (size_t i = at; i < end; i++) ck_ids_push(out, tokenizer->byte_ids[word[i]]);
        } else if (!after_unknown || !ck_has(tokenizer, CK_TOKENS_FUSE_UNKNOWN)) {
            ck_ids_push(out, (uint32_t)tokenizer->header->unknown);
        }
        after_unknown = id == CK_NO_SYMBOL;
        at = end;
    }
    return 1;
}
