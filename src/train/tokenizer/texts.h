/* texts.h: the files to learn from, and threads that share their blocks. */
#ifndef CK_TRAIN_TEXTS_H
#define CK_TRAIN_TEXTS_H

#include "tokenizer.h"
#include "words.h"

#define CK_TEXT_BLOCK (1u << 20)

typedef struct ck_text_file {
    const char *path;
    const uint8_t *bytes;
    uint64_t count;
} ck_text_file;

typedef struct ck_texts {
    ck_text_file *files;
    int count;
    uint64_t bytes;
    uint64_t blocks; /* each of at most CK_TEXT_BLOCK bytes of one file */
} ck_texts;

/* Maps files that are not empty. Close what was opened, also after a refusal. */
ck_status ck_texts_open(ck_texts *texts, char *const *paths, int count, ck_error *error);
void ck_texts_close(ck_texts *texts);
/* The file of a block, and in *from its first byte there. */
const ck_text_file *ck_texts_block(const ck_texts *texts, uint64_t block, uint64_t *from);

/* Runs `work(shared, part)` for parts 0 .. threads - 1 at once, part 0 in the caller. Where the system gives fewer threads,
 * their parts do not run: work is taken by who is there. */
void ck_run_parts(int threads, void (*work)(void *shared, int part), void *shared);

/* Counts the words that the splits of `tokenizer` cut each line into; a line ends behind its "\n". Refuses text that is not
 * UTF-8. `words` is empty at first; the numbers in it are the same for any number of threads, the order is not. */
ck_status ck_count_words(const ck_texts *texts, const ck_tokenizer *tokenizer, int threads, ck_words *words,
                         ck_error *error);

/* Refuses where decoding the ids of a text does not give its bytes. Of more than `most_bytes` bytes a sample is read. */
ck_status ck_check_texts(const ck_texts *texts, const ck_tokenizer *tokenizer, int threads, uint64_t most_bytes,
                         ck_error *error);

#endif
