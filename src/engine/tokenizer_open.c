/* tokenizer_open.c: checks a tokenizer blob once, so that nothing after it needs to. */
#include <stdlib.h>

#include "tokenizer_parts.h"

/* Every check returns what is wrong, or NULL. */
typedef const char *ck_finding;

static ck_finding check_header(const uint8_t *blob, uint64_t bytes) {
    if (blob == NULL || (uintptr_t)blob % 8 != 0) return "is not at a multiple of 8 bytes";
    if (bytes < sizeof(ck_tokens_header)) return "is shorter than its header";
    const ck_tokens_header *header = (const ck_tokens_header *)(const void *)blob;
    if (memcmp(header->magic, "CKTOKENS", 8) != 0) return "does not begin with CKTOKENS";
    if (header->version != CK_TOKENS_VERSION) return "is of another version than 2";
    if (header->bytes != bytes) return "states another size than it has";
    if (header->kind >= CK_KINDS) return "is of an unknown kind";
    if ((header->flags & ~(uint32_t)CK_TOKENS_FLAGS) != 0 || header->zero != 0) return "has unknown flags";
    if (header->vocabulary == 0 || header->vocabulary > INT32_MAX / 2) return "has an impossible vocabulary";
    if (header->symbols < header->vocabulary || header->symbols > INT32_MAX) return "has too few or too many symbols";
    const int32_t ids[3] = {header->bos, header->eos, header->unknown};
    for (int i = 0; i < 3; i++) {
        if (ids[i] < -1 || ids[i] >= (int32_t)header->vocabulary) return "has a special id outside its vocabulary";
    }
    if ((header->flags & CK_TOKENS_ADD_BOS) != 0 && header->bos < 0) return "adds a BOS that it does not have";
    if ((header->flags & CK_TOKENS_ADD_EOS) != 0 && header->eos < 0) return "adds an EOS that it does not have";
    if (header->splits > 16 || header->automata > 64 || header->splits > header->automata) {
        return "has more than 16 split patterns";
    }
    if (header->steps > 64) return "has more than 64 steps of normalising";
    if (header->word_automaton > header->automata) return "lacks the automaton of words";
    for (int i = 0; i < CK_SECTIONS; i++) {
        const ck_tokens_section *section = &header->section[i];
        if (section->offset % 8 != 0 || section->offset > bytes || section->bytes > bytes - section->offset) {
            return "has a section outside itself";
        }
    }
    return NULL;
}

static ck_finding check_pieces(ck_tokenizer *t) {
    uint64_t symbols = t->header->symbols;
    if (ck_section_bytes(t, CK_SECTION_PIECE_STARTS) != 4 * (symbols + 1)) return "has piece starts of another number";
    if (ck_section_bytes(t, CK_SECTION_PIECE_TYPES) != symbols) return "has piece types of another number";
    t->piece_starts = ck_section_at(t, CK_SECTION_PIECE_STARTS);
    t->piece_bytes = ck_section_at(t, CK_SECTION_PIECE_BYTES);
    t->piece_types = ck_section_at(t, CK_SECTION_PIECE_TYPES);
    if (t->piece_starts[0] != 0 || t->piece_starts[symbols] != ck_section_bytes(t, CK_SECTION_PIECE_BYTES)) {
        return "has pieces that do not fill their bytes";
    }
    for (uint64_t i = 0; i < symbols; i++) {
        if (t->piece_starts[i] > t->piece_starts[i + 1]) return "has pieces out of order";
        uint32_t type = t->piece_types[i] & CK_PIECE_TYPE;
        if (type > CK_PIECE_BYTE || (type == CK_PIECE_NONE) != (i >= t->header->vocabulary)) {
            return "has a piece of unknown type";
        }
        if ((t->piece_types[i] & CK_PIECE_WHOLE) != 0 && i >= t->header->vocabulary) return "has a word without id";
    }
    return NULL;
}

/* Slots of a hash table if they are a power of two; else 0. */
static uint32_t slots_of(uint64_t bytes, uint64_t slot_bytes) {
    uint64_t slots = bytes / slot_bytes;
    if (bytes % slot_bytes != 0 || slots == 0 || slots > 0x80000000u || (slots & (slots - 1)) != 0) return 0;
    return (uint32_t)slots;
}

static ck_finding check_hashes(ck_tokenizer *t) {
    uint32_t symbols = t->header->symbols;
    uint32_t slots = slots_of(ck_section_bytes(t, CK_SECTION_PIECE_HASH), 4);
    uint32_t used = 0;
    if (slots == 0) return "has a piece table whose size is no power of two";
    t->piece_hash = ck_section_at(t, CK_SECTION_PIECE_HASH);
    t->piece_mask = slots - 1;
    for (uint32_t i = 0; i < slots; i++) {
        if (t->piece_hash[i] == CK_NO_SYMBOL) continue;
        if (t->piece_hash[i] >= symbols) return "has a piece table with an impossible symbol";
        used++;
    }
    if (used > slots / 2) return "has a piece table that is too full";

    slots = slots_of(ck_section_bytes(t, CK_SECTION_MERGE_HASH), sizeof(ck_merge));
    used = 0;
    if (slots == 0) return "has a merge table whose size is no power of two";
    t->merges = ck_section_at(t, CK_SECTION_MERGE_HASH);
    t->merge_mask = slots - 1;
    for (uint32_t i = 0; i < slots; i++) {
        const ck_merge *merge = &t->merges[i];
        if (merge->left == CK_NO_SYMBOL) continue;
        if (merge->left >= symbols || merge->right >= symbols || merge->joined >= symbols) {
            return "has a merge of impossible symbols";
        }
        used++;
    }
    return used > slots / 2 ? "has a merge table that is too full" : NULL;
}

static ck_finding check_bytes(ck_tokenizer *t) {
    const ck_tokens_header *header = t->header;
    if (ck_section_bytes(t, CK_SECTION_BYTE_IDS) != 4 * 256) return "has byte ids of another number than 256";
    t->byte_ids = ck_section_at(t, CK_SECTION_BYTE_IDS);
    for (int i = 0; i < 256; i++) {
        if (t->byte_ids[i] == CK_NO_SYMBOL) t->lacks_bytes = 1;
        else if (t->byte_ids[i] >= header->vocabulary) return "has a byte id outside its vocabulary";
    }
    if (header->kind == CK_KIND_BYTES) {
        /* U+FFFD stands for a byte that cannot be written. */
        const uint8_t needed[3] = {0xef, 0xbf, 0xbd};
        for (int i = 0; i < 3; i++) {
            if (t->byte_ids[needed[i]] == CK_NO_SYMBOL) return "lacks the bytes of U+FFFD";
        }
    } else if ((header->flags & CK_TOKENS_BYTE_FALLBACK) != 0 && t->lacks_bytes) {
        return "falls back to bytes and lacks some";
    }
    int needs_unknown = header->kind == CK_KIND_WORDPIECE ||
                        (header->kind != CK_KIND_BYTES && (header->flags & CK_TOKENS_BYTE_FALLBACK) == 0);
    if (needs_unknown && header->unknown < 0) return "has no token for characters that it does not know";
    int joins_pairs = header->kind == CK_KIND_CHARACTERS || header->kind == CK_KIND_UNIGRAM;
    if (ck_section_bytes(t, CK_SECTION_JOINS) != (joins_pairs ? 256 * 256 / 8 : 0)) {
        return "has joins of another number than 65536";
    }
    t->joins = ck_section_at(t, CK_SECTION_JOINS);
    return NULL;
}

static ck_status damaged(ck_error *error, ck_finding finding) {
    return ck_refuse(error, CK_ERROR_TOKENIZER,
                     "the tokenizer's tables are damaged: the blob %s; accepted: tables that this version's compiler wrote",
                     finding);
}

ck_status ck_tokenizer_open(const uint8_t *blob, uint64_t bytes, ck_tokenizer **tokenizer, ck_error *error) {
    ck_finding (*const checks[])(ck_tokenizer *) = {check_pieces,      check_hashes,   check_bytes,  ck_check_specials,
                                                    ck_check_automata, ck_check_steps, ck_check_trie};
    *tokenizer = NULL;
    ck_finding finding = check_header(blob, bytes);
    if (finding != NULL) {
        return damaged(error, finding);
    }
    ck_tokenizer *opened = calloc(1, sizeof *opened);
    if (opened == NULL) return ck_refuse(error, CK_ERROR_MEMORY, "no memory to open the tokenizer");
    opened->header = (const ck_tokens_header *)(const void *)blob;
    for (size_t i = 0; i < sizeof checks / sizeof checks[0] && finding == NULL; i++) finding = checks[i](opened);
    if (finding != NULL) {
        free(opened);
        return damaged(error, finding);
    }
    *tokenizer = opened;
    return CK_OK;
}

void ck_tokenizer_close(ck_tokenizer *tokenizer) {
    free(tokenizer);
}

int32_t ck_tokenizer_bos(const ck_tokenizer *tokenizer) {
    return tokenizer->header->bos;
}

int32_t ck_tokenizer_eos(const ck_tokenizer *tokenizer) {
    return tokenizer->header->eos;
}

int64_t ck_tokenizer_vocabulary(const ck_tokenizer *tokenizer) {
    return tokenizer->header->vocabulary;
}

int32_t ck_tokenizer_is_end(const ck_tokenizer *tokenizer, int32_t id) {
    if (id < 0 || (uint32_t)id >= tokenizer->header->vocabulary) return 0;
    return (tokenizer->piece_types[id] & CK_PIECE_ENDS) != 0;
}
