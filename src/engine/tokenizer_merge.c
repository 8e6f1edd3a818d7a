/* tokenizer_merge.c: joins the symbols of a word, lowest rank first, then leftmost. O(n log n) for any word. */
#include "tokenizer_parts.h"

/* One symbol of the word; symbols form a list from index 0. */
typedef struct ck_merge_symbol {
    uint32_t id; /* CK_NO_SYMBOL: a character that joins with nothing */
    uint32_t start;
    uint32_t next; /* CK_NO_SYMBOL: the last */
    uint32_t before;
} ck_merge_symbol;

/* In `before` of a symbol that became part of its left neighbour. */
#define CK_GONE 0xfffffffeu

typedef struct ck_merger {
    ck_merge_symbol *symbols;
    uint64_t *heap;
    size_t heap_count;
} ck_merger;

static void sink(uint64_t *heap, size_t count, size_t at) {
    uint64_t value = heap[at];
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= count) break;
        if (child + 1 < count && heap[child + 1] < heap[child]) child++;
        if (heap[child] >= value) break;
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = value;
}

static void heap_push(ck_merger *merger, uint64_t value) {
    uint64_t *heap = merger->heap;
    size_t at = merger->heap_count++;
    while (at > 0 && heap[(at - 1) / 2] > value) {
        heap[at] = heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    heap[at] = value;
}

/* The heap's entry for the pair that begins at `at`: rank, then place. 0 where it does not join. */
static int pair_entry(const ck_tokenizer *tokenizer, const ck_merge_symbol *symbols, uint32_t at, uint64_t *entry) {
    uint32_t next = symbols[at].next;
    if (next == CK_NO_SYMBOL || symbols[at].id == CK_NO_SYMBOL || symbols[next].id == CK_NO_SYMBOL) return 0;
    const ck_merge *merge = ck_find_merge(tokenizer, symbols[at].id, symbols[next].id);
    if (merge == NULL) return 0;
    *entry = (uint64_t)merge->rank << 32 | at;
    return 1;
}

static uint32_t place_symbols(const ck_tokenizer *tokenizer, ck_merge_symbol *symbols, const uint8_t *word,
                              size_t bytes) {
    uint32_t count = 0;
    for (size_t at = 0; at < bytes; count++) {
        ck_merge_symbol *symbol = &symbols[count];
        size_t taken = 1;
        symbol->start = (uint32_t)at;
        symbol->before = count - 1;
        symbol->next = count + 1;
        if (tokenizer->header->kind == CK_KIND_BYTES) {
            symbol->id = tokenizer->byte_ids[word[at]];
        } else {
            int32_t code;
            taken = ck_utf8_decode(word + at, bytes - at, &code);
            symbol->id = ck_find_piece(tokenizer, word + at, taken);
        }
        at += taken;
    }
    symbols[count - 1].next = CK_NO_SYMBOL;
    return count;
}

static void join(const ck_tokenizer *tokenizer, ck_merger *merger, uint32_t count) {
    ck_merge_symbol *symbols = merger->symbols;
    uint64_t entry;
    merger->heap_count = 0;
    for (uint32_t at = 0; at + 1 < count; at++) {
        if (pair_entry(tokenizer, symbols, at, &entry)) merger->heap[merger->heap_count++] = entry;
    }
    for (size_t at = merger->heap_count / 2; at-- > 0;) sink(merger->heap, merger->heap_count, at);

    while (merger->heap_count > 0) {
        uint64_t top = merger->heap[0];
        merger->heap[0] = merger->heap[--merger->heap_count];
        if (merger->heap_count > 0) sink(merger->heap, merger->heap_count, 0);
        uint32_t at = (uint32_t)top;
        /* Stale when its symbols have changed since; if their rank is still the same, it is as good as new. */
        if (symbols[at].before == CK_GONE || !pair_entry(tokenizer, symbols, at, &entry) || entry != top) continue;
        uint32_t gone = symbols[at].next;
        symbols[at].id = ck_find_merge(tokenizer, symbols[at].id, symbols[gone].id)->joined;
        symbols[at].next = symbols[gone].next;
        symbols[gone].before = CK_GONE;
        if (symbols[at].next != CK_NO_SYMBOL) symbols[symbols[at].next].before = at;
        if (pair_entry(tokenizer, symbols, at, &entry)) heap_push(merger, entry);
        if (at > 0 && pair_entry(tokenizer, symbols, symbols[at].before, &entry)) heap_push(merger, entry);
    }
}

int ck_merge_word(const ck_tokenizer *tokenizer, ck_word_room *room, const uint8_t *word, size_t bytes, ck_ids *out) {
    const ck_tokens_header *header = tokenizer->header;
    uint32_t whole = ck_find_piece(tokenizer, word, bytes);
    if (whole < header->vocabulary &&
        ((header->flags & CK_TOKENS_WHOLE_WORDS) != 0 || (tokenizer->piece_types[whole] & CK_PIECE_WHOLE) != 0)) {
        ck_ids_push(out, whole);
        return 1;
    }
    /* n - 1 pairs at first; each join takes one and adds at most two. */
    const size_t each = 2 * sizeof(uint64_t) + sizeof(ck_merge_symbol);
    ck_merger merger = {.heap = bytes > SIZE_MAX / 64 ? NULL : ck_word_reserve(room, bytes * each)};
    if (merger.heap == NULL) return 0;
    merger.symbols = (ck_merge_symbol *)(merger.heap + 2 * bytes);
    join(tokenizer, &merger, place_symbols(tokenizer, merger.symbols, word, bytes));

    int after_unknown = 0;
    for (uint32_t at = 0; at != CK_NO_SYMBOL; at = merger.symbols[at].next) {
        const ck_merge_symbol *symbol = &merger.symbols[at];
        size_t end = symbol->next == CK_NO_SYMBOL ? bytes : merger.symbols[symbol->next].start;
        if (symbol->id < header->vocabulary) {
            ck_ids_push(out, symbol->id);
            after_unknown = 0;
        } else if (header->kind == CK_KIND_BYTES || (header->flags & CK_TOKENS_BYTE_FALLBACK) != 0) {
            for (size_t i = symbol->start; i < end; i++) ck_ids_push(out, tokenizer->byte_ids[word[i]]);
        } else {
            if (!after_unknown || (header->flags & CK_TOKENS_FUSE_UNKNOWN) == 0) {
                ck_ids_push(out, (uint32_t)header->unknown);
            }
            after_unknown = 1;
        }
    }
    return 1;
}
