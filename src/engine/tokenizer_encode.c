/* tokenizer_encode.c: text to ids: special tokens, then normalising, cutting and encoding the words between them. */
#include <stdlib.h>

#include "tokenizer_parts.h"

/* Texts of fewer bytes do without the cache of words. */
#define SHORT_TEXT 4096
#define MOST_SPLITS 16

/* One call's state. */
typedef struct ck_encoder {
    const ck_tokenizer *tokenizer;
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

/* What stands before a stretch of text. */
typedef enum ck_before { CK_BEFORE_NOTHING, CK_BEFORE_SPECIAL, CK_BEFORE_TEXT } ck_before;

static int wants_prefix(const ck_encoder *e, ck_before before) {
    return (has(e, CK_TOKENS_PREFIX_ALWAYS) && before != CK_BEFORE_TEXT) ||
           (has(e, CK_TOKENS_PREFIX_FIRST) && before == CK_BEFORE_NOTHING);
}

/* Adds the prefix; U+2581 becomes the space that it stands for. bytes >= 1. 0: no memory. */
static int escape_spaces(ck_encoder *e, const uint8_t *text, size_t bytes, ck_before before) {
    ck_text *out = &e->escaped;
    out->count = 0;
    if (!ck_text_reserve(out, bytes + 1)) return 0;
    int marked = bytes >= 3 && memcmp(text, "\xe2\x96\x81", 3) == 0;
    int prefix = wants_prefix(e, before);
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
static int encode_piece(ck_encoder *e, const uint8_t *text, size_t bytes, ck_before before) {
    uint32_t kind = e->tokenizer->header->kind;
    if (kind == CK_KIND_BYTES || kind == CK_KIND_WORDPIECE) return encode_word(e, text, bytes);
    return escape_spaces(e, text, bytes, before) && encode_characters(e, e->escaped.bytes, e->escaped.count);
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
                         ck_before before) {
    if (level == e->tokenizer->header->splits) {
        return encode_piece(e, text + from, end - from, from > 0 ? CK_BEFORE_SPECIAL : before);
    }
    uint32_t rule = e->tokenizer->automata[level].behaviour;
    uint32_t behaviour = rule & ~(uint32_t)CK_SPLIT_INVERT;
    size_t piece = from;
    int matched = 0;
    e->trails[level].wasted = 0;
    for (size_t at = from; at < end;) {
        int matches;
        size_t to = ck_automaton_next(e->tokenizer, level, text, at, end, &e->trails[level], &matches);
        if (to == 0) return 0;
        matches ^= (rule & CK_SPLIT_INVERT) != 0;
        int removed = behaviour == CK_SPLIT_REMOVED && matches;
        if (at > piece && (removed || !joins_last(behaviour, matches, matched))) {
            if (!encode_splits(e, level + 1, text, piece, at, before)) return 0;
            piece = at;
        }
        if (removed) piece = to;
        matched = matches;
        at = to;
    }
    return piece == end || encode_splits(e, level + 1, text, piece, end, before);
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
static int encode_segment(ck_encoder *e, const uint8_t *text, size_t bytes, ck_before before) {
    if (bytes == 0) return 1;
    if (e->tokenizer->header->kind != CK_KIND_BYTES) return encode_splits(e, 0, text, 0, bytes, before);
    int prefix = wants_prefix(e, before) && !(has(e, CK_TOKENS_PREFIX_UNLESS_SPACE) && text[0] == ' ');
    if (!prefix && !e->tokenizer->lacks_bytes) return encode_splits(e, 0, text, 0, bytes, before);
    return repair_bytes(e, text, bytes, prefix) && encode_splits(e, 0, e->escaped.bytes, 0, e->escaped.count, before);
}

static int encode_text(ck_encoder *e, int which, const ck_parts *parts, const uint8_t *text, size_t bytes,
                       ck_before before, int ends);

/* text[from .. end) between the special tokens of table `which`; `ends`: the whole text ends there. 0: no memory. */
static int encode_between(ck_encoder *e, int which, const ck_parts *parts, const uint8_t *text, size_t from, size_t end,
                          ck_before before, int ends) {
    const uint8_t *stretch = text + from;
    size_t bytes = end - from;
    if (which == 1) return encode_segment(e, stretch, bytes, before);
    /* Control tokens that are looked for behind normalising count where every part of the stretch allows them. */
    int32_t special = 1;
    for (int32_t i = 0; i < parts->count; i++) {
        size_t start = i == 0 ? 0 : (size_t)parts->ends[i - 1];
        if (start < end && (size_t)parts->ends[i] > from && !parts->special[i]) special = 0;
    }
    uint32_t edges = (before == CK_BEFORE_NOTHING ? CK_TEXT_START : 0u) | (ends ? CK_TEXT_END : 0u) |
                     (before == CK_BEFORE_TEXT ? CK_TEXT_GOES_ON : 0u);
    if (!ck_normalize(e->tokenizer, edges, &stretch, &bytes, e->normalized)) return 0;
    int64_t whole = (int64_t)bytes;
    return encode_text(e, 1, &(ck_parts){&whole, &special, 1}, stretch, bytes, before, ends);
}

/* A text in parts; `ends`: nothing comes behind it. 0: no memory. */
static int encode_text(ck_encoder *e, int which, const ck_parts *parts, const uint8_t *text, size_t bytes,
                       ck_before before, int ends) {
    const ck_tokenizer *t = e->tokenizer;
    const ck_special_table *table = &t->special[which];
    size_t from = 0;
    int32_t part = 0;
    for (size_t at = 0; at < bytes && !table->is_empty;) {
        while ((size_t)parts->ends[part] <= at) part++;
        size_t length = 0;
        size_t end = (size_t)parts->ends[part];
        int32_t id = -1;
        if (table->first[text[at]]) id = ck_special_at(t, which, parts->special[part], text, at, end, &length);
        if (id < 0) {
            at++;
            continue;
        }
        uint32_t type = t->piece_types[id];
        if ((type & CK_PIECE_SINGLE_WORD) != 0 && ck_touches_word(t, text, at, at + length, bytes)) {
            at += length;
            continue;
        }
        end = (type & CK_PIECE_STRIP_LEFT) != 0 ? ck_without_white_tail(text, from, at) : at;
        if (end > from && !encode_between(e, which, parts, text, from, end, before, 0)) return 0;
        ck_ids_push(&e->out, (uint32_t)id);
        before = CK_BEFORE_SPECIAL;
        at += length;
        if ((type & CK_PIECE_STRIP_RIGHT) != 0) {
            for (size_t white = 1; at < bytes && white > 0; at += white) white = ck_white_space(text + at, bytes - at);
        }
        from = at;
    }
    return from == bytes || encode_between(e, which, parts, text, from, bytes, before, ends);
}

static void release(ck_encoder *e) {
    free(e->room.memory);
    ck_word_cache_free(e->cache);
    free(e->normalized[0].bytes);
    free(e->normalized[1].bytes);
    free(e->escaped.bytes);
    for (int i = 0; i < MOST_SPLITS; i++) free(e->trails[i].states);
}

/* Whether the parts fill a text of `bytes`. */
static int parts_fill(const ck_parts *parts, int64_t bytes) {
    int64_t end = 0;
    for (int32_t i = 0; i < parts->count; i++) {
        if (parts->ends[i] < end) return 0;
        end = parts->ends[i];
    }
    return end == bytes;
}

ck_status ck_tokenizer_encode_parts(const ck_tokenizer *tokenizer, const char *text, const ck_parts *parts,
                                    int32_t flags, int32_t *ids, int64_t capacity, int64_t *count, ck_error *error) {
    const int64_t most = INT32_MAX / 4; /* places in a word are 32 bits, and a byte may become three */
    const int64_t bytes = parts->count > 0 ? parts->ends[parts->count - 1] : 0;
    *count = 0;
    if (bytes < 0 || bytes > most || capacity < 0 || (flags & ~(CK_ADD_SPECIAL | CK_CONTINUES)) != 0 ||
        !parts_fill(parts, bytes)) {
        return ck_refuse(error, CK_ERROR_ARGUMENT,
                         "cannot tokenize %lld bytes in %d parts with flags %d; accepted: 0 to %lld bytes, parts that "
                         "fill them, flags 0, 1, 4 or 5",
                         (long long)bytes, (int)parts->count, (int)flags, (long long)most);
    }
    ck_encoder e = {.tokenizer = tokenizer,
                    .out = {.ids = ids, .capacity = capacity},
                    .cache = bytes < SHORT_TEXT ? NULL : ck_word_cache_new()};
    const ck_tokens_header *header = tokenizer->header;
    if ((flags & CK_ADD_SPECIAL) != 0 && has(&e, CK_TOKENS_ADD_BOS)) ck_ids_push(&e.out, (uint32_t)header->bos);
    const ck_before before = (flags & CK_CONTINUES) != 0 ? CK_BEFORE_TEXT : CK_BEFORE_NOTHING;
    int fits = encode_text(&e, 0, parts, (const uint8_t *)text, (size_t)bytes, before, 1);
    if ((flags & CK_ADD_SPECIAL) != 0 && has(&e, CK_TOKENS_ADD_EOS)) ck_ids_push(&e.out, (uint32_t)header->eos);
    release(&e);
    if (!fits) {
        return ck_refuse(error, CK_ERROR_MEMORY, "no memory to tokenize a text of %lld bytes", (long long)bytes);
    }
    *count = e.out.count;
    return CK_OK;
}

ck_status ck_tokenizer_encode(const ck_tokenizer *tokenizer, const char *text, int64_t bytes, int32_t flags,
                              int32_t *ids, int64_t capacity, int64_t *count, ck_error *error) {
    *count = 0;
    if ((flags & ~(CK_ADD_SPECIAL | CK_PARSE_SPECIAL)) != 0) {
        return ck_refuse(error, CK_ERROR_ARGUMENT, "cannot tokenize with flags %d; accepted: 0 to 3", (int)flags);
    }
    const int32_t special = (flags & CK_PARSE_SPECIAL) != 0;
    const ck_parts whole = {&bytes, &special, 1};
    return ck_tokenizer_encode_parts(tokenizer, text, &whole, flags & CK_ADD_SPECIAL, ids, capacity, count, error);
}
