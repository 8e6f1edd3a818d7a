/* tokenizer.h: text <-> token ids over tables that the TypeScript side compiled (src/tokenizer), read in place. */
#ifndef CK_TOKENIZER_H
#define CK_TOKENIZER_H

#include "ck.h"

/* A view of a mapped tables blob; holds pointers into it, owns nothing but `memory`. */
typedef struct ck_tokenizer ck_tokenizer;

/* Checks every offset, count and index of the blob, so that encode and decode need no checks. Never reads outside it. */
ck_status ck_tokenizer_open(const uint8_t *blob, uint64_t bytes, ck_tokenizer **tokenizer, ck_error *error);
void ck_tokenizer_close(ck_tokenizer *tokenizer);

int32_t ck_tokenizer_bos(const ck_tokenizer *tokenizer); /* -1: none */
int32_t ck_tokenizer_eos(const ck_tokenizer *tokenizer); /* -1: none */
int64_t ck_tokenizer_vocabulary(const ck_tokenizer *tokenizer);
/* 1 where this id ends a generation: EOS, end of turn. */
int32_t ck_tokenizer_is_end(const ck_tokenizer *tokenizer, int32_t id);

/* As ck_tokenize and ck_detokenize in ck.h. May be called from several threads at once. */
ck_status ck_tokenizer_encode(const ck_tokenizer *tokenizer, const char *text, int64_t bytes, int32_t flags,
                              int32_t *ids, int64_t capacity, int64_t *count, ck_error *error);
/* Parts of a text, one behind another: part i ends at byte ends[i], and control tokens written in it count where
 * special[i] is 1. A special token lies in one part. */
typedef struct ck_parts {
    const int64_t *ends;
    const int32_t *special;
    int32_t count;
} ck_parts;

/* As ck_tokenize_parts in ck.h. */
ck_status ck_tokenizer_encode_parts(const ck_tokenizer *tokenizer, const char *text, const ck_parts *parts,
                                    int32_t flags, int32_t *ids, int64_t capacity, int64_t *count, ck_error *error);
ck_status ck_tokenizer_decode(const ck_tokenizer *tokenizer, const int32_t *ids, int64_t count, int32_t special,
                              char *text, int64_t capacity, int64_t *bytes, ck_error *error);
/* The bytes of one token in the middle of a text; for streaming. Returns their number, at most `capacity` written. */
int64_t ck_tokenizer_piece(const ck_tokenizer *tokenizer, int32_t id, int32_t special, char *text, int64_t capacity);

#endif
