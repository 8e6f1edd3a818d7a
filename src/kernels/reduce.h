/* reduce.h: one number of the lanes of a vector. */
#ifndef CK_REDUCE_H
#define CK_REDUCE_H

#include "simd.h"

/* Whole numbers: the larger one per lane, the largest lane, the sum of the lanes. */

#if defined CK_AVX512

CK_INLINE ck_vi ck_max_i(ck_vi a, ck_vi b)
{
    return (ck_vi)_mm512_max_epi32((__m512i)a, (__m512i)b);
}

CK_INLINE int32_t ck_largest_i(ck_vi v)
{
    return _mm512_reduce_max_epi32((__m512i)v);
}

CK_INLINE int32_t ck_sum_i(ck_vi v)
{
    return _mm512_reduce_add_epi32((__m512i)v);
}

#elif defined CK_NEON

CK_INLINE ck_vi ck_max_i(ck_vi a, ck_vi b)
{
    return (ck_vi)vmaxq_s32((int32x4_t)a, (int32x4_t)b);
}

CK_INLINE int32_t ck_largest_i(ck_vi v)
{
    return vmaxvq_s32((int32x4_t)v);
}

CK_INLINE int32_t ck_sum_i(ck_vi v)
{
    return vaddvq_s32((int32x4_t)v);
}

#else

CK_INLINE ck_vi ck_max_i(ck_vi a, ck_vi b)
{
    return ck_select_i(a > b, a, b);
}

CK_INLINE int32_t ck_largest_i(ck_vi v)
{
    int32_t largest = v[0];
    CK_UNROLL
    for (int i = 1; i < CK_LANES; i++) {
        largest = v[i] > largest ? v[i] : largest;
    }
    return largest;
}

CK_INLINE int32_t ck_sum_i(ck_vi v)
{
    int32_t sum = 0;
    CK_UNROLL
    for (int i = 0; i < CK_LANES; i++) {
        sum += v[i];
    }
    return sum;
}

#endif

/* Reductions, always in the same order: halves are combined until one lane is left. */

#if defined CK_AVX512 || defined CK_AVX2

#if defined CK_AVX512
#define CK_HALVES(v, combine)                                                                                          \
    combine(_mm512_castps512_ps256((__m512)(v)), _mm512_extractf32x8_ps((__m512)(v), 1))
#else
#define CK_HALVES(v, combine) (__m256)(v)
#endif

CK_INLINE float ck_sum(ck_vf v)
{
    const __m256 eight = CK_HALVES(v, _mm256_add_ps);
    const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

CK_INLINE float ck_largest(ck_vf v)
{
    const __m256 eight = CK_HALVES(v, _mm256_max_ps);
    const __m128 four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
}

#else

CK_INLINE float ck_sum(ck_vf v)
{
    return (v[0] + v[2]) + (v[1] + v[3]);
}

CK_INLINE float ck_largest(ck_vf v)
{
    const float even = v[0] > v[2] ? v[0] : v[2], odd = v[1] > v[3] ? v[1] : v[3];
    return even > odd ? even : odd;
}

#endif

#endif
