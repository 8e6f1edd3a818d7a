/* tokenizer_encode.c: text to ids: special tokens, then normalising, cutting and encoding the words between them. */
#include <stdlib.h>

#include "tokenizer_parts.h"

/* Texts of fewer bytes do without the cache of words. */
#define SHORT_TEXT 4096
#define MOST_SPLITS 16

/* One call's state. */
typedef struct ck_encoder {
    const ck_tokenizer *tokenizer;
    int parse_control;
    ck_ids out;
    ck_word_room room;
    ck_word_cache *cache;
    ck_text normalized[2]; /* where the steps write in turn */
    ck_text escaped;       /* a segment or piece with its prefix, and with what cannot be written replaced */
    ck_trail trails[MOST_SPLITS];
} ck_encoder;

static int has(const ck_encoder *e, uint32_t flag) {
    return ck_has(e->tokenizer, flag);
}

/* bytes >= 1. 0: no memory. */
static int encode_word(ck_encoder *e, const uint8_t *word, size_t bytes) {
    uint32_t slot = 0;
    int fits = 1;
    if (ck_word_cache_get(e->cache, word, bytes, &e->out, &slot)) return 1;
    e->out.word_count = 0;
    switch (e->tokenizer->header->kind) {
    case CK_KIND_UNIGRAM: fits = ck_unigram_word(e->tokenizer, &e->room, word, bytes, &e->out); break;
    case CK_KIND_WORDPIECE: ck_wordpiece_word(e->tokenizer, word, bytes, &e->out); break;
    default: fits = ck_merge_word(e->tokenizer, &e->room, word, bytes, &e->out); break;
    }
    if (fits) ck_word_cache_put(e->cache, slot, word, bytes, &e->out);
    return fits;
}

/* Adds the prefix; U+2581 becomes the space that it stands for. bytes >= 1. 0: no memory. */
static int escape_spaces(ck_encoder *e, const uint8_t *text, size_t bytes, int at_text_start) {
    ck_text *out = &e->escaped;
    out->count = 0;
    if (!ck_text_reserve(out, bytes + 1)) return 0;
    int marked = bytes >= 3 && memcmp(text, "\xe2\x96\x81", 3) == 0;
    int prefix = has(e, CK_TOKENS_PREFIX_ALWAYS) || (has(e, CK_TOKENS_PREFIX_FIRST) && at_text_start);
    if (has(e, CK_TOKENS_PREFIX_UNLESS_SPACE) && (text[0] == ' ' || marked)) prefix = 0;
    if (prefix) out->bytes[out->count++] = ' ';
    for (size_t i = 0; i < bytes; i++) {
        int space = text[i] == 0xe2 && bytes - i >= 3 && text[i + 1] == 0x96 && text[i + 2] == 0x81;
        out->bytes[out->count++] = space ? ' ' : text[i];
        if (space) i += 2;
    }
    return 1;
}

/* Whether text is cut between two bytes: before each space, or where no piece goes from one to the other. */
static int is_cut(const uint8_t *joins, int at_each_space, uint32_t first, uint32_t second) {
    if (at_each_space && second == ' ') return 1;
    return (second & 0xc0) != 0x80 && (joins[32 * first + (second >> 3)] >> (second & 7) & 1) == 0;
}

static int encode_characters(ck_encoder *e, const uint8_t *text, size_t bytes) {
    int at_each_space = has(e, CK_TOKENS_CUT_AT_SPACES);
    const uint8_t *joins = e->tokenizer->joins;
    size_t from = 0;
    for (size_t at = 1; at < bytes; at++) {
        if (!is_cut(joins, at_each_space, text[at - 1], text[at])) continue;
        if (!encode_word(e, text + from, at - from)) return 0;
        from = at;
    }
    return encode_word(e, text + from, bytes - from);
}

/* What the last split left. bytes >= 1. 0: no memory. */
static int encode_piece(ck_encoder *e, const uint8_t *text, size_t bytes, int at_text_start) {
    uint32_t kind = e->tokenizer->header->kind;
    if (kind == CK_KIND_BYTES || kind == CK_KIND_WORDPIECE) return encode_word(e, text, bytes);
    return escape_spaces(e, text, bytes, at_text_start) && encode_characters(e, e->escaped.bytes, e->escaped.count);
}

/* Whether a segment belongs to the same piece as the one before it. */
static int joins_last(uint32_t behaviour, int matches, int matched_before) {
    switch (behaviour) {
    case CK_SPLIT_MERGED_WITH_PREVIOUS: return matches && !matched_before;
    case CK_SPLIT_MERGED_WITH_NEXT: return !matches && matched_before;
    case CK_SPLIT_CONTIGUOUS: return matches == matched_before;
    default: return 0;
    }
}

/* Cuts text[from .. end) by the splits from `level` on, and encodes the pieces. 0: no memory. */
static int encode_splits(ck_encoder *e, uint32_t level, const uint8_t *text, size_t from, size_t end,
                         int at_text_start) {
    if (level == e->tokenizer->header->splits) {
        return encode_piece(e, text + from, end - from, at_text_start && from == 0);
    }
    uint32_t rule = e->tokenizer->automata[level].behaviour;
    uint32_t behaviour = rule & ~(uint32_t)CK_SPLIT_INVERT;
    size_t piece = from;
    int before = 0;
    e->trails[level].wasted = 0;
    for (size_t at = from; at < end;) {
        int matches;
        size_t to = ck_automaton_next(e->tokenizer, level, text, at, end, &e->trails[level], &matches);
        if (to == 0) return 0;
        matches ^= (rule & CK_SPLIT_INVERT) != 0;
        int removed = behaviour == CK_SPLIT_REMOVED && matches;
        if (at > piece && (removed || !joins_last(behaviour, matches, before))) {
            if (!encode_splits(e, level + 1, text, piece, at, at_text_start)) return 0;
            piece = at;
        }
        if (removed) piece = to;
        before = matches;
        at = to;
    }
    return piece == end || encode_splits(e, level + 1, text, piece, end, at_text_start);
}

/* Bytes that the vocabulary lacks become U+FFFD; a space in front where it is asked for. 0: no memory. */
static int repair_bytes(ck_encoder *e, const uint8_t *text, size_t bytes, int prefix) {
    ck_text *out = &e->escaped;
    out->count = 0;
    if (bytes > SIZE_MAX / 4 || !ck_text_reserve(out, 3 * bytes + 1)) return 0;
    if (prefix) out->bytes[out->count++] = ' ';
    for (size_t i = 0; i < bytes; i++) {
        int known = e->tokenizer->byte_ids[text[i]] != CK_NO_SYMBOL;
        memcpy(out->bytes + out->count, known ? (const char *)text + i : "\xef\xbf\xbd", known ? 1 : 3);
        out->count += known ? 1 : 3;
    }
    return 1;
}

/* Normalised text between special tokens. 0: no memory. */
static int encode_segment(ck_encoder *e, const uint8_t *text, size_t bytes, int at_text_start) {
    if (bytes == 0) return 1;
    if (e->tokenizer->header->kind != CK_KIND_BYTES) return encode_splits(e, 0, text, 0, bytes, at_text_start);
    int prefix = has(e, CK_TOKENS_PREFIX_ALWAYS) || (has(e, CK_TOKENS_PREFIX_FIRST) && at_text_start);
    if (has(e, CK_TOKENS_PREFIX_UNLESS_SPACE) && text[0] == ' ') prefix = 0;
    if (!prefix && !e->tokenizer->lacks_bytes) return encode_splits(e, 0, text, 0, bytes, at_text_start);
    return repair_bytes(e, text, bytes, prefix) &&
           encode_splits(e, 0, e->escaped.bytes, 0, e->escaped.count, at_text_start);
}

static int encode_text(ck_encoder *e, int which, uint32_t edges, const uint8_t *text, size_t bytes);

/* Text between the special tokens of table `which`. 0: no memory. */
static int encode_between(ck_encoder *e, int which, uint32_t edges, const uint8_t *text, size_t bytes) {
    if (which == 1) return encode_segment(e, text, bytes, (edges & CK_TEXT_START) != 0);
    if (!ck_normalize(e->tokenizer, edges, &text, &bytes, e->normalized)) return 0;
    return encode_text(e, 1, edges, text, bytes);
}

/* A part of the text with the ends `edges`. 0: no memory. */
static int encode_text(ck_encoder *e, int which, uint32_t edges, const uint8_t *text, size_t bytes) {
    const ck_tokenizer *t = e->tokenizer;
    const ck_special_table *special = &t->special[which];
    size_t from = 0;
    for (size_t at = 0; at < bytes && !special->is_empty;) {
        size_t length = 0;
        int32_t id = -1;
        if (special->first[text[at]]) id = ck_special_at(t, which, e->parse_control, text, at, bytes, &length);
        if (id < 0) {
            at++;
            continue;
        }
        uint32_t type = t->piece_types[id];
        if ((type & CK_PIECE_SINGLE_WORD) != 0 && ck_touches_word(t, text, at, at + length, bytes)) {
            at += length;
            continue;
        }
        size_t end = (type & CK_PIECE_STRIP_LEFT) != 0 ? ck_without_white_tail(text, from, at) : at;
        uint32_t start = from == 0 ? edges & CK_TEXT_START : 0;
        if (end > from && !encode_between(e, which, start, text + from, end - from)) return 0;
        ck_ids_push(&e->out, (uint32_t)id);
        at += length;
        if ((type & CK_PIECE_STRIP_RIGHT) != 0) {
            for (size_t white = 1; at < bytes && white > 0; at += white) white = ck_white_space(text + at, bytes - at);
        }
        from = at;
    }
    if (from > 0) edges &= CK_TEXT_END;
    return from == bytes || encode_between(e, which, edges, text + from, bytes - from);
}

static void release(ck_encoder *e) {
    free(e->room.memory);
    ck_word_cache_free(e->cache);
    free(e->normalized[0].bytes);
    free(e->normalized[1].bytes);
    free(e->escaped.bytes);
    for (int i = 0; i < MOST_SPLITS; i++) free(e->trails[i].states);
}

ck_status ck_tokenizer_encode(const ck_tokenizer *tokenizer, const char *text, int64_t bytes, int32_t flags,
                              int32_t *ids, int64_t capacity, int64_t *count, ck_error *error) {
    const int64_t most = INT32_MAX / 4; /* places in a word are 32 bits, and a byte may become three */
    *count = 0;
    if (bytes < 0 || bytes > most || capacity < 0 || (flags & ~(CK_ADD_SPECIAL | CK_PARSE_SPECIAL)) != 0) {
        return ck_refuse(error, CK_ERROR_ARGUMENT,
                         "cannot tokenize %lld bytes with flags %d; accepted: 0 to %lld bytes, flags 0 to 3",
                         (long long)bytes, (int)flags, (long long)most);
    }
    ck_encoder e = {.tokenizer = tokenizer,
                    .parse_control = (flags & CK_PARSE_SPECIAL) != 0,
                    .out = {.ids = ids, .capacity = capacity},
                    .cache = bytes < SHORT_TEXT ? NULL : ck_word_cache_new()};
    const ck_tokens_header *header = tokenizer->header;
    if ((flags & CK_ADD_SPECIAL) != 0 && has(&e, CK_TOKENS_ADD_BOS)) ck_ids_push(&e.out, (uint32_t)header->bos);
    int fits = encode_text(&e, 0, CK_TEXT_START | CK_TEXT_END, (const uint8_t *)text, (size_t)bytes);
    if ((flags & CK_ADD_SPECIAL) != 0 && has(&e, CK_TOKENS_ADD_EOS)) ck_ids_push(&e.out, (uint32_t)header->eos);
    release(&e);
    if (!fits) {
        return ck_refuse(error, CK_ERROR_MEMORY, "no memory to tokenize a text of %lld bytes", (long long)bytes);
    }
    *count = e.out.count;
    return CK_OK;
}
