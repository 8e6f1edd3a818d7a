/* ahead.h: parts of a matrix that the memory is asked for while something else is multiplied. */
#ifndef CK_AHEAD_H
#define CK_AHEAD_H

#include "panels.h"

/* An operand's part that is read next: the memory is asked for its lines while the one before it is multiplied. */
typedef struct {
    const uint8_t *row;
    int64_t row_bytes, stride, rows; /* rows that are left; their stride in bytes */
    int64_t at;                      /* bytes of the first of them that have been asked for */
    int64_t lines;                   /* at a time */
} ck_ahead;

static ck_ahead ck_look_ahead(const void *values, int64_t bytes, int64_t stride, ck_range rows, ck_range cols,
                              int64_t times)
{
    const uint8_t *row = (const uint8_t *)values + (rows.begin * stride + cols.begin) * bytes;
    const int64_t row_bytes = (cols.end - cols.begin) * bytes, count = rows.end - rows.begin;
    return (ck_ahead){row, row_bytes, stride * bytes, count, 0, ((row_bytes + 63) / 64 * count + times - 1) / times};
}

/* Asks for the next lines. */
CK_INLINE void ck_ask(ck_ahead *ahead)
{
    for (int64_t i = 0; i < ahead->lines && ahead->rows > 0; i++) {
        __builtin_prefetch(ahead->row + ahead->at, 0, 2);
        ahead->at += 64;
        if (ahead->at >= ahead->row_bytes) {
            ahead->at = 0;
            ahead->row += ahead->stride;
            ahead->rows--;
        }
    }
}

#endif
