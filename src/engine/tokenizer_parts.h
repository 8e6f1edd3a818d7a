/* tokenizer_parts.h: what the files of the tokenizer do for each other, in the order in which a text passes them. */
#ifndef CK_TOKENIZER_PARTS_H
#define CK_TOKENIZER_PARTS_H

#include "tokenizer_tables.h"

/* Each checks sections of the blob and points the tokenizer at them. Returns what is wrong, or NULL. */
const char *ck_check_specials(ck_tokenizer *tokenizer);
const char *ck_check_automata(ck_tokenizer *tokenizer);
const char *ck_check_steps(ck_tokenizer *tokenizer);
const char *ck_check_trie(ck_tokenizer *tokenizer);

/* A growing byte text; `bytes` is NULL where `capacity` is 0. The owner frees `bytes`. */
typedef struct ck_text {
    uint8_t *bytes;
    size_t count;
    size_t capacity;
} ck_text;

/* Makes room for `more` bytes. 0: no memory. */
int ck_text_reserve(ck_text *text, size_t more);
/* 0: no memory. */
int ck_text_append(ck_text *text, const uint8_t *bytes, size_t count);
/* Writes a code point behind text->count; 4 bytes must be free. */
void ck_text_put(ck_text *text, uint32_t code);

#define CK_CACHED_IDS 8

/* Ids on their way to the caller; `count` goes on beyond `capacity`. `word` repeats the first of the current word. */
typedef struct ck_ids {
    int32_t *ids;
    int64_t capacity;
    int64_t count;
    uint32_t word[CK_CACHED_IDS];
    uint32_t word_count;
} ck_ids;

static inline void ck_ids_push(ck_ids *out, uint32_t id) {
    if (out->count < out->capacity) out->ids[out->count] = (int32_t)id;
    out->count++;
    if (out->word_count < CK_CACHED_IDS) out->word[out->word_count] = id;
    out->word_count++;
}

/* Bytes of the white space character at text[0]; 0: none. The set is Unicode's White_Space. */
size_t ck_white_space(const uint8_t *text, size_t bytes);
/* Where text[from .. end) ends without the white space at its end. */
size_t ck_without_white_tail(const uint8_t *text, size_t from, size_t end);

/* The longest special token of table `which` that begins at text[at], or -1; *length its bytes. */
int32_t ck_special_at(const ck_tokenizer *tokenizer, int which, int parse_control, const uint8_t *text, size_t at,
                      size_t end, size_t *length);
/* Whether a character of words stands before text[at] (in text[0 .. at)) or behind text[end - 1]. */
int ck_touches_word(const ck_tokenizer *tokenizer, const uint8_t *text, size_t at, size_t end, size_t bytes);

/* Which ends of the whole text a part of it has; whether other text stands before it. */
enum { CK_TEXT_START = 1, CK_TEXT_END = 2, CK_TEXT_GOES_ON = 4 };

/* Runs all steps on text[0 .. bytes); *text and *bytes then are the result, in one of the two buffers. 0: no memory. */
int ck_normalize(const ck_tokenizer *tokenizer, uint32_t edges, const uint8_t **text, size_t *bytes,
                 ck_text buffers[2]);
/* One step each: append what becomes of the text to `out`. 0: no memory. */
int ck_normalize_form(const ck_tokenizer *tokenizer, const ck_step *step, const uint8_t *text, size_t bytes,
                      ck_text *out);
int ck_normalize_map(const ck_tokenizer *tokenizer, const ck_step *step, const uint8_t *text, size_t bytes,
                     ck_text *out);
int ck_normalize_charsmap(const ck_tokenizer *tokenizer, const ck_step *step, const uint8_t *text, size_t bytes,
                          ck_text *out);
/* What is wrong with a step's tables, or NULL; the step lies within the step tables. */
const char *ck_check_form(const ck_tokenizer *tokenizer, const ck_step *step);
const char *ck_check_map(const ck_tokenizer *tokenizer, const ck_step *step);
const char *ck_check_charsmap(const ck_tokenizer *tokenizer, const ck_step *step);

/* What walks over one text remember, so that no stretch of it is walked again and again. Zero at first; `wasted` is set
 * to 0 for another text. Free `states`. */
typedef struct ck_trail {
    uint16_t *states; /* [capacity] the state of the last walk before the byte `origin + i` */
    size_t capacity;
    size_t origin;
    size_t end;
    size_t matched;
    size_t wasted; /* bytes walked beyond what was cut */
} ck_trail;

/* Where the next piece of text[from .. end) that an automaton cuts ends: a match at `from` (*matches 1), or what lies
 * before the next match. from < end. 0: no memory. `trail` may be NULL. */
size_t ck_automaton_next(const ck_tokenizer *tokenizer, uint32_t automaton, const uint8_t *text, size_t from,
                         size_t end, ck_trail *trail, int *matches);

/* Room for one word's work, kept from word to word; zero at first. */
typedef struct ck_word_room {
    void *memory;
    size_t bytes;
} ck_word_room;

/* At least `bytes` bytes; NULL: no memory. What was there is lost. */
void *ck_word_reserve(ck_word_room *room, size_t bytes);

/* Append the ids of one word, bytes >= 1. 0: no memory. */
int ck_merge_word(const ck_tokenizer *tokenizer, ck_word_room *room, const uint8_t *word, size_t bytes, ck_ids *out);
int ck_unigram_word(const ck_tokenizer *tokenizer, ck_word_room *room, const uint8_t *word, size_t bytes, ck_ids *out);
void ck_wordpiece_word(const ck_tokenizer *tokenizer, const uint8_t *word, size_t bytes, ck_ids *out);

/* Ids of words seen before in the same text. NULL is a cache of nothing. */
typedef struct ck_word_cache ck_word_cache;
ck_word_cache *ck_word_cache_new(void);
void ck_word_cache_free(ck_word_cache *cache);
/* 1 and the word's ids appended, or 0; *slot is where `ck_word_cache_put` may then keep them. */
int ck_word_cache_get(ck_word_cache *cache, const uint8_t *word, size_t bytes, ck_ids *out, uint32_t *slot);
void ck_word_cache_put(ck_word_cache *cache, uint32_t slot, const uint8_t *word, size_t bytes, const ck_ids *out);

#endif
