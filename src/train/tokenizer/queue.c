/* queue.c: a binary heap of candidates. Counts only fall behind their entries, so an entry is put right when it comes to
 * the top. */
#include <stdlib.h>

#include "pairs.h"

static int is_before(const ck_candidate *a, const ck_candidate *b) {
    return a->count != b->count ? a->count > b->count : a->key < b->key;
}

/* Puts `moved` where it belongs at or below `at`. */
static void sink(ck_queue *queue, size_t at, ck_candidate moved) {
    ck_candidate *heap = queue->heap;
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= queue->count) break;
        if (child + 1 < queue->count && is_before(&heap[child + 1], &heap[child])) child++;
        if (!is_before(&heap[child], &moved)) break;
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = moved;
}

static int push(ck_queue *queue, ck_candidate moved) {
    if (queue->count == queue->capacity) {
        size_t capacity = queue->capacity == 0 ? 4096 : 2 * queue->capacity;
        ck_candidate *heap = realloc(queue->heap, capacity * sizeof *heap);
        if (heap == NULL) return 0;
        queue->heap = heap;
        queue->capacity = capacity;
    }
    size_t at = queue->count++;
    while (at > 0 && is_before(&moved, &queue->heap[(at - 1) / 2])) {
        queue->heap[at] = queue->heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    queue->heap[at] = moved;
    return 1;
}

int ck_queue_fill(ck_queue *queue, ck_pairs *pairs) {
    while (pairs->fresh_count > 0) {
        uint32_t index = pairs->fresh[pairs->fresh_count - 1];
        ck_pair *pair = &pairs->pairs[index];
        if (pair->count > 0) {
            if (!push(queue, (ck_candidate){pair->count, pair->key, index, pair->places})) return 0;
        } else {
            free(pair->places.words);
        }
        pair->places = (ck_places){0};
        pairs->fresh_count--;
    }
    return 1;
}

int ck_queue_take(ck_queue *queue, const ck_pairs *pairs, ck_candidate *candidate) {
    while (queue->count > 0) {
        ck_candidate top = queue->heap[0];
        if (top.count == pairs->pairs[top.pair].count) {
            ck_candidate last = queue->heap[--queue->count];
            if (queue->count > 0) sink(queue, 0, last);
            *candidate = top;
            return 1;
        }
        top.count = pairs->pairs[top.pair].count;
        sink(queue, 0, top);
    }
    return 0;
}

void ck_queue_free(ck_queue *queue) {
    for (size_t i = 0; i < queue->count; i++) free(queue->heap[i].places.words);
    free(queue->heap);
    *queue = (ck_queue){0};
}
