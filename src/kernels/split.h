/* split.h: how the items of a kernel are divided among parts. */
#ifndef CK_SPLIT_H
#define CK_SPLIT_H

#include <stdint.h>

/* Items [begin, end) of `part`: contiguous, in order of the parts, sizes differ by at most one. */
static inline void ck_share(int64_t items, int part, int parts, int64_t *begin, int64_t *end)
{
    *begin = items * part / parts;
    *end = items * (part + 1) / parts;
}

/* Where an item lies among rows of so many, found once and then followed: a division takes longer than a short vector. */
typedef struct {
    int64_t row, at;
} ck_place;

static inline ck_place ck_place_of(int64_t item, int64_t across)
{
    return (ck_place){item / across, item % across};
}

static inline __attribute__((always_inline)) void ck_go_on(ck_place *place, int64_t across)
{
    if (++place->at == across) {
        *place = (ck_place){place->row + 1, 0};
    }
}

/* The smaller of two counts. */
static inline __attribute__((always_inline)) int64_t ck_least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

#endif
