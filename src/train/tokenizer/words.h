/* words.h: distinct words with a number each. */
#ifndef CK_TRAIN_WORDS_H
#define CK_TRAIN_WORDS_H

#include <stddef.h>
#include <stdint.h>

#define CK_NO_WORD 0xffffffffu

typedef struct ck_word {
    uint64_t start; /* into the table's text */
    uint32_t bytes;
    uint32_t hash;
    int64_t number; /* how often it was seen, or its id */
} ck_word;

typedef struct ck_word_slot {
    uint32_t hash;
    uint32_t word; /* its index + 1; 0: empty */
} ck_word_slot;

/* Zero at first. The text is kept apart from the words, so that a word may move. */
typedef struct ck_words {
    uint8_t *text;
    uint64_t text_bytes;
    uint64_t text_capacity;
    ck_word *words;
    uint32_t count;
    uint32_t capacity;
    ck_word_slot *slots;
    uint32_t slot_count; /* a power of two, at least twice `count`; 0: none */
} ck_words;

/* The index of a word, or CK_NO_WORD. */
uint32_t ck_words_find(const ck_words *words, const uint8_t *text, uint32_t bytes);
/* The index of a word, added with number 0 where it is not there; `text` is no part of the table. CK_NO_WORD: no memory. */
uint32_t ck_words_put(ck_words *words, const uint8_t *text, uint32_t bytes);
/* Adds the numbers of the words of `from`. 0: no memory. */
int ck_words_unite(ck_words *into, const ck_words *from);
void ck_words_free(ck_words *words);

#endif
