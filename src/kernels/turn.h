/* turn.h: lanes of vectors in another order: interleaved, swapped, rows and columns exchanged. */
#ifndef CK_TURN_H
#define CK_TURN_H

#include "simd.h"

/* a[0], b[0], a[1], b[1], ...: the lower and the upper halves of a and b, interleaved. */

#if defined CK_AVX512

CK_INLINE ck_vf ck_zip_low(ck_vf a, ck_vf b)
{
    return _mm512_permutex2var_ps(a, _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23), b);
}

CK_INLINE ck_vf ck_zip_high(ck_vf a, ck_vf b)
{
    return _mm512_permutex2var_ps(a, _mm512_setr_epi32(8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31), b);
}

#elif defined CK_AVX2

CK_INLINE ck_vf ck_zip_low(ck_vf a, ck_vf b)
{
    return _mm256_permute2f128_ps(_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b), 0x20);
}

CK_INLINE ck_vf ck_zip_high(ck_vf a, ck_vf b)
{
    return _mm256_permute2f128_ps(_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b), 0x31);
}

#elif defined CK_NEON

CK_INLINE ck_vf ck_zip_low(ck_vf a, ck_vf b)
{
    return (ck_vf)vzip1q_f32((float32x4_t)a, (float32x4_t)b);
}

CK_INLINE ck_vf ck_zip_high(ck_vf a, ck_vf b)
{
    return (ck_vf)vzip2q_f32((float32x4_t)a, (float32x4_t)b);
}

#else

CK_INLINE ck_vf ck_zip_low(ck_vf a, ck_vf b)
{
    return (ck_vf){a[0], b[0], a[1], b[1]};
}

CK_INLINE ck_vf ck_zip_high(ck_vf a, ck_vf b)
{
    return (ck_vf){a[2], b[2], a[3], b[3]};
}

#endif

/* a[1], a[0], a[3], a[2], ... */
CK_INLINE ck_vf ck_swap_pairs(ck_vf a)
{
#if defined CK_AVX512
    return _mm512_permute_ps(a, 0xb1);
#elif defined CK_AVX2
    return _mm256_permute_ps(a, 0xb1);
#elif defined CK_NEON
    return (ck_vf)vrev64q_f32((float32x4_t)a);
#else
    return (ck_vf){a[1], a[0], a[3], a[2]};
#endif
}

/*
 * out = the square of CK_LANES vectors with rows and columns exchanged. One round takes the highest bit of an element's row
 * number to the lowest of its column number, and the other way round: log2(CK_LANES) rounds exchange all bits.
 */
CK_INLINE void ck_transpose(const ck_vf *rows, ck_vf *out)
{
    ck_vf square[CK_LANES];
    CK_UNROLL
    for (int i = 0; i < CK_LANES; i++) {
        square[i] = rows[i];
    }
    CK_UNROLL
    for (int round = 1; round < CK_LANES; round *= 2) {
        ck_vf zipped[CK_LANES];
        CK_UNROLL
        for (int i = 0; i < CK_LANES / 2; i++) {
            zipped[2 * i] = ck_zip_low(square[i], square[i + CK_LANES / 2]);
            zipped[2 * i + 1] = ck_zip_high(square[i], square[i + CK_LANES / 2]);
        }
        CK_UNROLL
        for (int i = 0; i < CK_LANES; i++) {
            square[i] = zipped[i];
        }
    }
    CK_UNROLL
    for (int i = 0; i < CK_LANES; i++) {
        out[i] = square[i];
    }
}

#endif
