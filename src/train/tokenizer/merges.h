/* merges.h: from words and their numbers to the merges of a byte-level vocabulary. */
#ifndef CK_TRAIN_MERGES_H
#define CK_TRAIN_MERGES_H

#include "tokenizer.h"
#include "words.h"

/* Two ids join to a third. */
typedef struct ck_learned {
    uint32_t left;
    uint32_t right;
    uint32_t joined;
} ck_learned;

typedef struct ck_merges {
    ck_learned *merges;
    uint32_t count;
    uint32_t capacity;
    uint32_t vocabulary; /* ids in use, those of the base tokenizer among them */
} ck_merges;

/* Joins the pair that stands in the words most often, of equal ones that of the lowest ids, until there are `vocabulary`
 * ids, or no pair stands there `least` times. A pair overlapping itself counts at each place. Where the joined text is
 * that of an id already, it is that id. The pieces of `base` are the first ids: each byte, and special tokens; a piece of
 * type user has no text. Takes the words' text; frees it early. Free `merges->merges`. */
ck_status ck_learn_merges(ck_words *words, const ck_tokenizer *base, uint32_t vocabulary, int64_t least,
                          ck_merges *merges, ck_error *error);

#endif
