/* bfloats.h: rows of bfloat16. */
#ifndef CK_BFLOATS_H
#define CK_BFLOATS_H

#include "halves.h"

/* to = from, each value rounded to the nearest bfloat16. */
CK_INLINE void ck_narrow(const float *restrict from, int64_t count, uint16_t *restrict to)
{
    int64_t i = 0;
    for (; i + CK_LANES <= count; i += CK_LANES) {
        ck_store_h(to + i, ck_to_bf16(ck_load(from + i)));
    }
    if (i < count) {
        ck_store_h_n(to + i, ck_to_bf16(ck_load_n(from + i, count - i)), count - i);
    }
}

/* to = from, exactly. */
CK_INLINE void ck_widen(const uint16_t *restrict from, int64_t count, float *restrict to)
{
    int64_t i = 0;
    for (; i + CK_LANES <= count; i += CK_LANES) {
        ck_store(to + i, ck_from_bf16(ck_load_h(from + i)));
    }
    if (i < count) {
        ck_store_n(to + i, ck_from_bf16(ck_load_h_n(from + i, count - i)), count - i);
    }
}

#endif
