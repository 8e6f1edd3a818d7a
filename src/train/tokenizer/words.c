/* words.c: a hash table of byte strings with open addressing. */
#include "words.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_SLOTS 4096u
#define MOST_WORDS 0x3fffffffu

/* Eight bytes at a time: most words are no longer. */
static uint32_t hash_of(const uint8_t *text, uint32_t bytes) {
    const uint64_t odd = 0x9e3779b97f4a7c15u;
    uint64_t hash = bytes * odd;
    while (bytes > 0) {
        uint64_t part = 0;
        uint32_t taken = bytes < 8 ? bytes : 8;
        memcpy(&part, text, taken);
        hash = (hash ^ part) * odd;
        hash ^= hash >> 32;
        text += taken;
        bytes -= taken;
    }
    return (uint32_t)hash;
}

/* The slot of a word, or the empty one where it belongs. */
static uint32_t slot_of(const ck_words *words, uint32_t hash, const uint8_t *text, uint32_t bytes) {
    uint32_t mask = words->slot_count - 1;
    for (uint32_t at = hash & mask;; at = (at + 1) & mask) {
        const ck_word_slot *slot = &words->slots[at];
        if (slot->word == 0) return at;
        if (slot->hash != hash) continue;
        const ck_word *word = &words->words[slot->word - 1];
        if (word->bytes == bytes && memcmp(words->text + word->start, text, bytes) == 0) return at;
    }
}

static int more_slots(ck_words *words) {
    uint32_t count = words->slot_count == 0 ? FIRST_SLOTS : 2 * words->slot_count;
    ck_word_slot *slots = calloc(count, sizeof *slots);
    if (slots == NULL) return 0;
    for (uint32_t i = 0; i < words->count; i++) {
        uint32_t at = words->words[i].hash & (count - 1);
        while (slots[at].word != 0) at = (at + 1) & (count - 1);
        slots[at] = (ck_word_slot){words->words[i].hash, i + 1};
    }
    free(words->slots);
    words->slots = slots;
    words->slot_count = count;
    return 1;
}

static int more_words(ck_words *words) {
    uint32_t capacity = words->capacity == 0 ? FIRST_SLOTS : 2 * words->capacity;
    ck_word *grown = realloc(words->words, capacity * sizeof *grown);
    if (grown == NULL) return 0;
    words->words = grown;
    words->capacity = capacity;
    return 1;
}

static int more_text(ck_words *words, uint32_t bytes) {
    uint64_t capacity = 2 * words->text_capacity + bytes + 65536;
    if (capacity > SIZE_MAX / 2) return 0;
    uint8_t *grown = realloc(words->text, (size_t)capacity);
    if (grown == NULL) return 0;
    words->text = grown;
    words->text_capacity = capacity;
    return 1;
}

uint32_t ck_words_find(const ck_words *words, const uint8_t *text, uint32_t bytes) {
    if (words->slot_count == 0) return CK_NO_WORD;
    return words->slots[slot_of(words, hash_of(text, bytes), text, bytes)].word - 1;
}

static uint32_t put_hashed(ck_words *words, uint32_t hash, const uint8_t *text, uint32_t bytes) {
    if (words->slot_count < 2 * (words->count + 1) && !more_slots(words)) return CK_NO_WORD;
    uint32_t at = slot_of(words, hash, text, bytes);
    if (words->slots[at].word != 0) return words->slots[at].word - 1;
    if (words->count == MOST_WORDS) return CK_NO_WORD;
    if (words->count == words->capacity && !more_words(words)) return CK_NO_WORD;
    if (words->text_capacity - words->text_bytes < bytes && !more_text(words, bytes)) return CK_NO_WORD;
    memcpy(words->text + words->text_bytes, text, bytes);
    words->words[words->count] = (ck_word){words->text_bytes, bytes, hash, 0};
    words->text_bytes += bytes;
    words->slots[at] = (ck_word_slot){hash, ++words->count};
    return words->count - 1;
}

uint32_t ck_words_put(ck_words *words, const uint8_t *text, uint32_t bytes) {
    return put_hashed(words, hash_of(text, bytes), text, bytes);
}

int ck_words_unite(ck_words *into, const ck_words *from) {
    for (uint32_t i = 0; i < from->count; i++) {
        const ck_word *word = &from->words[i];
        uint32_t at = put_hashed(into, word->hash, from->text + word->start, word->bytes);
        if (at == CK_NO_WORD) return 0;
        into->words[at].number += word->number;
    }
    return 1;
}

void ck_words_free(ck_words *words) {
    free(words->text);
    free(words->words);
    free(words->slots);
    *words = (ck_words){0};
}
