/* tokenizer_charsmap.c: SentencePiece's precompiled character map: u32 bytes of a trie, the trie (a Darts double array
 * of u32 units), then the texts it leads to, each ending with a zero byte. The walk checks each unit's place itself. */
#include "tokenizer_parts.h"

#define MOST_GRAPHEME 6 /* clusters of this many bytes and more are mapped character by character */

typedef struct ck_charsmap {
    const uint8_t *units;
    uint32_t unit_count;
    const uint8_t *texts;
    uint32_t text_bytes;
} ck_charsmap;

static uint32_t read32(const uint8_t *at) {
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static ck_charsmap charsmap_of(const ck_tokenizer *tokenizer, const ck_step *step) {
    const uint8_t *at = tokenizer->step_tables + step->offset;
    uint32_t trie_bytes = read32(at);
    return (ck_charsmap){at + 4, trie_bytes / 4, at + 4 + trie_bytes, (uint32_t)(step->bytes - 4 - trie_bytes)};
}

const char *ck_check_charsmap(const ck_tokenizer *tokenizer, const ck_step *step) {
    if (step->bytes < 4 || step->bytes > UINT32_MAX) return "lacks a character map";
    uint32_t trie_bytes = read32(tokenizer->step_tables + step->offset);
    if (trie_bytes == 0 || trie_bytes % 4 != 0 || trie_bytes >= step->bytes - 4) {
        return "has an ill-sized character map";
    }
    ck_charsmap map = charsmap_of(tokenizer, step);
    if (map.texts[map.text_bytes - 1] != 0) return "has a character map whose last text does not end";
    if (step->argument > tokenizer->header->automata) return "has a character map without its automaton";
    return NULL;
}

static uint32_t offset_of(uint32_t unit) {
    return (unit >> 10) << ((unit & (1u << 9)) >> 6);
}

/* The text of the shortest or longest key that begins text[0 .. bytes), or NULL; *taken: the key's bytes. */
static const uint8_t *find(const ck_charsmap *map, const uint8_t *text, size_t bytes, int longest, size_t *taken) {
    const uint8_t *found = NULL;
    uint32_t node = offset_of(read32(map->units));
    for (size_t i = 0; i < bytes; i++) {
        node ^= text[i];
        if (node >= map->unit_count) break;
        uint32_t unit = read32(map->units + 4 * (size_t)node);
        if ((unit & 0x800000ffu) != text[i]) break;
        node ^= offset_of(unit);
        if (node >= map->unit_count) break;
        if ((unit & 0x100u) == 0) continue;
        uint32_t value = read32(map->units + 4 * (size_t)node) & 0x7fffffffu;
        if (value >= map->text_bytes) break;
        found = map->texts + value;
        *taken = i + 1;
        if (!longest) break;
    }
    return found;
}

static int append_text(ck_text *out, const uint8_t *text) {
    return ck_text_append(out, text, strlen((const char *)text));
}

/* One character that no key begins. */
static int append_character(ck_text *out, const uint8_t *text, size_t bytes, size_t *taken) {
    int32_t code;
    *taken = ck_utf8_decode(text, bytes, &code);
    return code < 0 ? ck_text_append(out, (const uint8_t *)"\xef\xbf\xbd", 3) : ck_text_append(out, text, *taken);
}

/* The longest key at each place (SentencePiece). */
static int by_keys(const ck_charsmap *map, const uint8_t *text, size_t bytes, ck_text *out) {
    size_t taken;
    for (size_t at = 0; at < bytes; at += taken) {
        const uint8_t *found = find(map, text + at, bytes - at, 1, &taken);
        if (found != NULL ? !append_text(out, found) : !append_character(out, text + at, bytes - at, &taken)) return 0;
    }
    return 1;
}

static size_t cluster_at(const ck_tokenizer *t, uint32_t automaton, const uint8_t *text, size_t at, size_t bytes) {
    /* ASCII followed by ASCII is a cluster of its own, but for \r\n. */
    if (text[at] < 0x80 && text[at] != '\r' && (at + 1 == bytes || text[at + 1] < 0x80)) return at + 1;
    int matches;
    size_t end = ck_automaton_next(t, automaton, text, at, bytes, NULL, &matches);
    int32_t code;
    return matches ? end : at + ck_utf8_decode(text + at, bytes - at, &code);
}

/* A cluster that a key begins becomes the shortest such key's text, if it is short; else its characters do (Hugging
 * Face tokenizers). */
static int by_clusters(const ck_tokenizer *t, uint32_t automaton, const ck_charsmap *map, const uint8_t *text,
                       size_t bytes, ck_text *out) {
    size_t end;
    size_t taken;
    for (size_t at = 0; at < bytes; at = end) {
        end = cluster_at(t, automaton, text, at, bytes);
        const uint8_t *found = end - at < MOST_GRAPHEME ? find(map, text + at, end - at, 0, &taken) : NULL;
        if (found != NULL) {
            if (!append_text(out, found)) return 0;
            continue;
        }
        for (size_t i = at; i < end; i += taken) {
            int32_t code;
            size_t character = ck_utf8_decode(text + i, end - i, &code);
            found = find(map, text + i, character, 0, &taken);
            if (found != NULL ? !append_text(out, found) : !append_character(out, text + i, end - i, &taken)) return 0;
            taken = character;
        }
    }
    return 1;
}

int ck_normalize_charsmap(const ck_tokenizer *tokenizer, const ck_step *step, const uint8_t *text, size_t bytes,
                          ck_text *out) {
    const ck_charsmap map = charsmap_of(tokenizer, step);
    return step->argument == 0 ? by_keys(&map, text, bytes, out)
                               : by_clusters(tokenizer, step->argument - 1, &map, text, bytes, out);
}
