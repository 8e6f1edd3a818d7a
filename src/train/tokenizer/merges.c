/* merges.c: the loop of byte-pair encoding (Sennrich et al. 2016) with counts that follow each merge. The order of merges,
 * ties included, is that of the Hugging Face tokenizers library. */
#include "merges.h"

#include <stdlib.h>

#include "pairs.h"
#include "tokenizer_tables.h"

typedef struct word {
    uint64_t start; /* into symbols */
    int64_t number;
    uint32_t symbols;
} word;

typedef struct learner {
    word *words;
    uint32_t word_count;
    uint32_t *symbols;
    ck_pairs pairs;
    ck_queue queue;
    ck_words texts; /* number: the id */
    uint32_t *text_of; /* [ids] index into texts, or CK_NO_WORD */
    uint32_t ids;
    uint8_t *joined; /* the text of a merge */
    uint32_t joined_capacity;
} learner;

/* Texts of one byte hold no pair. 0: no memory. */
static int take_words(learner *l, const ck_words *words, const ck_tokenizer *base) {
    uint64_t symbols = 0;
    for (uint32_t i = 0; i < words->count; i++) {
        if (words->words[i].bytes < 2) continue;
        l->word_count++;
        symbols += words->words[i].bytes;
    }
    if (symbols > SIZE_MAX / sizeof *l->symbols - 1) return 0;
    l->words = malloc(((size_t)l->word_count + 1) * sizeof *l->words);
    l->symbols = malloc(((size_t)symbols + 1) * sizeof *l->symbols);
    if (l->words == NULL || l->symbols == NULL) return 0;
    word *next = l->words;
    uint64_t at = 0;
    for (uint32_t i = 0; i < words->count; i++) {
        const ck_word *from = &words->words[i];
        if (from->bytes < 2) continue;
        *next++ = (word){at, from->number, from->bytes};
        for (uint32_t j = 0; j < from->bytes; j++) l->symbols[at++] = base->byte_ids[words->text[from->start + j]];
    }
    return 1;
}

static int add_text(learner *l, const uint8_t *text, uint32_t bytes, uint32_t id) {
    uint32_t at = ck_words_put(&l->texts, text, bytes);
    if (at == CK_NO_WORD) return 0;
    l->texts.words[at].number = id;
    l->text_of[id] = at;
    return 1;
}

static int take_ids(learner *l, const ck_tokenizer *base, uint32_t vocabulary) {
    l->ids = base->header->vocabulary;
    l->text_of = malloc((size_t)(vocabulary > l->ids ? vocabulary : l->ids) * sizeof *l->text_of);
    if (l->text_of == NULL) return 0;
    for (uint32_t id = 0; id < l->ids; id++) {
        const uint8_t *text = base->piece_bytes + base->piece_starts[id];
        l->text_of[id] = CK_NO_WORD;
        if ((base->piece_types[id] & CK_PIECE_TYPE) == CK_PIECE_USER) continue;
        if (!add_text(l, text, base->piece_starts[id + 1] - base->piece_starts[id], id)) return 0;
    }
    return 1;
}

static int count_pairs(learner *l) {
    for (uint32_t i = 0; i < l->word_count; i++) {
        const uint32_t *symbols = l->symbols + l->words[i].start;
        for (uint32_t j = 0; j + 1 < l->words[i].symbols; j++) {
            uint64_t key = ck_pair_key(symbols[j], symbols[j + 1]);
            if (!ck_pairs_change(&l->pairs, key, l->words[i].number, i)) return 0;
        }
    }
    return 1;
}

/* The id of two joined texts, made where there is none. CK_NO_WORD: no memory. */
static uint32_t join_texts(learner *l, uint32_t left, uint32_t right) {
    const ck_word *first = &l->texts.words[l->text_of[left]];
    const ck_word *second = &l->texts.words[l->text_of[right]];
    uint32_t bytes = first->bytes + second->bytes;
    if (bytes > l->joined_capacity) {
        uint8_t *joined = realloc(l->joined, 2 * (size_t)bytes);
        if (joined == NULL) return CK_NO_WORD;
        l->joined = joined;
        l->joined_capacity = 2 * bytes;
    }
    memcpy(l->joined, l->texts.text + first->start, first->bytes);
    memcpy(l->joined + first->bytes, l->texts.text + second->start, second->bytes);
    uint32_t known = ck_words_find(&l->texts, l->joined, bytes);
    if (known != CK_NO_WORD) return (uint32_t)l->texts.words[known].number;
    return add_text(l, l->joined, bytes, l->ids) ? l->ids++ : CK_NO_WORD;
}

/* Joins left and right throughout a word, from its beginning on. 0: no memory. */
static int merge_word(learner *l, uint32_t index, uint32_t left, uint32_t right, uint32_t joined) {
    word *own = &l->words[index];
    uint32_t *symbols = l->symbols + own->start;
    uint32_t count = own->symbols;
    uint32_t kept = 0;
    for (uint32_t at = 0; at < count; at++) {
        if (symbols[at] != left || at + 1 == count || symbols[at + 1] != right) {
            symbols[kept++] = symbols[at];
            continue;
        }
        if (kept > 0) {
            uint32_t before = symbols[kept - 1];
            if (!ck_pairs_change(&l->pairs, ck_pair_key(before, left), -own->number, index) ||
                !ck_pairs_change(&l->pairs, ck_pair_key(before, joined), own->number, index)) {
                return 0;
            }
        }
        symbols[kept++] = joined;
        at++;
        if (at + 1 < count) {
            uint32_t behind = symbols[at + 1];
            if (!ck_pairs_change(&l->pairs, ck_pair_key(right, behind), -own->number, index) ||
                !ck_pairs_change(&l->pairs, ck_pair_key(joined, behind), own->number, index)) {
                return 0;
            }
        }
    }
    own->symbols = kept;
    return 1;
}

static int record(ck_merges *merges, uint32_t left, uint32_t right, uint32_t joined) {
    if (merges->count == merges->capacity) {
        uint32_t capacity = merges->capacity == 0 ? 4096 : 2 * merges->capacity;
        ck_learned *more = realloc(merges->merges, capacity * sizeof *more);
        if (more == NULL) return 0;
        merges->merges = more;
        merges->capacity = capacity;
    }
    merges->merges[merges->count++] = (ck_learned){left, right, joined};
    return 1;
}

static int merge_places(learner *l, const ck_candidate *candidate, uint32_t joined) {
    for (uint32_t i = 0; i < candidate->places.count; i++) {
        uint32_t left = (uint32_t)(candidate->key >> 32);
        if (!merge_word(l, candidate->places.words[i], left, (uint32_t)candidate->key, joined)) return 0;
    }
    return 1;
}

/* 0: no memory. */
static int learn(learner *l, uint32_t vocabulary, int64_t least, ck_merges *merges) {
    ck_candidate candidate;
    int fits = count_pairs(l) && ck_queue_fill(&l->queue, &l->pairs);
    while (fits && l->ids < vocabulary && ck_queue_take(&l->queue, &l->pairs, &candidate)) {
        if (candidate.count < 1 || candidate.count < least) {
            free(candidate.places.words);
            break;
        }
        uint32_t left = (uint32_t)(candidate.key >> 32);
        uint32_t right = (uint32_t)candidate.key;
        uint32_t joined = join_texts(l, left, right);
        fits = joined != CK_NO_WORD && record(merges, left, right, joined) && merge_places(l, &candidate, joined) &&
               ck_queue_fill(&l->queue, &l->pairs);
        free(candidate.places.words);
    }
    merges->vocabulary = l->ids;
    return fits;
}

ck_status ck_learn_merges(ck_words *words, const ck_tokenizer *base, uint32_t vocabulary, int64_t least,
                          ck_merges *merges, ck_error *error) {
    learner l = {0};
    *merges = (ck_merges){0};
    int fits = take_words(&l, words, base);
    ck_words_free(words);
    fits = fits && take_ids(&l, base, vocabulary) && learn(&l, vocabulary, least, merges);
    ck_pairs_free(&l.pairs);
    ck_queue_free(&l.queue);
    ck_words_free(&l.texts);
    free(l.words);
    free(l.symbols);
    free(l.text_of);
    free(l.joined);
    if (fits) return CK_OK;
    free(merges->merges);
    *merges = (ck_merges){0};
    return ck_refuse(error, CK_ERROR_MEMORY, "no memory for the pairs of the distinct words");
}
