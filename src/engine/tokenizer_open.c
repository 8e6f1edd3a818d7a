/* tokenizer_open.c: checks a tokenizer blob once, so that nothing after it needs to. */
#include <stdlib.h>

#include "tokenizer_tables.h"

/* Every check below returns what is wrong, or NULL. */
typedef const char *ck_finding;

static const void *section_at(const ck_tokenizer *t, int section) {
    return (const uint8_t *)t->header + t->header->section[section].offset;
}

static uint64_t section_bytes(const ck_tokenizer *t, int section) {
    return t->header->section[section].bytes;
}

static ck_finding check_header(const uint8_t *blob, uint64_t bytes) {
    if (blob == NULL || (uintptr_t)blob % 8 != 0) return "is not at a multiple of 8 bytes";
    if (bytes < sizeof(ck_tokens_header)) return "is shorter than its header";
    const ck_tokens_header *header = (const ck_tokens_header *)(const void *)blob;
    if (memcmp(header->magic, "CKTOKENS", 8) != 0) return "does not begin with CKTOKENS";
    if (header->version != CK_TOKENS_VERSION) return "is of another version than 1";
    if (header->bytes != bytes) return "states another size than it has";
    if (header->kind > CK_KIND_BYTES) return "is of an unknown kind";
    if ((header->flags & ~(uint32_t)CK_TOKENS_FLAGS) != 0 || header->zero != 0) return "has unknown flags";
    if (header->vocabulary == 0 || header->vocabulary > INT32_MAX / 2) return "has an impossible vocabulary";
    if (header->symbols < header->vocabulary || header->symbols > INT32_MAX) return "has too few or too many symbols";
    const int32_t ids[3] = {header->bos, header->eos, header->unknown};
    for (int i = 0; i < 3; i++) {
        if (ids[i] < -1 || ids[i] >= (int32_t)header->vocabulary) return "has a special id outside its vocabulary";
    }
    if ((header->flags & CK_TOKENS_ADD_BOS) != 0 && header->bos < 0) return "adds a BOS that it does not have";
    if ((header->flags & CK_TOKENS_ADD_EOS) != 0 && header->eos < 0) return "adds an EOS that it does not have";
    if (header->splits > 16) return "has more than 16 split patterns";
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
    if (section_bytes(t, CK_SECTION_PIECE_STARTS) != 4 * (symbols + 1)) return "has piece starts of another number";
    if (section_bytes(t, CK_SECTION_PIECE_TYPES) != symbols) return "has piece types of another number";
    t->piece_starts = section_at(t, CK_SECTION_PIECE_STARTS);
    t->piece_bytes = section_at(t, CK_SECTION_PIECE_BYTES);
    t->piece_types = section_at(t, CK_SECTION_PIECE_TYPES);
    if (t->piece_starts[0] != 0 || t->piece_starts[symbols] != section_bytes(t, CK_SECTION_PIECE_BYTES)) {
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
    uint32_t slots = slots_of(section_bytes(t, CK_SECTION_PIECE_HASH), 4);
    uint32_t used = 0;
    if (slots == 0) return "has a piece table whose size is no power of two";
    t->piece_hash = section_at(t, CK_SECTION_PIECE_HASH);
    t->piece_mask = slots - 1;
    for (uint32_t i = 0; i < slots; i++) {
        if (t->piece_hash[i] == CK_NO_SYMBOL) continue;
        if (t->piece_hash[i] >= symbols) return "has a piece table with an impossible symbol";
        used++;
    }
    if (used > slots / 2) return "has a piece table that is too full";

    slots = slots_of(section_bytes(t, CK_SECTION_MERGE_HASH), sizeof(ck_merge));
    used = 0;
    if (slots == 0) return "has a merge table whose size is no power of two";
    t->merges = section_at(t, CK_SECTION_MERGE_HASH);
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
    if (section_bytes(t, CK_SECTION_BYTE_IDS) != 4 * 256) return "has byte ids of another number than 256";
    t->byte_ids = section_at(t, CK_SECTION_BYTE_IDS);
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
    } else if ((header->flags & CK_TOKENS_BYTE_FALLBACK) != 0) {
        if (t->lacks_bytes) return "falls back to bytes and lacks some";
    } else if (header->unknown < 0) {
        return "has no token for characters that it does not know";
    }
    return NULL;
}

static ck_finding check_specials(ck_tokenizer *t) {
    uint64_t classes = t->header->special_classes;
    uint64_t nodes = t->header->special_nodes;
    if (classes == 0 || classes > 256 || nodes < 2 || nodes > UINT32_MAX / 1024) {
        return "has an impossible special table";
    }
    if (section_bytes(t, CK_SECTION_SPECIAL_CLASSES) != 256 ||
        section_bytes(t, CK_SECTION_SPECIAL_TABLE) != 4 * nodes * classes ||
        section_bytes(t, CK_SECTION_SPECIAL_IDS) != 4 * nodes) {
        return "has a special table of another size";
    }
    t->special_classes = section_at(t, CK_SECTION_SPECIAL_CLASSES);
    t->special_table = section_at(t, CK_SECTION_SPECIAL_TABLE);
    t->special_ids = section_at(t, CK_SECTION_SPECIAL_IDS);
    for (int i = 0; i < 256; i++) {
        if (t->special_classes[i] >= classes) return "has a special class out of range";
    }
    for (uint64_t i = 0; i < nodes * classes; i++) {
        if (t->special_table[i] >= nodes) return "has a special node out of range";
    }
    for (uint64_t i = 0; i < nodes; i++) {
        if (t->special_ids[i] < -1 || t->special_ids[i] >= (int32_t)t->header->vocabulary) {
            return "has a special token outside its vocabulary";
        }
    }
    for (int i = 0; i < 256; i++) t->special_first[i] = t->special_table[classes + t->special_classes[i]] != 0;
    return NULL;
}

/* Whether `bytes` from `offset` lie in a part of `size` bytes, at a multiple of 8. */
static int lies_in(uint64_t size, uint64_t offset, uint64_t bytes) {
    return offset % 8 == 0 && offset <= size && bytes <= size - offset;
}

static ck_finding check_two_stages(const uint16_t *block_of, uint32_t blocks) {
    for (uint32_t i = 0; i < CK_UNICODE_BLOCKS; i++) {
        if (block_of[i] >= blocks) return "has a character block out of range";
    }
    return NULL;
}

static ck_finding check_split(const ck_tokenizer *t, const ck_split *split) {
    uint64_t size = section_bytes(t, CK_SECTION_SPLIT_TABLES);
    if (split->classes == 0 || split->classes > 255 || split->states <= CK_SPLIT_START ||
        split->states > CK_SPLIT_ACCEPT || split->blocks > CK_UNICODE_BLOCKS ||
        split->invalid_class >= split->classes) {
        return "has an impossible split automaton";
    }
    uint64_t cells = (uint64_t)split->states * (split->classes + 1);
    if (!lies_in(size, split->block_of, 2 * CK_UNICODE_BLOCKS) ||
        !lies_in(size, split->class_of, 256 * split->blocks) || !lies_in(size, split->table, 2 * cells)) {
        return "has a split table outside itself";
    }
    const uint8_t *classes = t->split_tables + split->class_of;
    const uint16_t *table = (const uint16_t *)(const void *)(t->split_tables + split->table);
    for (uint32_t i = 0; i < 256 * split->blocks; i++) {
        if (classes[i] >= split->classes) return "has a character class out of range";
    }
    for (uint64_t i = 0; i < cells; i++) {
        if ((table[i] & ~CK_SPLIT_ACCEPT) >= split->states) return "has a split state out of range";
    }
    return check_two_stages((const uint16_t *)(const void *)(t->split_tables + split->block_of), split->blocks);
}

static ck_finding check_splits(ck_tokenizer *t) {
    if (section_bytes(t, CK_SECTION_SPLITS) != t->header->splits * sizeof(ck_split)) {
        return "has splits of another number";
    }
    t->splits = section_at(t, CK_SECTION_SPLITS);
    t->split_tables = section_at(t, CK_SECTION_SPLIT_TABLES);
    for (uint32_t i = 0; i < t->header->splits; i++) {
        ck_finding finding = check_split(t, &t->splits[i]);
        if (finding != NULL) return finding;
    }
    return NULL;
}

static ck_finding check_nfc(ck_tokenizer *t) {
    if ((t->header->flags & CK_TOKENS_NFC) == 0) return NULL;
    uint64_t bytes = section_bytes(t, CK_SECTION_NFC);
    const uint8_t *at = section_at(t, CK_SECTION_NFC);
    if (bytes < sizeof(ck_nfc_header)) return "lacks its normalisation tables";
    const ck_nfc_header *header = (const ck_nfc_header *)(const void *)at;
    if (header->blocks > CK_UNICODE_BLOCKS || header->zero != 0 ||
        bytes != sizeof(ck_nfc_header) + 2 * CK_UNICODE_BLOCKS + 256 * (uint64_t)header->blocks +
                     sizeof(ck_expansion) * (uint64_t)header->expansions +
                     sizeof(ck_composition) * (uint64_t)header->compositions) {
        return "has normalisation tables of another size";
    }
    t->nfc = header;
    t->nfc_block_of = (const uint16_t *)(const void *)(at + sizeof(ck_nfc_header));
    t->nfc_classes = (const uint8_t *)(t->nfc_block_of + CK_UNICODE_BLOCKS);
    t->expansions = (const ck_expansion *)(const void *)(t->nfc_classes + 256 * (size_t)header->blocks);
    t->compositions = (const ck_composition *)(t->expansions + header->expansions);
    for (uint32_t i = 0; i < header->expansions; i++) {
        for (int part = 0; part < 4; part++) {
            if (t->expansions[i].parts[part] > 0x10ffff) return "has a decomposition beyond Unicode";
        }
    }
    for (uint32_t i = 0; i < header->compositions; i++) {
        if (t->compositions[i].composed > 0x10ffff) return "has a composition beyond Unicode";
    }
    return check_two_stages(t->nfc_block_of, header->blocks);
}

static ck_status damaged(ck_error *error, ck_finding finding) {
    return ck_refuse(error, CK_ERROR_TOKENIZER,
                     "the tokenizer's tables are damaged: the blob %s; accepted: tables that this version's compiler wrote",
                     finding);
}

ck_status ck_tokenizer_open(const uint8_t *blob, uint64_t bytes, ck_tokenizer **tokenizer, ck_error *error) {
    ck_finding (*const checks[])(ck_tokenizer *) = {check_pieces, check_hashes, check_bytes,
                                                    check_specials, check_splits, check_nfc};
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
