/* tokenizer_decode.c: ids to text. */
#include "tokenizer_tables.h"

static uint32_t type_of(const ck_tokenizer *t, int32_t id) {
    return t->piece_types[id] & CK_PIECE_TYPE;
}

/* Control and unknown tokens are shown only on request. */
static int is_hidden(const ck_tokenizer *t, int32_t id, int32_t special) {
    uint32_t type = type_of(t, id);
    return !special && (type == CK_PIECE_CONTROL || type == CK_PIECE_UNKNOWN);
}

static const uint8_t *piece_of(const ck_tokenizer *t, int32_t id, uint32_t *bytes) {
    uint32_t start = t->piece_starts[id];
    *bytes = t->piece_starts[id + 1] - start;
    return t->piece_bytes + start;
}

ck_status ck_tokenizer_decode(const ck_tokenizer *tokenizer, const int32_t *ids, int64_t count, int32_t special,
                              char *text, int64_t capacity, int64_t *bytes, ck_error *error) {
    int64_t vocabulary = tokenizer->header->vocabulary;
    int64_t written = 0;
    *bytes = 0;
    if (count < 0 || capacity < 0) {
        return ck_refuse(error, CK_ERROR_ARGUMENT, "cannot write %lld ids to %lld bytes; accepted: 0 and more",
                         (long long)count, (long long)capacity);
    }
    for (int64_t i = 0; i < count; i++) {
        if (ids[i] >= 0 && ids[i] < vocabulary) continue;
        return ck_refuse(error, CK_ERROR_ARGUMENT,
                         "token id %d at position %lld is outside the tokenizer; accepted: 0 to %lld", (int)ids[i],
                         (long long)i, (long long)(vocabulary - 1));
    }
    int spaces_controls = tokenizer->header->kind == CK_KIND_WORDPIECE;
    int at_start = (tokenizer->header->flags & CK_TOKENS_STRIP_PREFIX) != 0;
    for (int64_t i = 0; i < count; i++) {
        uint32_t piece_bytes;
        const uint8_t *piece = piece_of(tokenizer, ids[i], &piece_bytes);
        if (is_hidden(tokenizer, ids[i], special) || piece_bytes == 0) continue;
        if (at_start && (spaces_controls || type_of(tokenizer, ids[i]) != CK_PIECE_CONTROL)) {
            at_start = 0;
            if (piece[0] == ' ') {
                piece++;
                piece_bytes--;
            }
        }
        if (written < capacity) {
            int64_t room = capacity - written;
            memcpy(text + written, piece, (size_t)(room < piece_bytes ? room : piece_bytes));
        }
        written += piece_bytes;
    }
    *bytes = written;
    return CK_OK;
}

int64_t ck_tokenizer_piece(const ck_tokenizer *tokenizer, int32_t id, int32_t special, char *text, int64_t capacity) {
    if (id < 0 || (uint32_t)id >= tokenizer->header->vocabulary || is_hidden(tokenizer, id, special)) return 0;
    uint32_t bytes;
    const uint8_t *piece = piece_of(tokenizer, id, &bytes);
    if (capacity > 0) memcpy(text, piece, (size_t)(capacity < bytes ? capacity : bytes));
    return bytes;
}
