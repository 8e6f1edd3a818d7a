/* texts.c: mapped files in blocks, and the threads that take them. */
#include "texts.h"

#include <pthread.h>
#include <stdlib.h>

#include "mapping.h"
#include "refuse.h"

#define MOST_THREADS 64

static uint64_t blocks_of(const ck_text_file *file) {
    return (file->count + CK_TEXT_BLOCK - 1) / CK_TEXT_BLOCK;
}

ck_status ck_texts_open(ck_texts *texts, char *const *paths, int count, ck_error *error) {
    *texts = (ck_texts){0};
    texts->files = calloc((size_t)count + 1, sizeof *texts->files);
    if (texts->files == NULL) return ck_refuse(error, CK_ERROR_MEMORY, "no memory for the names of %d files", count);
    for (; texts->count < count; texts->count++) {
        ck_text_file *file = &texts->files[texts->count];
        file->path = paths[texts->count];
        ck_status status = ck_map_file(file->path, &file->bytes, &file->count, error);
        if (status != CK_OK) return status;
        texts->bytes += file->count;
        texts->blocks += blocks_of(file);
    }
    return CK_OK;
}

void ck_texts_close(ck_texts *texts) {
    for (int i = 0; i < texts->count; i++) ck_unmap_file(texts->files[i].bytes, texts->files[i].count);
    free(texts->files);
    *texts = (ck_texts){0};
}

const ck_text_file *ck_texts_block(const ck_texts *texts, uint64_t block, uint64_t *from) {
    const ck_text_file *file = texts->files;
    for (; block >= blocks_of(file); file++) block -= blocks_of(file);
    *from = block * CK_TEXT_BLOCK;
    return file;
}

typedef struct member {
    void (*work)(void *shared, int part);
    void *shared;
    int part;
} member;

static void *begin(void *argument) {
    const member *self = argument;
    self->work(self->shared, self->part);
    return NULL;
}

void ck_run_parts(int threads, void (*work)(void *shared, int part), void *shared) {
    pthread_t started[MOST_THREADS];
    member members[MOST_THREADS];
    int count = 0;
    for (int part = 1; part < threads && part < MOST_THREADS; part++) {
        members[count] = (member){work, shared, part};
        if (pthread_create(&started[count], NULL, begin, &members[count]) != 0) break;
        count++;
    }
    work(shared, 0);
    for (int i = 0; i < count; i++) pthread_join(started[i], NULL);
}
