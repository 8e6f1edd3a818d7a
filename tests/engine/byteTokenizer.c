/* A tokenizer of bytes in place of the real one: ids 0 .. 255 are bytes, 256 is BOS, 257 EOS ("<eos>"), and from 258 on the
 * pieces of the blob: uint32 count, then per piece uint32 bytes and the bytes. As with SentencePiece, one space at the very
 * beginning of a decoded text is dropped. */
#include <stdlib.h>
#include <string.h>

#include "tokenizer.h"

enum { BOS = 256, EOS = 257, FIRST_PIECE = 258, MOST_PIECES = 42 };

struct ck_tokenizer {
    uint32_t count;
    const char *pieces[MOST_PIECES];
    uint32_t bytes[MOST_PIECES];
};

static uint32_t read_u32(const uint8_t *at) {
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static ck_status refuse(ck_error *error) {
    if (error) strcpy(error->text, "byte tokenizer: damaged tables");
    return CK_ERROR_TOKENIZER;
}

ck_status ck_tokenizer_open(const uint8_t *blob, uint64_t bytes, ck_tokenizer **tokenizer, ck_error *error) {
    if (bytes < 4 || read_u32(blob) > MOST_PIECES) return refuse(error);
    ck_tokenizer t = {.count = read_u32(blob)};
    uint64_t at = 4;
    for (uint32_t i = 0; i < t.count; i++) {
        if (bytes - at < 4 || bytes - at - 4 < read_u32(blob + at)) return refuse(error);
        t.bytes[i] = read_u32(blob + at);
        t.pieces[i] = (const char *)blob + at + 4;
        at += 4 + t.bytes[i];
    }
    *tokenizer = malloc(sizeof t);
    **tokenizer = t;
    return CK_OK;
}

void ck_tokenizer_close(ck_tokenizer *tokenizer) {
    free(tokenizer);
}

int32_t ck_tokenizer_bos(const ck_tokenizer *tokenizer) {
    (void)tokenizer;
    return BOS;
}

int32_t ck_tokenizer_eos(const ck_tokenizer *tokenizer) {
    (void)tokenizer;
    return EOS;
}

int64_t ck_tokenizer_vocabulary(const ck_tokenizer *tokenizer) {
    return FIRST_PIECE + tokenizer->count;
}

int32_t ck_tokenizer_is_end(const ck_tokenizer *tokenizer, int32_t id) {
    (void)tokenizer;
    return id == EOS;
}

ck_status ck_tokenizer_encode(const ck_tokenizer *tokenizer, const char *text, int64_t bytes, int32_t flags,
                              int32_t *ids, int64_t capacity, int64_t *count, ck_error *error) {
    (void)tokenizer;
    (void)error;
    *count = 0;
    if (flags & CK_ADD_SPECIAL && (*count)++ < capacity) ids[0] = BOS;
    for (int64_t i = 0; i < bytes; i++) {
        int is_eos = flags & CK_PARSE_SPECIAL && bytes - i >= 5 && memcmp(text + i, "<eos>", 5) == 0;
        if (*count < capacity) ids[*count] = is_eos ? EOS : (uint8_t)text[i];
        (*count)++;
        if (is_eos) i += 4;
    }
    return CK_OK;
}

int64_t ck_tokenizer_piece(const ck_tokenizer *tokenizer, int32_t id, int32_t special, char *text, int64_t capacity) {
    char byte = (char)id;
    const char *piece = &byte;
    int64_t bytes = 1;
    if (id >= FIRST_PIECE) {
        piece = tokenizer->pieces[id - FIRST_PIECE];
        bytes = tokenizer->bytes[id - FIRST_PIECE];
    } else if (id >= BOS) {
        piece = id == BOS ? "<bos>" : "<eos>";
        bytes = special ? 5 : 0;
    }
    if (capacity > 0) memcpy(text, piece, (size_t)(bytes < capacity ? bytes : capacity));
    return bytes;
}

ck_status ck_tokenizer_decode(const ck_tokenizer *tokenizer, const int32_t *ids, int64_t count, int32_t special,
                              char *text, int64_t capacity, int64_t *bytes, ck_error *error) {
    (void)error;
    *bytes = 0;
    int is_first = 1;
    for (int64_t i = 0; i < count; i++) {
        char piece[4096];
        int64_t n = ck_tokenizer_piece(tokenizer, ids[i], special, piece, (int64_t)sizeof piece);
        for (int64_t k = is_first && n > 0 && piece[0] == ' '; k < n && k < (int64_t)sizeof piece; k++) {
            if (*bytes < capacity) text[*bytes] = piece[k];
            (*bytes)++;
        }
        if (n > 0) is_first = 0;
    }
    return CK_OK;
}
