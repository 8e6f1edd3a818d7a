/* driver.c: runs the C tokenizer on many cases in one process, so that sanitizers see all of them.
 *
 * usage: driver BLOB < requests > replies. A request is u8 operation, u32 argument, u32 bytes, then the bytes:
 *   'E' encode the bytes (argument: flags), reply: i32 ids
 *   'D' decode i32 ids (argument: special), reply: text
 *   'P' the pieces of i32 ids one after the other (argument: special), reply: text
 *   'I' reply: i32 BOS, EOS, vocabulary, then 1 for each id that ends a generation, else 0
 *   'M' change the blob by {u32 at, u32 byte} records, cut it to `argument` bytes, open it and, where it opens, encode and
 *       decode a sample; reply: nothing
 * A reply is u32 status, u32 bytes, then the bytes (the error's text where status is not 0). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tokenizer.h"

static void *need(size_t bytes) {
    void *memory = malloc(bytes > 0 ? bytes : 1);
    if (memory == NULL) abort();
    return memory;
}

static void reply(uint32_t status, const void *payload, size_t bytes) {
    uint32_t head[2] = {status, (uint32_t)bytes};
    fwrite(head, sizeof head, 1, stdout);
    if (bytes > 0) fwrite(payload, bytes, 1, stdout);
}

static void refuse(ck_status status, const ck_error *error) {
    reply(status, error->text, strlen(error->text));
}

static void encode(const ck_tokenizer *tokenizer, int32_t flags, const uint8_t *text, size_t bytes, int answer) {
    ck_error error = {{0}};
    int64_t count;
    ck_status status =
        ck_tokenizer_encode(tokenizer, (const char *)text, (int64_t)bytes, flags, NULL, 0, &count, &error);
    if (status != CK_OK) {
        if (answer) refuse(status, &error);
        return;
    }
    int32_t *ids = need((size_t)count * sizeof *ids);
    ck_tokenizer_encode(tokenizer, (const char *)text, (int64_t)bytes, flags, ids, count, &count, &error);
    for (int64_t i = 0; i < count; i++) {
        if (ids[i] < 0 || ids[i] >= ck_tokenizer_vocabulary(tokenizer)) abort();
    }
    if (answer) reply(CK_OK, ids, (size_t)count * sizeof *ids);
    free(ids);
}

static void decode(const ck_tokenizer *tokenizer, int32_t special, const uint8_t *payload, size_t bytes, int answer) {
    ck_error error = {{0}};
    int64_t text_bytes;
    int64_t count = (int64_t)(bytes / 4);
    int32_t *ids = need(bytes);
    memcpy(ids, payload, bytes);
    ck_status status = ck_tokenizer_decode(tokenizer, ids, count, special, NULL, 0, &text_bytes, &error);
    if (status != CK_OK) {
        if (answer) refuse(status, &error);
    } else {
        char *text = need((size_t)text_bytes);
        ck_tokenizer_decode(tokenizer, ids, count, special, text, text_bytes, &text_bytes, &error);
        if (answer) reply(CK_OK, text, (size_t)text_bytes);
        free(text);
    }
    free(ids);
}

static void pieces(const ck_tokenizer *tokenizer, int32_t special, const uint8_t *payload, size_t bytes) {
    char *text = NULL;
    size_t written = 0;
    for (size_t i = 0; i + 4 <= bytes; i += 4) {
        int32_t id;
        memcpy(&id, payload + i, 4);
        int64_t more = ck_tokenizer_piece(tokenizer, id, special, NULL, 0);
        text = realloc(text, written + (size_t)more + 1);
        if (text == NULL) abort();
        ck_tokenizer_piece(tokenizer, id, special, text + written, more);
        written += (size_t)more;
    }
    reply(CK_OK, text, written);
    free(text);
}

static void describe(const ck_tokenizer *tokenizer) {
    int32_t vocabulary = (int32_t)ck_tokenizer_vocabulary(tokenizer);
    int32_t *facts = need((size_t)(3 + vocabulary) * sizeof *facts);
    facts[0] = ck_tokenizer_bos(tokenizer);
    facts[1] = ck_tokenizer_eos(tokenizer);
    facts[2] = vocabulary;
    for (int32_t id = 0; id < vocabulary; id++) facts[3 + id] = ck_tokenizer_is_end(tokenizer, id);
    reply(CK_OK, facts, (size_t)(3 + vocabulary) * sizeof *facts);
    free(facts);
}

static void mutate(const uint8_t *blob, size_t blob_bytes, uint32_t cut, const uint8_t *changes, size_t bytes) {
    static const char sample[] =
        "<s><|endoftext|>Hello  world's 1234 \xe2\x96\x81\xff\xc3\xa9" "e\xcc\x81 \xf0\x9f\xa6\x99\n\n end"
        " abcde aabbccddee abababab  e\xc3\xa9 ba\xe6\xbc\xa2" "cab  aecdbbae dcba\xea\xb0\x81\xe1\x86\xa8 <user> eea  aa";
    size_t kept = cut < blob_bytes ? cut : blob_bytes;
    uint8_t *copy = need(kept);
    memcpy(copy, blob, kept);
    for (size_t i = 0; i + 8 <= bytes; i += 8) {
        uint32_t change[2];
        memcpy(change, changes + i, 8);
        if (change[0] < kept) copy[change[0]] = (uint8_t)change[1];
    }
    ck_tokenizer *tokenizer;
    ck_error error = {{0}};
    ck_status status = ck_tokenizer_open(copy, kept, &tokenizer, &error);
    if (status == CK_OK) {
        encode(tokenizer, 3, (const uint8_t *)sample, sizeof sample - 1, 0);
        int32_t first[64];
        int64_t vocabulary = ck_tokenizer_vocabulary(tokenizer);
        for (int32_t i = 0; i < 64; i++) first[i] = (int32_t)((int64_t)i * vocabulary / 64);
        decode(tokenizer, 1, (const uint8_t *)first, sizeof first, 0);
        (void)ck_tokenizer_is_end(tokenizer, first[63]);
        ck_tokenizer_close(tokenizer);
        reply(CK_OK, NULL, 0);
    } else {
        refuse(status, &error);
    }
    free(copy);
}

static uint8_t *read_file(const char *path, size_t *bytes) {
    FILE *file = fopen(path, "rb");
    if (file == NULL) return NULL;
    fseek(file, 0, SEEK_END);
    *bytes = (size_t)ftell(file);
    rewind(file);
    uint8_t *memory = need(*bytes);
    if (fread(memory, 1, *bytes, file) != *bytes) abort();
    fclose(file);
    return memory;
}

int main(int argc, char **argv) {
    size_t blob_bytes = 0;
    uint8_t *blob = argc == 2 ? read_file(argv[1], &blob_bytes) : NULL;
    if (blob == NULL) {
        fprintf(stderr, "usage: driver BLOB < requests > replies\n");
        return 2;
    }
    ck_error error = {{0}};
    ck_tokenizer *tokenizer;
    if (ck_tokenizer_open(blob, blob_bytes, &tokenizer, &error) != CK_OK) {
        fprintf(stderr, "%s\n", error.text);
        free(blob);
        return 1;
    }
    uint8_t operation;
    uint32_t head[2];
    while (fread(&operation, 1, 1, stdin) == 1 && fread(head, sizeof head, 1, stdin) == 1) {
        uint8_t *payload = need(head[1]);
        if (head[1] > 0 && fread(payload, 1, head[1], stdin) != head[1]) abort();
        if (operation == 'E') encode(tokenizer, (int32_t)head[0], payload, head[1], 1);
        if (operation == 'D') decode(tokenizer, (int32_t)head[0], payload, head[1], 1);
        if (operation == 'P') pieces(tokenizer, (int32_t)head[0], payload, head[1]);
        if (operation == 'I') describe(tokenizer);
        if (operation == 'M') mutate(blob, blob_bytes, head[0], payload, head[1]);
        free(payload);
    }
    ck_tokenizer_close(tokenizer);
    free(blob);
    return 0;
}
