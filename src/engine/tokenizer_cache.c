/* tokenizer_cache.c: ids of the words that a text repeats. One place per hash, the last word stays. */
#include <stdlib.h>

#include "tokenizer_parts.h"

#define SLOTS 8192u /* a power of two */
#define MOST_BYTES 23u

typedef struct ck_word_slot {
    uint64_t text[3]; /* the bytes, zeros behind them; the last byte is their number */
    uint32_t ids[CK_CACHED_IDS];
    uint32_t count; /* 0: empty */
} ck_word_slot;

struct ck_word_cache {
    ck_word_slot slots[SLOTS];
};

ck_word_cache *ck_word_cache_new(void) {
    return calloc(1, sizeof(ck_word_cache));
}

void ck_word_cache_free(ck_word_cache *cache) {
    free(cache);
}

static void load(const uint8_t *word, size_t bytes, uint64_t text[3]) {
    uint8_t padded[24] = {0};
    memcpy(padded, word, bytes);
    padded[MOST_BYTES] = (uint8_t)bytes;
    memcpy(text, padded, sizeof padded);
}

int ck_word_cache_get(ck_word_cache *cache, const uint8_t *word, size_t bytes, ck_ids *out, uint32_t *slot) {
    if (cache == NULL || bytes > MOST_BYTES) return 0;
    uint64_t text[3];
    load(word, bytes, text);
    uint64_t hash = (text[0] ^ text[1] * 0x9e3779b97f4a7c15u ^ text[2] * 0xc2b2ae3d27d4eb4fu) * 0xff51afd7ed558ccdu;
    *slot = (uint32_t)(hash >> 40) & (SLOTS - 1);
    const ck_word_slot *found = &cache->slots[*slot];
    if (found->count == 0 || memcmp(found->text, text, sizeof found->text) != 0) return 0;
    for (uint32_t i = 0; i < found->count; i++, out->count++) {
        if (out->count < out->capacity) out->ids[out->count] = (int32_t)found->ids[i];
    }
    return 1;
}

void ck_word_cache_put(ck_word_cache *cache, uint32_t slot, const uint8_t *word, size_t bytes, const ck_ids *out) {
    if (cache == NULL || bytes > MOST_BYTES || out->word_count == 0 || out->word_count > CK_CACHED_IDS) return;
    ck_word_slot *place = &cache->slots[slot];
    load(word, bytes, place->text);
    memcpy(place->ids, out->word, sizeof place->ids);
    place->count = out->word_count;
}
