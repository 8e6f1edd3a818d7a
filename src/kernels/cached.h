/*
 * cached.h: the formats of key and value caches, and how their elements are read.
 *
 * A cache row (sequence, head) is [context / lanes] panels of CK_LANES positions. f32 and f16: keys [width][lanes], values
 * [lanes][width]. q8_0: first the scales of blocks of 32 columns, binary16 [width / 32][lanes], then the codes, int8, keys
 * [width][lanes] and values [lanes][width]; value = scale * code.
 */
#ifndef CK_CACHED_H
#define CK_CACHED_H

#include "formats.h"
#include "halves.h"

/* Columns that share a scale. */
enum { CK_CACHED_BLOCK = 32 };

/* Bytes of whole panels of `elements` values. */
CK_INLINE int64_t ck_cached_bytes(const int format, int64_t elements)
{
    switch (format) {
    case CK_F32:
        return 4 * elements;
    case CK_F16:
        return 2 * elements;
    default:
        return elements + elements / CK_CACHED_BLOCK * 2;
    }
}

/* Bytes of one value without its scale. */
CK_INLINE int64_t ck_cached_code_bytes(const int format)
{
    return format == CK_F32 ? 4 : format == CK_F16 ? 2 : 1;
}

/* Bytes of the scales in front of a panel's codes. */
CK_INLINE int64_t ck_cached_scale_bytes(const int format, int64_t width)
{
    return format == CK_Q8_0 ? width / CK_CACHED_BLOCK * CK_LANES * 2 : 0;
}

/* The binary16 scales of a block for the positions of a panel. */
CK_INLINE ck_vf ck_load_cached_scales(const uint8_t *panel, int64_t block)
{
    return ck_from_f16(ck_load_h((const uint16_t *)(const void *)panel + block * CK_LANES));
}

/* Signed bytes to f32. */
CK_INLINE ck_vf ck_load_int8(const uint8_t *p)
{
#if defined CK_AVX512
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)(const void *)p)));
#elif defined CK_AVX2
    return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)p)));
#else
    return __builtin_convertvector((ck_vi)((ck_vu)ck_load_bytes(p) << 24) >> 24, ck_vf);
#endif
}

/* CK_LANES values, or codes without their scale, from `index` on. */
CK_INLINE ck_vf ck_load_cached(const int format, const uint8_t *codes, int64_t index)
{
    switch (format) {
    case CK_F32:
        return ck_load((const float *)(const void *)codes + index);
    case CK_F16:
        return ck_from_f16(ck_load_h((const uint16_t *)(const void *)codes + index));
    default:
        return ck_load_int8(codes + index);
    }
}

/* The first n of them, and zeros; of the formats without scales. */
CK_INLINE ck_vf ck_load_cached_n(const int format, const uint8_t *codes, int64_t index, int64_t n)
{
    return format == CK_F32 ? ck_load_n((const float *)(const void *)codes + index, n)
                                   : ck_from_f16(ck_load_h_n((const uint16_t *)(const void *)codes + index, n));
}

#endif
