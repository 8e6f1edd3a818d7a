/* columns.h: how kernels that add up rows divide their columns among parts. */
#ifndef CK_COLUMNS_H
#define CK_COLUMNS_H

#include "simd.h"
#include "split.h"

enum { CK_LINE = 16 }; /* columns per item: a cache line, so that no two parts write to one */

/* Columns [begin, end) of a row. */
typedef struct {
    int64_t begin, end;
} ck_columns;

static inline ck_columns ck_share_columns(int64_t cols, int part, int parts)
{
    ck_columns of;
    ck_share((cols + CK_LINE - 1) / CK_LINE, part, parts, &of.begin, &of.end);
    of.begin *= CK_LINE;
    of.end = of.end * CK_LINE < cols ? of.end * CK_LINE : cols;
    return of;
}

/* Where sums over the rows of these columns begin: at `sum`, which may be `to`, or at 0 where it is NULL. */
static inline void ck_begin_sums(ck_columns of, const float *sum, float *to)
{
    const size_t bytes = of.begin < of.end ? (size_t)(of.end - of.begin) * sizeof *to : 0;
    if (sum == NULL) {
        memset(to + of.begin, 0, bytes);
    } else if (sum != to) {
        memcpy(to + of.begin, sum + of.begin, bytes);
    }
}

#endif
