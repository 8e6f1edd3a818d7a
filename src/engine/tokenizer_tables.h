/* tokenizer_tables.h: the tokenizer blob as C sees it, private to tokenizer*.c. src/tokenizer/blob.ts says what each
 * section holds. Everything reached through a ck_tokenizer was checked by ck_tokenizer_open. */
#ifndef CK_TOKENIZER_TABLES_H
#define CK_TOKENIZER_TABLES_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "refuse.h"
#include "tokenizer.h"

#define CK_TOKENS_VERSION 1u
#define CK_NO_SYMBOL 0xffffffffu
#define CK_UNICODE_BLOCKS 4352u /* 256 code points each */

enum { CK_KIND_CHARACTERS = 0, CK_KIND_BYTES = 1 };

enum {
    CK_TOKENS_ADD_BOS = 1,
    CK_TOKENS_ADD_EOS = 2,
    CK_TOKENS_PREFIX_FIRST = 4,
    CK_TOKENS_PREFIX_ALWAYS = 8,
    CK_TOKENS_PREFIX_UNLESS_SPACE = 16,
    CK_TOKENS_STRIP_PREFIX = 32,
    CK_TOKENS_BYTE_FALLBACK = 64,
    CK_TOKENS_FUSE_UNKNOWN = 128,
    CK_TOKENS_WHOLE_WORDS = 256,
    CK_TOKENS_CUT_BEFORE_SPACE = 512,
    CK_TOKENS_CUT_AT_SPACES = 1024,
    CK_TOKENS_NFC = 2048,
    CK_TOKENS_FLAGS = 4095
};

enum {
    CK_PIECE_NONE,
    CK_PIECE_NORMAL,
    CK_PIECE_UNKNOWN,
    CK_PIECE_CONTROL,
    CK_PIECE_USER,
    CK_PIECE_UNUSED,
    CK_PIECE_BYTE
};

enum {
    CK_PIECE_TYPE = 7,
    CK_PIECE_ENDS = 0x10,
    CK_PIECE_WHOLE = 0x20,
    CK_PIECE_STRIP_LEFT = 0x40,
    CK_PIECE_STRIP_RIGHT = 0x80
};

enum {
    CK_SECTION_PIECE_STARTS,
    CK_SECTION_PIECE_BYTES,
    CK_SECTION_PIECE_TYPES,
    CK_SECTION_PIECE_HASH,
    CK_SECTION_MERGE_HASH,
    CK_SECTION_BYTE_IDS,
    CK_SECTION_SPECIAL_CLASSES,
    CK_SECTION_SPECIAL_TABLE,
    CK_SECTION_SPECIAL_IDS,
    CK_SECTION_SPLITS,
    CK_SECTION_SPLIT_TABLES,
    CK_SECTION_NFC,
    CK_SECTIONS
};

typedef struct ck_tokens_section {
    uint64_t offset;
    uint64_t bytes;
} ck_tokens_section;

typedef struct ck_tokens_header {
    char magic[8];
    uint32_t version;
    uint32_t kind;
    uint64_t bytes;
    uint32_t flags;
    uint32_t vocabulary;
    uint32_t symbols;
    int32_t bos;
    int32_t eos;
    int32_t unknown;
    uint32_t splits;
    uint32_t special_classes;
    uint32_t special_nodes;
    uint32_t zero;
    ck_tokens_section section[CK_SECTIONS];
} ck_tokens_header;

typedef struct ck_merge {
    uint32_t left;
    uint32_t right;
    uint32_t rank;
    uint32_t joined;
} ck_merge;

typedef struct ck_split {
    uint32_t classes;
    uint32_t states;
    uint32_t blocks;
    uint32_t invalid_class;
    uint64_t block_of;
    uint64_t class_of;
    uint64_t table;
} ck_split;

#define CK_SPLIT_START 1u
#define CK_SPLIT_ACCEPT 0x8000u

typedef struct ck_nfc_header {
    uint32_t blocks;
    uint32_t expansions;
    uint32_t compositions;
    uint32_t zero;
} ck_nfc_header;

typedef struct ck_expansion {
    uint32_t code;
    uint32_t parts[4];
} ck_expansion;

typedef struct ck_composition {
    uint32_t first;
    uint32_t second;
    uint32_t composed;
} ck_composition;

struct ck_tokenizer {
    const ck_tokens_header *header;
    const uint32_t *piece_starts;
    const uint8_t *piece_bytes;
    const uint8_t *piece_types;
    const uint32_t *piece_hash;
    uint32_t piece_mask;
    const ck_merge *merges;
    uint32_t merge_mask;
    const uint32_t *byte_ids;
    int lacks_bytes; /* some byte has no id: text is repaired before it is split */
    const uint8_t *special_classes;
    const uint32_t *special_table;
    const int32_t *special_ids;
    uint8_t special_first[256]; /* 1 where a special token begins with this byte */
    const ck_split *splits;
    const uint8_t *split_tables;
    const ck_nfc_header *nfc; /* NULL without CK_TOKENS_NFC */
    const uint16_t *nfc_block_of;
    const uint8_t *nfc_classes;
    const ck_expansion *expansions;
    const ck_composition *compositions;
};

/* A growing byte text; `bytes` is NULL where `capacity` is 0. The owner frees `bytes`. */
typedef struct ck_text {
    uint8_t *bytes;
    size_t count;
    size_t capacity;
} ck_text;

/* Makes room for `more` bytes. 0: no memory. */
int ck_text_reserve(ck_text *text, size_t more);

/* Ids on their way to the caller; `count` goes on beyond `capacity`. */
typedef struct ck_ids {
    int32_t *ids;
    int64_t capacity;
    int64_t count;
} ck_ids;

static inline void ck_ids_push(ck_ids *out, uint32_t id) {
    if (out->count < out->capacity) out->ids[out->count] = (int32_t)id;
    out->count++;
}

/* The symbols of the word that is being merged; kept from word to word. Zero at first. */
typedef struct ck_merger {
    struct ck_merge_symbol *symbols;
    uint64_t *heap;
    size_t symbol_capacity;
    size_t heap_capacity;
    size_t heap_count;
} ck_merger;

void ck_merger_free(ck_merger *merger);
/* Appends the ids of one word. 0: no memory. */
int ck_merge_word(const ck_tokenizer *tokenizer, ck_merger *merger, const uint8_t *word, size_t bytes, ck_ids *out);

/* Where the next piece of text[from .. end) that split `level` cuts ends: a match at `from`, or what lies before the
 * next match. from < end. */
size_t ck_split_next(const ck_tokenizer *tokenizer, uint32_t level, const uint8_t *text, size_t from, size_t end);

/* Appends NFC(text) to `out`; bytes that are no UTF-8 stay, as starters. 0: no memory. */
int ck_normalize_nfc(const ck_tokenizer *tokenizer, const uint8_t *text, size_t bytes, ck_text *out);

/* Decodes the character at text[0], bytes >= 1 available. Returns its bytes; *code is -1 and the result 1 where the text
 * is not well-formed UTF-8 (Unicode Standard, table 3-7: no overlong forms, surrogates, or values above U+10FFFF). */
static inline size_t ck_utf8_decode(const uint8_t *text, size_t bytes, int32_t *code) {
    uint32_t first = text[0];
    if (first < 0x80) {
        *code = (int32_t)first;
        return 1;
    }
    size_t need = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    *code = -1;
    if (first < 0xc2 || first > 0xf4 || bytes < need) return 1;
    uint32_t low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
    uint32_t high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
    if (text[1] < low || text[1] > high) return 1;
    uint32_t value = first & (0x7fu >> need);
    for (size_t i = 1; i < need; i++) {
        if ((text[i] & 0xc0) != 0x80) return 1;
        value = value << 6 | (text[i] & 0x3fu);
    }
    *code = (int32_t)value;
    return need;
}

/* The symbol that is written `bytes`, or CK_NO_SYMBOL. */
static inline uint32_t ck_find_piece(const ck_tokenizer *tokenizer, const uint8_t *text, size_t bytes) {
    uint32_t hash = 0x811c9dc5u;
    for (size_t i = 0; i < bytes; i++) hash = (hash ^ text[i]) * 0x01000193u;
    for (uint32_t at = hash & tokenizer->piece_mask;; at = (at + 1) & tokenizer->piece_mask) {
        uint32_t symbol = tokenizer->piece_hash[at];
        if (symbol == CK_NO_SYMBOL) return CK_NO_SYMBOL;
        uint32_t start = tokenizer->piece_starts[symbol];
        if (tokenizer->piece_starts[symbol + 1] - start == bytes &&
            memcmp(tokenizer->piece_bytes + start, text, bytes) == 0) {
            return symbol;
        }
    }
}

/* What two neighbours join to, or NULL. */
static inline const ck_merge *ck_find_merge(const ck_tokenizer *tokenizer, uint32_t left, uint32_t right) {
    uint32_t mixed = (left * 0x9e3779b1u) ^ (right * 0x85ebca6bu);
    mixed ^= mixed >> 15;
    for (uint32_t at = mixed & tokenizer->merge_mask;; at = (at + 1) & tokenizer->merge_mask) {
        const ck_merge *merge = &tokenizer->merges[at];
        if (merge->left == CK_NO_SYMBOL) return NULL;
        if (merge->left == left && merge->right == right) return merge;
    }
}

#endif
