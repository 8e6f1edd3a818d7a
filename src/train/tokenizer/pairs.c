/* pairs.c: a hash table of pairs with open addressing. */
#include "pairs.h"

#include <stdlib.h>

#define FIRST_SLOTS 65536u
#define MOST_PAIRS 0x3fffffffu

static uint32_t hash_of(uint64_t key) {
    key *= 0x9e3779b97f4a7c15u;
    return (uint32_t)(key >> 32) ^ (uint32_t)(key >> 20);
}

static int more_slots(ck_pairs *pairs) {
    uint32_t count = pairs->slot_count == 0 ? FIRST_SLOTS : 2 * pairs->slot_count;
    uint32_t *slots = calloc(count, sizeof *slots);
    if (slots == NULL) return 0;
    for (uint32_t i = 0; i < pairs->count; i++) {
        uint32_t at = hash_of(pairs->pairs[i].key) & (count - 1);
        while (slots[at] != 0) at = (at + 1) & (count - 1);
        slots[at] = i + 1;
    }
    free(pairs->slots);
    pairs->slots = slots;
    pairs->slot_count = count;
    return 1;
}

/* Room for one more item of `bytes` bytes; NULL: no memory. */
static void *grown(void *items, uint32_t count, uint32_t *capacity, size_t bytes) {
    if (count < *capacity) return items;
    uint32_t wanted = *capacity == 0 ? 4 : 2 * *capacity;
    void *more = wanted > 0x7fffffffu ? NULL : realloc(items, wanted * bytes);
    if (more != NULL) *capacity = wanted;
    return more;
}

static uint32_t find(ck_pairs *pairs, uint64_t key) {
    if (pairs->slot_count < 2 * (pairs->count + 1) && !more_slots(pairs)) return CK_NO_PAIR;
    uint32_t mask = pairs->slot_count - 1;
    uint32_t at = hash_of(key) & mask;
    for (; pairs->slots[at] != 0; at = (at + 1) & mask) {
        if (pairs->pairs[pairs->slots[at] - 1].key == key) return pairs->slots[at] - 1;
    }
    if (pairs->count == MOST_PAIRS) return CK_NO_PAIR;
    ck_pair *more = grown(pairs->pairs, pairs->count, &pairs->capacity, sizeof *more);
    if (more == NULL) return CK_NO_PAIR;
    pairs->pairs = more;
    pairs->pairs[pairs->count] = (ck_pair){.key = key};
    pairs->slots[at] = ++pairs->count;
    return pairs->count - 1;
}

static int add_fresh(ck_pairs *pairs, uint32_t index) {
    uint32_t *more = grown(pairs->fresh, pairs->fresh_count, &pairs->fresh_capacity, sizeof *more);
    if (more == NULL) return 0;
    pairs->fresh = more;
    pairs->fresh[pairs->fresh_count++] = index;
    return 1;
}

int ck_pairs_change(ck_pairs *pairs, uint64_t key, int64_t change, uint32_t word) {
    uint32_t index = find(pairs, key);
    if (index == CK_NO_PAIR) return 0;
    ck_pair *pair = &pairs->pairs[index];
    pair->count += change;
    if (change <= 0) return 1;
    ck_places *places = &pair->places;
    if (places->count > 0 && places->words[places->count - 1] == word) return 1;
    if (places->count == 0 && !add_fresh(pairs, index)) return 0;
    uint32_t *more = grown(places->words, places->count, &places->capacity, sizeof *more);
    if (more == NULL) return 0;
    places->words = more;
    places->words[places->count++] = word;
    return 1;
}

void ck_pairs_free(ck_pairs *pairs) {
    for (uint32_t i = 0; i < pairs->count; i++) free(pairs->pairs[i].places.words);
    free(pairs->pairs);
    free(pairs->slots);
    free(pairs->fresh);
    *pairs = (ck_pairs){0};
}
