/*
 * dot.h: exact integer dot products of four 8-bit columns per lane: the arithmetic with a body per instruction set.
 *
 * ck_codes: four weight codes per lane, from bytes: ck_small_codes takes 0 .. 127 as they are, ck_wide_codes takes
 * 0 .. 255, of which it leaves CK_WIDE_BIAS added where the bytes have 128 added: a caller takes the bias times the sum of
 * the activation codes off. ck_inputs: the same four activation codes (-127 .. 127) for every lane. No form saturates for
 * any codes.
 *
 * CK_SHORT_DOTS: where there is but a multiply-add of bytes to 16 bits, ck_short_dot4 sums the products of codes below 64
 * in 16 bits for as long as they fit; ck_dot4 then takes the halves of each code apart.
 */
#ifndef CK_DOT_H
#define CK_DOT_H

#include "simd.h"

CK_INLINE ck_vi ck_load_codes(const uint8_t *p)
{
    ck_vi v;
    memcpy(&v, p, sizeof v);
    return v;
}

CK_INLINE int32_t ck_load_i32(const uint8_t *p)
{
    int32_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

#if defined CK_AVX512 && defined __AVX512VNNI__
#define CK_UNSIGNED_DOT(sum, w, x) (ck_vi) _mm512_dpbusd_epi32((__m512i)(sum), (__m512i)(w), (__m512i)(x))
#elif defined CK_AVX2 && defined __AVXVNNI__
#define CK_UNSIGNED_DOT(sum, w, x) (ck_vi) _mm256_dpbusd_avx_epi32((__m256i)(sum), (__m256i)(w), (__m256i)(x))
#elif defined CK_AVX2 && defined __AVX512VNNI__ && defined __AVX512VL__
#define CK_UNSIGNED_DOT(sum, w, x) (ck_vi) _mm256_dpbusd_epi32((__m256i)(sum), (__m256i)(w), (__m256i)(x))
#endif

#if defined CK_UNSIGNED_DOT

#define CK_WIDE_BIAS 128
typedef ck_vi ck_codes;
typedef ck_vi ck_inputs;

CK_INLINE ck_codes ck_wide_codes(ck_vi stored)
{
    return stored;
}

CK_INLINE ck_codes ck_small_codes(ck_vi codes)
{
    return codes;
}

CK_INLINE ck_inputs ck_set_inputs(const uint8_t *codes)
{
    return ck_set_i(ck_load_i32(codes));
}

CK_INLINE ck_vi ck_dot4(ck_vi sum, ck_codes w, ck_inputs x)
{
    return CK_UNSIGNED_DOT(sum, w, x);
}

#elif defined CK_NEON && defined __ARM_FEATURE_DOTPROD

#define CK_WIDE_BIAS 0
typedef int8x16_t ck_codes;
typedef int8x16_t ck_inputs;

CK_INLINE ck_codes ck_wide_codes(ck_vi stored)
{
    return veorq_s8((int8x16_t)stored, vdupq_n_s8(-128));
}

CK_INLINE ck_codes ck_small_codes(ck_vi codes)
{
    return (int8x16_t)codes;
}

CK_INLINE ck_inputs ck_set_inputs(const uint8_t *codes)
{
    return (int8x16_t)ck_set_i(ck_load_i32(codes));
}

CK_INLINE ck_vi ck_dot4(ck_vi sum, ck_codes w, ck_inputs x)
{
    return (ck_vi)vdotq_s32((int32x4_t)sum, w, x);
}

#elif defined CK_NEON

#define CK_WIDE_BIAS 0
typedef int8x16_t ck_codes;
typedef int8x16_t ck_inputs;

CK_INLINE ck_codes ck_wide_codes(ck_vi stored)
{
    return veorq_s8((int8x16_t)stored, vdupq_n_s8(-128));
}

CK_INLINE ck_codes ck_small_codes(ck_vi codes)
{
    return (int8x16_t)codes;
}

CK_INLINE ck_inputs ck_set_inputs(const uint8_t *codes)
{
    return (int8x16_t)ck_set_i(ck_load_i32(codes));
}

/* A product is at most 128 * 127, so one fits 16 bits; pairs are summed in 32. */
CK_INLINE ck_vi ck_dot4(ck_vi sum, ck_codes w, ck_inputs x)
{
    const int32x4_t low = vpaddlq_s16(vmull_s8(vget_low_s8(w), vget_low_s8(x)));
    const int32x4_t high = vpaddlq_s16(vmull_high_s8(w, x));
    return (ck_vi)vaddq_s32((int32x4_t)sum, vpaddq_s32(low, high));
}

#elif defined CK_AVX512 || defined CK_AVX2

#define CK_SHORT_DOTS
#define CK_WIDE_BIAS 128
typedef struct {
    ck_vi low, high; /* bits 0 .. 3 and 4 .. 7 of every code */
} ck_codes;
typedef ck_vi ck_inputs;
/* A sum of two columns each. */
typedef int16_t ck_vs __attribute__((vector_size(4 * CK_LANES)));

CK_INLINE ck_codes ck_wide_codes(ck_vi stored)
{
    return (ck_codes){stored & 0x0f0f0f0f, (ck_vi)((ck_vu)stored >> 4 & 0x0f0f0f0f)};
}

CK_INLINE ck_codes ck_small_codes(ck_vi codes)
{
    return ck_wide_codes(codes);
}

CK_INLINE ck_inputs ck_set_inputs(const uint8_t *codes)
{
    return ck_set_i(ck_load_i32(codes));
}

/* Calls of ck_short_dot4 whose sums fit 16 bits, of codes of `bits` <= 6: each adds at most 2 * 127 times the largest. */
CK_INLINE int ck_short_run(const int bits)
{
    return bits <= 4 ? 8 : bits == 5 ? 4 : 2;
}

CK_INLINE ck_vs ck_short_dot4(ck_vs sum, ck_vi codes, ck_inputs x)
{
    /* Opaque: compilers would add up products of unrolled calls among themselves, and run out of registers. */
#if defined CK_AVX512
    sum += (ck_vs)_mm512_maddubs_epi16((__m512i)codes, (__m512i)x);
    __asm__("" : "+v"(sum));
#else
    sum += (ck_vs)_mm256_maddubs_epi16((__m256i)codes, (__m256i)x);
    __asm__("" : "+x"(sum));
#endif
    return sum;
}

/* sum + factor * part. */
CK_INLINE ck_vi ck_add_short(ck_vi sum, ck_vs part, const int16_t factor)
{
#if defined CK_AVX512
    return sum + (ck_vi)_mm512_madd_epi16((__m512i)part, _mm512_set1_epi16(factor));
#else
    return sum + (ck_vi)_mm256_madd_epi16((__m256i)part, _mm256_set1_epi16(factor));
#endif
}

CK_INLINE ck_vi ck_dot4(ck_vi sum, ck_codes w, ck_inputs x)
{
    const ck_vs none = {0};
    return ck_add_short(ck_add_short(sum, ck_short_dot4(none, w.low, x), 1), ck_short_dot4(none, w.high, x), 16);
}

#else

/* Columns 0, 2 and 1, 3 of each four apart, as 16-bit values: the weights 0 .. 255, the activations signed. */
#define CK_WIDE_BIAS 128
typedef struct {
    ck_vi even, odd;
} ck_codes;
typedef ck_codes ck_inputs;

typedef int16_t ck_vs __attribute__((vector_size(4 * CK_LANES)));
typedef uint16_t ck_vus __attribute__((vector_size(4 * CK_LANES)));

CK_INLINE ck_codes ck_wide_codes(ck_vi stored)
{
    return (ck_codes){(ck_vi)((ck_vus)stored & 255), (ck_vi)((ck_vus)stored >> 8)};
}

CK_INLINE ck_codes ck_small_codes(ck_vi codes)
{
    return ck_wide_codes(codes);
}

CK_INLINE ck_inputs ck_set_inputs(const uint8_t *codes)
{
    const ck_vus four = (ck_vus)ck_set_i(ck_load_i32(codes));
    return (ck_inputs){(ck_vi)((ck_vs)(four << 8) >> 8), (ck_vi)((ck_vs)four >> 8)};
}

/* Per lane the sum of two 16-bit products; one is at most 255 * 127 and fits 16 bits. */
CK_INLINE ck_vi ck_pairs(ck_vi a, ck_vi b)
{
    const ck_vs product = (ck_vs)a * (ck_vs)b;
    return ((ck_vi)((ck_vu)product << 16) >> 16) + ((ck_vi)product >> 16);
}

CK_INLINE ck_vi ck_dot4(ck_vi sum, ck_codes w, ck_inputs x)
{
    return sum + ck_pairs(w.even, x.even) + ck_pairs(w.odd, x.odd);
}

#endif

#endif
