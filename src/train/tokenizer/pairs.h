/* pairs.h: neighbours in words: how often they stand there, in which words, and which of them is the most frequent. */
#ifndef CK_TRAIN_PAIRS_H
#define CK_TRAIN_PAIRS_H

#include <stddef.h>
#include <stdint.h>

#define CK_NO_PAIR 0xffffffffu

/* Two ids as one number whose order is theirs: left first. */
static inline uint64_t ck_pair_key(uint32_t left, uint32_t right) {
    return (uint64_t)left << 32 | right;
}

/* Words by their numbers, each once, where they are added one after the other. */
typedef struct ck_places {
    uint32_t *words;
    uint32_t count;
    uint32_t capacity;
} ck_places;

typedef struct ck_pair {
    uint64_t key;
    int64_t count;
    ck_places places; /* those that no entry of the queue has yet */
} ck_pair;

/* Zero at first. */
typedef struct ck_pairs {
    ck_pair *pairs;
    uint32_t count;
    uint32_t capacity;
    uint32_t *slots; /* index + 1; 0: empty */
    uint32_t slot_count;
    uint32_t *fresh; /* pairs that have places */
    uint32_t fresh_count;
    uint32_t fresh_capacity;
} ck_pairs;

/* Adds `change` to the count of a pair; where it is positive, `word` is among its places. 0: no memory. */
int ck_pairs_change(ck_pairs *pairs, uint64_t key, int64_t change, uint32_t word);
void ck_pairs_free(ck_pairs *pairs);

/* A pair as it was counted when it came into the queue, with the words where it came to be. */
typedef struct ck_candidate {
    int64_t count;
    uint64_t key;
    uint32_t pair;
    ck_places places;
} ck_candidate;

/* The highest count first, among equal ones the lowest key. Zero at first. */
typedef struct ck_queue {
    ck_candidate *heap;
    size_t count;
    size_t capacity;
} ck_queue;

/* Moves the fresh places into the queue, where their pairs have a count. 0: no memory. */
int ck_queue_fill(ck_queue *queue, ck_pairs *pairs);
/* Takes the first candidate whose count is that of its pair. Its places are the caller's to free. 0: there is none. */
int ck_queue_take(ck_queue *queue, const ck_pairs *pairs, ck_candidate *candidate);
void ck_queue_free(ck_queue *queue);

#endif
