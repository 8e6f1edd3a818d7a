/* tokenizer_check.c: checks the blob's machines: special tokens, automata, steps of normalising, and the trie. */
#include "tokenizer_parts.h"

static const char *check_special(ck_special_table *special, uint64_t nodes, uint32_t vocabulary) {
    for (int i = 0; i < 256; i++) {
        if (special->classes[i] >= special->width) return "has a special class out of range";
    }
    for (uint64_t i = 0; i < nodes * special->width; i++) {
        if (special->table[i] >= nodes) return "has a special node out of range";
    }
    for (uint64_t i = 0; i < nodes; i++) {
        if (special->ids[i] < -1 || special->ids[i] >= (int32_t)vocabulary) {
            return "has a special token outside its vocabulary";
        }
    }
    special->is_empty = 1;
    for (int i = 0; i < 256; i++) {
        special->first[i] = special->table[special->width + special->classes[i]] != 0;
        if (special->first[i]) special->is_empty = 0;
    }
    return NULL;
}

const char *ck_check_specials(ck_tokenizer *t) {
    const ck_tokens_header *header = t->header;
    uint64_t cells = 0;
    uint64_t nodes = 0;
    for (int which = 0; which < 2; which++) {
        uint32_t width = header->special_classes[which];
        if (width == 0 || width > 256 || header->special_nodes[which] < 2 ||
            header->special_nodes[which] > UINT32_MAX / 1024) {
            return "has an impossible special table";
        }
        cells += (uint64_t)width * header->special_nodes[which];
        nodes += header->special_nodes[which];
    }
    if (ck_section_bytes(t, CK_SECTION_SPECIAL_CLASSES) != 2 * 256 ||
        ck_section_bytes(t, CK_SECTION_SPECIAL_TABLE) != 4 * cells ||
        ck_section_bytes(t, CK_SECTION_SPECIAL_IDS) != 4 * nodes) {
        return "has a special table of another size";
    }
    const uint32_t *table = ck_section_at(t, CK_SECTION_SPECIAL_TABLE);
    const int32_t *ids = ck_section_at(t, CK_SECTION_SPECIAL_IDS);
    for (int which = 0; which < 2; which++) {
        ck_special_table *special = &t->special[which];
        special->width = header->special_classes[which];
        special->classes = (const uint8_t *)ck_section_at(t, CK_SECTION_SPECIAL_CLASSES) + 256 * which;
        special->table = table;
        special->ids = ids;
        const char *finding = check_special(special, header->special_nodes[which], header->vocabulary);
        if (finding != NULL) return finding;
        table += (uint64_t)special->width * header->special_nodes[which];
        ids += header->special_nodes[which];
    }
    return NULL;
}

/* Whether `bytes` from `offset` lie in a part of `size` bytes, at a multiple of 8. */
static int lies_in(uint64_t size, uint64_t offset, uint64_t bytes) {
    return offset % 8 == 0 && offset <= size && bytes <= size - offset;
}

static const char *check_automaton(const ck_tokenizer *t, const ck_automaton *a) {
    uint64_t size = ck_section_bytes(t, CK_SECTION_AUTOMATON_TABLES);
    if (a->classes == 0 || a->classes > 255 || a->states <= CK_AUTOMATON_START || a->states > CK_AUTOMATON_ACCEPT ||
        a->blocks > CK_UNICODE_BLOCKS || a->invalid_class >= a->classes || a->zero != 0 ||
        a->behaviour >= 2 * CK_SPLIT_INVERT || a->behaviour % CK_SPLIT_INVERT >= CK_SPLIT_BEHAVIOURS) {
        return "has an impossible automaton";
    }
    uint64_t cells = (uint64_t)a->states * (a->classes + 1);
    if (!lies_in(size, a->block_of, 2 * CK_UNICODE_BLOCKS) || !lies_in(size, a->class_of, 256 * (uint64_t)a->blocks) ||
        !lies_in(size, a->table, 2 * cells)) {
        return "has an automaton's table outside itself";
    }
    const uint8_t *classes = t->automaton_tables + a->class_of;
    const uint16_t *table = (const uint16_t *)(const void *)(t->automaton_tables + a->table);
    for (uint32_t i = 0; i < 256 * a->blocks; i++) {
        if (classes[i] >= a->classes) return "has a character class out of range";
    }
    for (uint64_t i = 0; i < cells; i++) {
        if ((table[i] & ~CK_AUTOMATON_ACCEPT) >= a->states) return "has an automaton's state out of range";
    }
    return ck_check_two_stages((const uint16_t *)(const void *)(t->automaton_tables + a->block_of), a->blocks);
}

const char *ck_check_automata(ck_tokenizer *t) {
    if (ck_section_bytes(t, CK_SECTION_AUTOMATA) != t->header->automata * sizeof(ck_automaton)) {
        return "has automata of another number";
    }
    t->automata = ck_section_at(t, CK_SECTION_AUTOMATA);
    t->automaton_tables = ck_section_at(t, CK_SECTION_AUTOMATON_TABLES);
    for (uint32_t i = 0; i < t->header->automata; i++) {
        const char *finding = check_automaton(t, &t->automata[i]);
        if (finding != NULL) return finding;
    }
    return NULL;
}

static const char *check_step(const ck_tokenizer *t, const ck_step *step) {
    if (!lies_in(ck_section_bytes(t, CK_SECTION_STEP_TABLES), step->offset, step->bytes)) {
        return "has a step outside itself";
    }
    switch (step->kind) {
    case CK_STEP_FORM: return ck_check_form(t, step);
    case CK_STEP_MAP: return ck_check_map(t, step);
    case CK_STEP_CHARSMAP: return ck_check_charsmap(t, step);
    case CK_STEP_REPLACE: return step->argument < t->header->automata ? NULL : "replaces what no automaton finds";
    default: return step->kind < CK_STEP_KINDS ? NULL : "has an unknown step";
    }
}

const char *ck_check_steps(ck_tokenizer *t) {
    if (ck_section_bytes(t, CK_SECTION_STEPS) != t->header->steps * sizeof(ck_step)) {
        return "has steps of another number";
    }
    t->steps = ck_section_at(t, CK_SECTION_STEPS);
    t->step_tables = ck_section_at(t, CK_SECTION_STEP_TABLES);
    for (uint32_t i = 0; i < t->header->steps; i++) {
        const char *finding = check_step(t, &t->steps[i]);
        if (finding != NULL) return finding;
    }
    return NULL;
}

const char *ck_check_trie(ck_tokenizer *t) {
    uint32_t kind = t->header->kind;
    if (kind != CK_KIND_UNIGRAM && kind != CK_KIND_WORDPIECE) return NULL;
    uint64_t nodes = ck_section_bytes(t, CK_SECTION_TRIE) / sizeof(ck_trie_node);
    if (nodes < 256 || nodes > INT32_MAX || ck_section_bytes(t, CK_SECTION_TRIE) % sizeof(ck_trie_node) != 0) {
        return "has an ill-sized trie";
    }
    t->trie = ck_section_at(t, CK_SECTION_TRIE);
    for (uint64_t i = 0; i < nodes; i++) {
        if (t->trie[i].base > nodes - 256) return "has a trie that leads out of itself";
        if (t->trie[i].id != CK_NO_SYMBOL && t->trie[i].id >= t->header->vocabulary) return "has a piece without id";
    }
    if (kind == CK_KIND_WORDPIECE) {
        t->continuation = ck_trie_step(t, 0, '#');
        if (t->continuation != 0) t->continuation = ck_trie_step(t, t->continuation, '#');
        return NULL;
    }
    if (ck_section_bytes(t, CK_SECTION_SCORES) != 8 * (uint64_t)t->header->vocabulary) {
        return "has scores of another number";
    }
    t->scores = ck_section_at(t, CK_SECTION_SCORES);
    return NULL;
}
