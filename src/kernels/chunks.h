/* chunks.h: the elements of a kernel as blocks of whole cache lines, and as chunks whose number does not depend on the parts. */
#ifndef CK_CHUNKS_H
#define CK_CHUNKS_H

#include "simd.h"
#include "split.h"

enum { CK_BLOCK = 256, CK_LINE = 16 }; /* elements of a block, and of a cache line */

/* The elements [begin, end) of a part: whole blocks. */
CK_INLINE void ck_share_elements(int64_t elements, int part, int parts, int64_t *begin, int64_t *end)
{
    ck_share((elements + CK_BLOCK - 1) / CK_BLOCK, part, parts, begin, end);
    *begin *= CK_BLOCK;
    *end = *end * CK_BLOCK < elements ? *end * CK_BLOCK : elements;
}

/* The first or last n of CK_LANES elements; n is a constant where it is all of them. */

CK_INLINE ck_vf ck_take(const float *p, int64_t n)
{
    return n == CK_LANES ? ck_load(p) : ck_load_n(p, n);
}

CK_INLINE void ck_put(float *p, ck_vf v, int64_t n)
{
    if (n == CK_LANES) {
        ck_store(p, v);
    } else {
        ck_store_n(p, v, n);
    }
}

/* Statements for each vector of elements [i, end), which begins at element i and has n of them. */
#define CK_EACH(i, end, ...)                                                                                           \
    for (; i + CK_LANES <= end; i += CK_LANES) {                                                                       \
        const int64_t n = CK_LANES;                                                                                    \
        __VA_ARGS__                                                                                                    \
    }                                                                                                                  \
    if (i < end) {                                                                                                     \
        const int64_t n = end - i;                                                                                     \
        __VA_ARGS__                                                                                                    \
    }

#endif
