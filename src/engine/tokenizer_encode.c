/* tokenizer_encode.c: text to ids: special tokens, then normalising, cutting and merging what lies between them. */
#include <stdlib.h>

#include "tokenizer_tables.h"

/* One call's state. */
typedef struct ck_encoder {
    const ck_tokenizer *tokenizer;
    ck_ids out;
    ck_merger merger;
    ck_text repaired;   /* the segment with the prefix, and with what cannot be written replaced */
    ck_text normalized; /* the segment in NFC */
} ck_encoder;

static int has(const ck_encoder *e, uint32_t flag) {
    return (e->tokenizer->header->flags & flag) != 0;
}

/* Bytes of the white space character at text[0]; 0: none. The set is Unicode's White_Space. */
static size_t white_space(const uint8_t *text, size_t bytes) {
    int32_t code;
    size_t taken = ck_utf8_decode(text, bytes, &code);
    int white = (code >= 0x09 && code <= 0x0d) || code == 0x20 || code == 0x85 || code == 0xa0 || code == 0x1680 ||
                (code >= 0x2000 && code <= 0x200a) || code == 0x2028 || code == 0x2029 || code == 0x202f ||
                code == 0x205f || code == 0x3000;
    return white ? taken : 0;
}

/* Where text[from .. end) ends without the white space at its end. */
static size_t without_white_tail(const uint8_t *text, size_t from, size_t end) {
    while (end > from) {
        size_t at = end - 1;
        while (at > from && end - at < 3 && (text[at] & 0xc0) == 0x80) at--;
        if (white_space(text + at, end - at) != end - at) break;
        end = at;
    }
    return end;
}

/* The longest special token that begins at text[at], or -1; *length its bytes. */
static int32_t special_at(const ck_tokenizer *t, int parse_control, const uint8_t *text, size_t at, size_t end,
                          size_t *length) {
    int32_t found = -1;
    uint32_t node = 1;
    for (size_t i = at; i < end; i++) {
        node = t->special_table[(size_t)node * t->header->special_classes + t->special_classes[text[i]]];
        if (node == 0) break;
        int32_t id = t->special_ids[node];
        if (id < 0 || (!parse_control && (t->piece_types[id] & CK_PIECE_TYPE) != CK_PIECE_USER)) continue;
        found = id;
        *length = i + 1 - at;
    }
    return found;
}

/* Cuts text[from .. end) by the splits from `level` on, and merges the pieces. 0: no memory. */
static int encode_bytes(ck_encoder *e, uint32_t level, const uint8_t *text, size_t from, size_t end) {
    if (level == e->tokenizer->header->splits) {
        return ck_merge_word(e->tokenizer, &e->merger, text + from, end - from, &e->out);
    }
    while (from < end) {
        size_t to = ck_split_next(e->tokenizer, level, text, from, end);
        if (!encode_bytes(e, level + 1, text, from, to)) return 0;
        from = to;
    }
    return 1;
}

static int encode_characters(ck_encoder *e, const uint8_t *text, size_t bytes) {
    int at_each = has(e, CK_TOKENS_CUT_AT_SPACES);
    int cuts = at_each || has(e, CK_TOKENS_CUT_BEFORE_SPACE);
    size_t from = 0;
    for (size_t at = 1; cuts && at < bytes; at++) {
        if (text[at] != ' ' || (!at_each && text[at - 1] == ' ')) continue;
        if (!ck_merge_word(e->tokenizer, &e->merger, text + from, at - from, &e->out)) return 0;
        from = at;
    }
    return ck_merge_word(e->tokenizer, &e->merger, text + from, bytes - from, &e->out);
}

/* Bytes that the vocabulary lacks become U+FFFD. 0: no memory. */
static int repair_bytes(ck_encoder *e, const uint8_t *text, size_t bytes) {
    ck_text *out = &e->repaired;
    out->count = 0;
    if (bytes > SIZE_MAX / 4 || !ck_text_reserve(out, 3 * bytes)) return 0;
    for (size_t i = 0; i < bytes; i++) {
        int known = e->tokenizer->byte_ids[text[i]] != CK_NO_SYMBOL;
        memcpy(out->bytes + out->count, known ? (const char *)text + i : "\xef\xbf\xbd", known ? 1 : 3);
        out->count += known ? 1 : 3;
    }
    return 1;
}

/* What stands before a segment. */
typedef enum ck_before { CK_BEFORE_NOTHING, CK_BEFORE_SPECIAL, CK_BEFORE_TEXT } ck_before;

/* Adds the prefix; U+2581 becomes the space that it stands for. 0: no memory. */
static int escape_spaces(ck_encoder *e, const uint8_t *text, size_t bytes, ck_before before) {
    ck_text *out = &e->repaired;
    out->count = 0;
    if (!ck_text_reserve(out, bytes + 1)) return 0;
    int marked = bytes >= 3 && memcmp(text, "\xe2\x96\x81", 3) == 0;
    int prefix = (has(e, CK_TOKENS_PREFIX_ALWAYS) && before != CK_BEFORE_TEXT) ||
                 (has(e, CK_TOKENS_PREFIX_FIRST) && before == CK_BEFORE_NOTHING);
    if (has(e, CK_TOKENS_PREFIX_UNLESS_SPACE) && (text[0] == ' ' || marked)) prefix = 0;
    if (prefix) out->bytes[out->count++] = ' ';
    for (size_t i = 0; i < bytes; i++) {
        int space = text[i] == 0xe2 && bytes - i >= 3 && text[i + 1] == 0x96 && text[i + 2] == 0x81;
        out->bytes[out->count++] = space ? ' ' : text[i];
        if (space) i += 2;
    }
    return 1;
}

/* Text between special tokens; bytes >= 1. 0: no memory. */
static int encode_segment(ck_encoder *e, const uint8_t *text, size_t bytes, ck_before before) {
    if (has(e, CK_TOKENS_NFC)) {
        e->normalized.count = 0;
        if (!ck_normalize_nfc(e->tokenizer, text, bytes, &e->normalized)) return 0;
        text = e->normalized.bytes;
        bytes = e->normalized.count;
    }
    if (e->tokenizer->header->kind == CK_KIND_CHARACTERS) {
        return escape_spaces(e, text, bytes, before) &&
               encode_characters(e, e->repaired.bytes, e->repaired.count);
    }
    if (!e->tokenizer->lacks_bytes) return encode_bytes(e, 0, text, 0, bytes);
    return repair_bytes(e, text, bytes) && encode_bytes(e, 0, e->repaired.bytes, 0, e->repaired.count);
}

static int encode_text(ck_encoder *e, const ck_parts *parts, const uint8_t *text, size_t bytes, ck_before before) {
    const ck_tokenizer *t = e->tokenizer;
    size_t from = 0;
    int32_t part = 0;
    for (size_t at = 0; at < bytes;) {
        while ((size_t)parts->ends[part] <= at) part++;
        size_t length = 0, end_of_part = (size_t)parts->ends[part];
        int32_t id = -1;
        if (t->special_first[text[at]]) id = special_at(t, parts->special[part], text, at, end_of_part, &length);
        if (id < 0) {
            at++;
            continue;
        }
        size_t end = (t->piece_types[id] & CK_PIECE_STRIP_LEFT) != 0 ? without_white_tail(text, from, at) : at;
        if (end > from && !encode_segment(e, text + from, end - from, before)) return 0;
        ck_ids_push(&e->out, (uint32_t)id);
        before = CK_BEFORE_SPECIAL;
        at += length;
        if ((t->piece_types[id] & CK_PIECE_STRIP_RIGHT) != 0) {
            for (size_t white = 1; at < bytes && white > 0; at += white) white = white_space(text + at, bytes - at);
        }
        from = at;
    }
    return from == bytes || encode_segment(e, text + from, bytes - from, before);
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
    ck_encoder e = {.tokenizer = tokenizer, .out = {ids, capacity, 0}};
    const ck_tokens_header *header = tokenizer->header;
    if ((flags & CK_ADD_SPECIAL) != 0 && has(&e, CK_TOKENS_ADD_BOS)) ck_ids_push(&e.out, (uint32_t)header->bos);
    const ck_before before = (flags & CK_CONTINUES) != 0 ? CK_BEFORE_TEXT : CK_BEFORE_NOTHING;
    int fits = encode_text(&e, parts, (const uint8_t *)text, (size_t)bytes, before);
    if ((flags & CK_ADD_SPECIAL) != 0 && has(&e, CK_TOKENS_ADD_EOS)) ck_ids_push(&e.out, (uint32_t)header->eos);
    ck_merger_free(&e.merger);
    free(e.repaired.bytes);
    free(e.normalized.bytes);
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
