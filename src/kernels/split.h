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

/* The smaller of two counts. */
static inline __attribute__((always_inline)) int64_t ck_least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

#endif
