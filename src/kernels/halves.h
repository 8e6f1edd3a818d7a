/* halves.h: floating-point numbers of 16 bits, bfloat16 and binary16: their loads and stores, and the ways to f32 and back. */
#ifndef CK_HALVES_H
#define CK_HALVES_H

#include "simd.h"

typedef uint16_t ck_vh __attribute__((vector_size(2 * CK_LANES)));

/* `_n`: the first n <= CK_LANES values; a load gives zeros in the other lanes, and neither touches memory beyond. */

CK_INLINE ck_vh ck_load_h(const uint16_t *p)
{
    ck_vh v;
    memcpy(&v, p, sizeof v);
    return v;
}

CK_INLINE ck_vh ck_load_h_n(const uint16_t *p, int64_t n)
{
#if defined CK_AVX512
    return (ck_vh)_mm256_maskz_loadu_epi16((__mmask16)((1u << n) - 1), p);
#else
    uint16_t part[CK_LANES] = {0};
    for (int64_t i = 0; i < n; i++) {
        part[i] = p[i];
    }
    return ck_load_h(part);
#endif
}

/* Bits to whole lanes, and the low bits back. GCC takes several instructions for a __builtin_convertvector of these. */

CK_INLINE ck_vu ck_lanes_of(ck_vh h)
{
#if defined CK_AVX512
    return (ck_vu)_mm512_cvtepu16_epi32((__m256i)h);
#elif defined CK_AVX2
    return (ck_vu)_mm256_cvtepu16_epi32((__m128i)h);
#elif defined CK_NEON
    return (ck_vu)vmovl_u16((uint16x4_t)h);
#else
    return __builtin_convertvector(h, ck_vu);
#endif
}

CK_INLINE ck_vh ck_low_halves(ck_vu v)
{
#if defined CK_AVX512
    return (ck_vh)_mm512_cvtepi32_epi16((__m512i)v);
#else
    return __builtin_convertvector(v, ck_vh);
#endif
}

/* bfloat16 bits to f32. Exact. */
CK_INLINE ck_vf ck_from_bf16(ck_vh h)
{
    return (ck_vf)(ck_lanes_of(h) << 16);
}

/* f32 to the nearest bfloat16, ties to even; NaN stays NaN. */
CK_INLINE ck_vh ck_to_bf16(ck_vf v)
{
    const ck_vu bits = (ck_vu)v;
    const ck_vu nearest = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
    const ck_vi is_nan = (ck_bits(v) & 0x7fffffff) > 0x7f800000;
    return ck_low_halves((ck_vu)ck_select_i(is_nan, (ck_vi)(bits >> 16 | 0x40), (ck_vi)nearest));
}

/* binary16 bits to f32, exact; and f32 to the nearest binary16, ties to even. */

#if defined CK_AVX512

CK_INLINE ck_vf ck_from_f16(ck_vh h)
{
    return _mm512_cvtph_ps((__m256i)h);
}

CK_INLINE ck_vh ck_to_f16(ck_vf v)
{
    return (ck_vh)_mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

#elif defined CK_AVX2

CK_INLINE ck_vf ck_from_f16(ck_vh h)
{
    return _mm256_cvtph_ps((__m128i)h);
}

CK_INLINE ck_vh ck_to_f16(ck_vf v)
{
    return (ck_vh)_mm256_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

#elif defined CK_NEON

CK_INLINE ck_vf ck_from_f16(ck_vh h)
{
    return (ck_vf)vcvt_f32_f16((float16x4_t)h);
}

CK_INLINE ck_vh ck_to_f16(ck_vf v)
{
    return (ck_vh)vcvt_f16_f32((float32x4_t)v);
}

#else

CK_INLINE ck_vf ck_from_f16(ck_vh h)
{
    const ck_vi wide = (ck_vi)ck_lanes_of(h);
    const ck_vi magnitude = wide & 0x7fff;
    /* The exponent's bias is 112 less than that of f32; infinity and NaN need the rest to 255. */
    const ck_vi normal = (magnitude << 13) + (112 << 23) + ((magnitude >= 0x7c00) & (112 << 23));
    const ck_vf subnormal = __builtin_convertvector(magnitude, ck_vf) * 0x1p-24f;
    const ck_vi bits = ck_select_i(magnitude < 0x400, ck_bits(subnormal), normal);
    return (ck_vf)((ck_vu)bits | (((ck_vu)wide & 0x8000) << 16));
}

CK_INLINE ck_vh ck_to_f16(ck_vf v)
{
    const ck_vi sign = (ck_vi)(((ck_vu)v >> 16) & 0x8000);
    const ck_vi magnitude = ck_bits(v) & 0x7fffffff;
    const ck_vi normal = (magnitude + 0xfff + ((magnitude >> 13) & 1) - (112 << 23)) >> 13;
    /* The last bit of 0.5 + x is worth 2^-24, as that of a subnormal binary16: the addition rounds. */
    const ck_vi subnormal = ck_bits(ck_from_bits(magnitude) + 0.5f) - 0x3f000000;
    const ck_vi large = 0x7c00 | ((magnitude > 0x7f800000) & 0x200);
    const ck_vi half = ck_select_i(magnitude < 0x38800000, subnormal, normal);
    return ck_low_halves((ck_vu)(ck_select_i(magnitude >= 0x47800000, large, half) | sign));
}

#endif

CK_INLINE void ck_store_h(uint16_t *p, ck_vh half)
{
    memcpy(p, &half, sizeof half);
}

CK_INLINE void ck_store_h_n(uint16_t *p, ck_vh half, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        p[i] = half[i];
    }
}

CK_INLINE void ck_store_f16(uint16_t *p, ck_vf v)
{
    ck_store_h(p, ck_to_f16(v));
}

CK_INLINE void ck_store_f16_n(uint16_t *p, ck_vf v, int64_t n)
{
    ck_store_h_n(p, ck_to_f16(v), n);
}

/* One binary16 value. */
CK_INLINE float ck_half(uint16_t bits)
{
    return ck_from_f16((ck_vh){bits})[0];
}

#endif
