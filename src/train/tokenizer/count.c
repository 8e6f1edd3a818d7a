/* count.c: how often each word stands in the texts. Every thread counts the lines that begin in its blocks. */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "texts.h"
#include "tokenizer_parts.h"

#define MOST_SPLITS 16
#define MOST_WORD_BYTES 0x3fffffffu

/* What one thread has found. */
typedef struct counter {
    ck_words words;
    ck_trail trails[MOST_SPLITS];
    ck_status status;
    uint64_t block; /* where it ended early */
    ck_error error;
} counter;

typedef struct counting {
    const ck_texts *texts;
    const ck_tokenizer *tokenizer;
    counter *counters;
    atomic_uint_least64_t next;
    atomic_int is_refused;
} counting;

/* text[0 .. bytes) within one line, cut by the splits from `level` on. 0: no memory. */
static int count_words(const ck_tokenizer *tokenizer, counter *own, uint32_t level, const uint8_t *text, size_t bytes) {
    if (level == tokenizer->header->splits) {
        uint32_t at = bytes > MOST_WORD_BYTES ? CK_NO_WORD : ck_words_put(&own->words, text, (uint32_t)bytes);
        if (at == CK_NO_WORD) return 0;
        own->words.words[at].number++;
        return 1;
    }
    own->trails[level].wasted = 0;
    for (size_t at = 0; at < bytes;) {
        int matches;
        size_t to = ck_automaton_next(tokenizer, level, text, at, bytes, &own->trails[level], &matches);
        if (to == 0 || !count_words(tokenizer, own, level + 1, text + at, to - at)) return 0;
        at = to;
    }
    return 1;
}

/* The first byte of text[from .. end) that is no UTF-8, or `end`. */
static uint64_t first_invalid(const uint8_t *text, uint64_t from, uint64_t end) {
    while (from < end) {
        uint64_t eight;
        if (end - from >= 8 && (memcpy(&eight, text + from, 8), (eight & 0x8080808080808080u) == 0)) {
            from += 8;
            continue;
        }
        int32_t code;
        size_t taken = ck_utf8_decode(text + from, (size_t)(end - from), &code);
        if (code < 0) return from;
        from += taken;
    }
    return end;
}

/* The first line that begins at or behind `at`. */
static uint64_t line_from(const ck_text_file *file, uint64_t at) {
    if (at == 0) return 0;
    if (at >= file->count) return file->count;
    const uint8_t *end = memchr(file->bytes + at - 1, '\n', (size_t)(file->count - at + 1));
    return end == NULL ? file->count : (uint64_t)(end + 1 - file->bytes);
}

static ck_status count_block(const counting *all, counter *own, uint64_t block) {
    uint64_t begins;
    const ck_text_file *file = ck_texts_block(all->texts, block, &begins);
    uint64_t end = line_from(file, begins + CK_TEXT_BLOCK);
    uint64_t from = line_from(file, begins);
    uint64_t invalid = first_invalid(file->bytes, from, end);
    if (invalid < end) {
        return ck_refuse(&own->error, CK_ERROR_FORMAT, "%s at byte %llu: 0x%02X is no UTF-8; accepted: UTF-8 text",
                         file->path, (unsigned long long)invalid, (unsigned)file->bytes[invalid]);
    }
    while (from < end) {
        const uint8_t *newline = memchr(file->bytes + from, '\n', (size_t)(end - from));
        size_t bytes = newline == NULL ? (size_t)(end - from) : (size_t)(newline + 1 - (file->bytes + from));
        if (!count_words(all->tokenizer, own, 0, file->bytes + from, bytes)) {
            return ck_refuse(&own->error, CK_ERROR_MEMORY, "%s: no memory for the distinct words of the texts", file->path);
        }
        from += bytes;
    }
    return CK_OK;
}

static void count_part(void *shared, int part) {
    counting *all = shared;
    counter *own = &all->counters[part];
    while (own->status == CK_OK && !atomic_load(&all->is_refused)) {
        uint64_t block = atomic_fetch_add(&all->next, 1);
        if (block >= all->texts->blocks) break;
        own->block = block;
        own->status = count_block(all, own, block);
        if (own->status != CK_OK) atomic_store(&all->is_refused, 1);
    }
}

/* Blocks are taken in order, so the first of the refused ones was reached whatever the number of threads. */
static const counter *first_refused(const counter *counters, int threads) {
    const counter *first = NULL;
    for (int i = 0; i < threads; i++) {
        if (counters[i].status != CK_OK && (first == NULL || counters[i].block < first->block)) first = &counters[i];
    }
    return first;
}

static ck_status unite(counter *counters, int threads, ck_words *words, ck_error *error) {
    *words = counters[0].words;
    counters[0].words = (ck_words){0};
    for (int i = 1; i < threads; i++) {
        if (!ck_words_unite(words, &counters[i].words)) {
            return ck_refuse(error, CK_ERROR_MEMORY, "no memory for the distinct words of the texts");
        }
        ck_words_free(&counters[i].words);
    }
    return CK_OK;
}

ck_status ck_count_words(const ck_texts *texts, const ck_tokenizer *tokenizer, int threads, ck_words *words,
                         ck_error *error) {
    counting all = {.texts = texts, .tokenizer = tokenizer, .counters = calloc((size_t)threads, sizeof(counter))};
    if (all.counters == NULL) return ck_refuse(error, CK_ERROR_MEMORY, "no memory for %d threads", threads);
    ck_run_parts(threads, count_part, &all);
    const counter *refused = first_refused(all.counters, threads);
    ck_status status =
        refused == NULL ? unite(all.counters, threads, words, error)
                        : ck_refuse(error, refused->status, "%s", refused->error.text);
    for (int i = 0; i < threads; i++) {
        ck_words_free(&all.counters[i].words);
        for (int level = 0; level < MOST_SPLITS; level++) free(all.counters[i].trails[level].states);
    }
    free(all.counters);
    return status;
}
