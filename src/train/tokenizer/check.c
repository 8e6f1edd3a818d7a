/* check.c: whether a tokenizer gives back the texts that it reads. */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "refuse.h"
#include "texts.h"

typedef struct checker {
    ck_status status;
    uint64_t block; /* where it ended early */
    ck_error error;
} checker;

typedef struct checking {
    const ck_texts *texts;
    const ck_tokenizer *tokenizer;
    checker *checkers;
    uint64_t stride; /* every so many blocks one is read */
    atomic_uint_least64_t next;
} checking;

/* The first character that begins at or behind `at`. */
static uint64_t character_from(const ck_text_file *file, uint64_t at) {
    while (at < file->count && (file->bytes[at] & 0xc0) == 0x80) at++;
    return at < file->count ? at : file->count;
}

/* `room` has CK_TEXT_BLOCK + 4 ids and `text` as many bytes. */
static ck_status check_block(const checking *all, checker *own, uint64_t block, int32_t *room, char *text) {
    uint64_t begins;
    const ck_text_file *file = ck_texts_block(all->texts, block, &begins);
    uint64_t from = character_from(file, begins);
    uint64_t end = character_from(file, begins + CK_TEXT_BLOCK);
    const char *source = (const char *)file->bytes + from;
    int64_t bytes = end > from ? (int64_t)(end - from) : 0;
    int64_t ids = 0;
    int64_t decoded = 0;
    if (bytes > (int64_t)CK_TEXT_BLOCK + 4) bytes = CK_TEXT_BLOCK;
    ck_status status =
        ck_tokenizer_encode(all->tokenizer, source, bytes, 0, room, (int64_t)CK_TEXT_BLOCK + 4, &ids, &own->error);
    if (status != CK_OK) return status;
    if (ids <= bytes) {
        status = ck_tokenizer_decode(all->tokenizer, room, ids, 1, text, (int64_t)CK_TEXT_BLOCK + 4, &decoded, &own->error);
        if (status != CK_OK) return status;
        if (decoded == bytes && memcmp(text, source, (size_t)bytes) == 0) return CK_OK;
    }
    return ck_refuse(&own->error, CK_ERROR_FORMAT,
                     "%s: encoding and decoding bytes %llu to %llu does not give them back; accepted: special tokens "
                     "that are no words of the texts",
                     file->path, (unsigned long long)from, (unsigned long long)end);
}

static void check_part(void *shared, int part) {
    checking *all = shared;
    checker *own = &all->checkers[part];
    int32_t *room = malloc((CK_TEXT_BLOCK + 4) * sizeof *room);
    char *text = malloc(CK_TEXT_BLOCK + 4);
    if (room == NULL || text == NULL) {
        own->status = ck_refuse(&own->error, CK_ERROR_MEMORY, "no memory to encode blocks of %u bytes", CK_TEXT_BLOCK);
    }
    while (own->status == CK_OK) {
        uint64_t block = all->stride * atomic_fetch_add(&all->next, 1);
        if (block >= all->texts->blocks) break;
        own->block = block;
        own->status = check_block(all, own, block, room, text);
    }
    free(room);
    free(text);
}

ck_status ck_check_texts(const ck_texts *texts, const ck_tokenizer *tokenizer, int threads, uint64_t most_bytes,
                         ck_error *error) {
    checking all = {.texts = texts,
                    .tokenizer = tokenizer,
                    .checkers = calloc((size_t)threads, sizeof(checker)),
                    .stride = texts->bytes / most_bytes + 1};
    if (all.checkers == NULL) return ck_refuse(error, CK_ERROR_MEMORY, "no memory for %d threads", threads);
    ck_run_parts(threads, check_part, &all);
    const checker *first = NULL;
    for (int i = 0; i < threads; i++) {
        const checker *own = &all.checkers[i];
        if (own->status != CK_OK && (first == NULL || own->block < first->block)) first = own;
    }
    ck_status status = first == NULL ? CK_OK : ck_refuse(error, first->status, "%s", first->error.text);
    free(all.checkers);
    return status;
}
