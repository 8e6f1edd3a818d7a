/* main.c: learns merges from texts, and checks what was learnt.
 *
 * learn TABLES THREADS VOCABULARY LEAST OUT [FILE ...] writes the merges as {u32 left, right, joined} to OUT, and prints
 *   {"bytes": read, "words": distinct}.
 * check TABLES THREADS BYTES [FILE ...] encodes and decodes the files, of more than BYTES bytes a sample.
 * TABLES is a tokenizer's blob. A refusal is one sentence on standard error, and exit code 1. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mapping.h"
#include "merges.h"
#include "refuse.h"
#include "texts.h"

static ck_status write_merges(const char *path, const ck_merges *merges, ck_error *error) {
    FILE *file = fopen(path, "wb");
    int fits = file != NULL && (merges->count == 0 || fwrite(merges->merges, sizeof *merges->merges, merges->count,
                                                             file) == merges->count);
    if (file != NULL && fclose(file) != 0) fits = 0;
    return fits ? CK_OK : ck_refuse(error, CK_ERROR_FILE, "%s: cannot be written", path);
}

typedef struct task {
    const ck_tokenizer *tokenizer;
    int threads;
    char **values; /* of this task, then the files */
    int value_count;
} task;

static ck_status learn(const task *own, ck_error *error) {
    ck_texts texts;
    ck_words words = {0};
    ck_merges merges = {0};
    ck_status status = ck_texts_open(&texts, own->values + 3, own->value_count - 3, error);
    if (status == CK_OK) status = ck_count_words(&texts, own->tokenizer, own->threads, &words, error);
    uint32_t distinct = words.count;
    if (status == CK_OK) {
        uint32_t vocabulary = (uint32_t)strtoul(own->values[0], NULL, 10);
        int64_t least = strtoll(own->values[1], NULL, 10);
        status = ck_learn_merges(&words, own->tokenizer, vocabulary, least, &merges, error);
    }
    if (status == CK_OK) status = write_merges(own->values[2], &merges, error);
    if (status == CK_OK) {
        printf("{\"bytes\": %llu, \"words\": %lu}\n", (unsigned long long)texts.bytes, (unsigned long)distinct);
    }
    free(merges.merges);
    ck_words_free(&words);
    ck_texts_close(&texts);
    return status;
}

static ck_status check(const task *own, ck_error *error) {
    ck_texts texts;
    ck_status status = ck_texts_open(&texts, own->values + 1, own->value_count - 1, error);
    if (status == CK_OK) {
        status = ck_check_texts(&texts, own->tokenizer, own->threads, strtoull(own->values[0], NULL, 10), error);
    }
    ck_texts_close(&texts);
    return status;
}

static ck_status run(int is_learning, char **argv, int argc, ck_error *error) {
    const uint8_t *tables;
    uint64_t bytes;
    ck_tokenizer *tokenizer;
    ck_status status = ck_map_file(argv[2], &tables, &bytes, error);
    if (status != CK_OK) return status;
    status = ck_tokenizer_open(tables, bytes, &tokenizer, error);
    if (status == CK_OK) {
        task own = {tokenizer, atoi(argv[3]), argv + 4, argc - 4};
        if (own.threads < 1) own.threads = 1;
        status = is_learning ? learn(&own, error) : check(&own, error);
        ck_tokenizer_close(tokenizer);
    }
    ck_unmap_file(tables, bytes);
    return status;
}

int main(int argc, char **argv) {
    int is_learning = argc >= 7 && strcmp(argv[1], "learn") == 0;
    int is_checking = argc >= 5 && strcmp(argv[1], "check") == 0;
    ck_error error = {{0}};
    if (!is_learning && !is_checking) {
        fprintf(stderr, "usage: learn TABLES THREADS VOCABULARY LEAST OUT [FILE ...], or check TABLES THREADS BYTES [FILE ...]\n");
        return 2;
    }
    if (run(is_learning, argv, argc, &error) == CK_OK) return 0;
    fprintf(stderr, "%s\n", error.text);
    return 1;
}
