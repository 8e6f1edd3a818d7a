/* codes.h: the steps from 32 floats to 8-bit codes, which activations (a8.h) and caches (cached.h) share. */
#ifndef CK_CODES_H
#define CK_CODES_H

#include "reduce.h"

enum { CK_CODED = 32 };

/* Lane by lane the bits of the largest magnitude of 32 floats: of non-negative floats they are in the order of their values,
 * with infinity and then NaN on top. */
CK_INLINE ck_vi ck_largest_magnitudes(const float *x)
{
    ck_vi most = ck_set_i(0);
    CK_UNROLL
    for (int i = 0; i < CK_CODED; i += CK_LANES) {
        most = ck_max_i(ck_bits(ck_load(x + i)) & 0x7fffffff, most);
    }
    return most;
}

/* The largest of them. */
CK_INLINE int32_t ck_largest_magnitude(const float *x)
{
    return ck_largest_i(ck_largest_magnitudes(x));
}

/* The nearest whole numbers, ties to even, of magnitudes below 2^22: adding 1.5 * 2^23 leaves them in the low bits. */
CK_INLINE ck_vi ck_nearest(ck_vf v)
{
    const ck_vf shift = ck_set(0x1.8p23f);
    return ck_bits(v + shift) - ck_bits(shift);
}

#endif
