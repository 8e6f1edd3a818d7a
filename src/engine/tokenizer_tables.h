/* tokenizer_tables.h: the tokenizer blob as C sees it, private to tokenizer*.c. src/tokenizer/blob.ts says what each
 * section holds. Everything reached through a ck_tokenizer was checked by ck_tokenizer_open. */
#ifndef CK_TOKENIZER_TABLES_H
#define CK_TOKENIZER_TABLES_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "refuse.h"
#include "tokenizer.h"

#define CK_TOKENS_VERSION 2u
#define CK_NO_SYMBOL 0xffffffffu
#define CK_UNICODE_BLOCKS 4352u /* 256 code points each */

enum { CK_KIND_CHARACTERS, CK_KIND_BYTES, CK_KIND_UNIGRAM, CK_KIND_WORDPIECE, CK_KINDS };

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
    CK_TOKENS_CUT_AT_SPACES = 512,
    CK_TOKENS_FLAGS = 1023
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
    CK_PIECE_SINGLE_WORD = 8,
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
    CK_SECTION_JOINS,
    CK_SECTION_SPECIAL_CLASSES,
    CK_SECTION_SPECIAL_TABLE,
    CK_SECTION_SPECIAL_IDS,
    CK_SECTION_AUTOMATA,
    CK_SECTION_AUTOMATON_TABLES,
    CK_SECTION_STEPS,
    CK_SECTION_STEP_TABLES,
    CK_SECTION_TRIE,
    CK_SECTION_SCORES,
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
    uint32_t automata;
    uint32_t steps;
    uint32_t word_automaton; /* its index + 1; 0: no token asks for it */
    uint32_t special_classes[2];
    uint32_t special_nodes[2];
    uint32_t most_word_characters;
    uint32_t zero;
    double unknown_score;
    ck_tokens_section section[CK_SECTIONS];
} ck_tokens_header;

typedef struct ck_merge {
    uint32_t left;
    uint32_t right;
    uint32_t rank;
    uint32_t joined;
} ck_merge;

enum {
    CK_SPLIT_ISOLATED,
    CK_SPLIT_REMOVED,
    CK_SPLIT_MERGED_WITH_PREVIOUS,
    CK_SPLIT_MERGED_WITH_NEXT,
    CK_SPLIT_CONTIGUOUS,
    CK_SPLIT_BEHAVIOURS,
    CK_SPLIT_INVERT = 8 /* added to one of these: what lies between matches counts as the match */
};

typedef struct ck_automaton {
    uint32_t classes;
    uint32_t states;
    uint32_t blocks;
    uint32_t invalid_class;
    uint32_t behaviour;
    uint32_t zero;
    uint64_t block_of;
    uint64_t class_of;
    uint64_t table;
} ck_automaton;

#define CK_AUTOMATON_START 1u
#define CK_AUTOMATON_ACCEPT 0x8000u

enum {
    CK_STEP_FORM,
    CK_STEP_MAP,
    CK_STEP_REPLACE,
    CK_STEP_PREPEND,
    CK_STEP_STRIP,
    CK_STEP_CHARSMAP,
    CK_STEP_SQUEEZE,
    CK_STEP_KINDS
};

typedef struct ck_step {
    uint32_t kind;
    uint32_t argument;
    uint64_t offset; /* into the step tables */
    uint64_t bytes;
} ck_step;

typedef struct ck_trie_node {
    uint32_t base;
    uint32_t check;
    uint32_t id; /* CK_NO_SYMBOL: no piece ends here */
} ck_trie_node;

/* Special tokens looked for in raw text [0], in normalised text [1]. */
typedef struct ck_special_table {
    const uint8_t *classes;
    const uint32_t *table;
    const int32_t *ids;
    uint32_t width;
    uint8_t first[256]; /* 1 where a token begins with this byte */
    int is_empty;
} ck_special_table;

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
    const uint8_t *joins; /* bits [256, 256] where a piece may hold the second byte behind the first */
    ck_special_table special[2];
    const ck_automaton *automata;
    const uint8_t *automaton_tables;
    const ck_step *steps;
    const uint8_t *step_tables;
    const ck_trie_node *trie;
    uint32_t continuation; /* the trie's node behind the prefix of continuations; 0: none */
    const double *scores;
};

static inline const void *ck_section_at(const ck_tokenizer *tokenizer, int section) {
    return (const uint8_t *)tokenizer->header + tokenizer->header->section[section].offset;
}

static inline uint64_t ck_section_bytes(const ck_tokenizer *tokenizer, int section) {
    return tokenizer->header->section[section].bytes;
}

static inline int ck_has(const ck_tokenizer *tokenizer, uint32_t flag) {
    return (tokenizer->header->flags & flag) != 0;
}

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

/* What is wrong with the first of two stages by which a character's entry is found, or NULL. */
static inline const char *ck_check_two_stages(const uint16_t *block_of, uint32_t blocks) {
    for (uint32_t i = 0; i < CK_UNICODE_BLOCKS; i++) {
        if (block_of[i] >= blocks) return "has a character block out of range";
    }
    return NULL;
}

/* The node that `byte` leads to from `node`, or 0. The root is node 0. */
static inline uint32_t ck_trie_step(const ck_tokenizer *tokenizer, uint32_t node, uint8_t byte) {
    uint32_t next = tokenizer->trie[node].base + byte;
    return tokenizer->trie[next].check == node ? next : 0;
}

#endif
