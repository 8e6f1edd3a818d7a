/*
 * emulatedVectors.h: what the kernels name of AVX-512, as the Intel SDM (vol. 2) describes it, for CPUs with AVX2: by
 * the instruction of 256 bits on both halves, or in plain C. Included before everything else; to the kernels the CPU has it.
 */
#ifndef CK_EMULATED_VECTORS
#define CK_EMULATED_VECTORS

#include <immintrin.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

/* What is in memory anyway need not be kept in a register. */
#define __asm__(...)

#define __AVX512F__ 1
#define __AVX512BW__ 1
#define __AVX512VL__ 1
#define __AVX512DQ__ 1

#define CK_EMULATED static inline __attribute__((always_inline))

typedef union {
    __m512 floats;
    __m512i integers;
    __m256 f[2];
    __m256i i[2];
    float number[16];
    int32_t word[16];
    int16_t half[32];
} ck_wide;

CK_EMULATED ck_wide ck_wide_of(__m512 v)
{
    return (ck_wide){.floats = v};
}

CK_EMULATED ck_wide ck_wide_of_i(__m512i v)
{
    return (ck_wide){.integers = v};
}

#define CK_FLOATS(first, second) (((ck_wide){.f = {first, second}}).floats)
#define CK_INTEGERS(first, second) (((ck_wide){.i = {first, second}}).integers)

CK_EMULATED __m512 ck_set1_ps(float x)
{
    return CK_FLOATS(_mm256_set1_ps(x), _mm256_set1_ps(x));
}

CK_EMULATED __m512i ck_set1_epi32(int32_t x)
{
    return CK_INTEGERS(_mm256_set1_epi32(x), _mm256_set1_epi32(x));
}

CK_EMULATED __m512i ck_set1_epi16(int16_t x)
{
    return CK_INTEGERS(_mm256_set1_epi16(x), _mm256_set1_epi16(x));
}

CK_EMULATED __m512i ck_broadcast_i32x4(__m128i v)
{
    return CK_INTEGERS(_mm256_broadcastsi128_si256(v), _mm256_broadcastsi128_si256(v));
}

/* Of both halves alike. */

CK_EMULATED __m512 ck_fmadd_ps(__m512 a, __m512 b, __m512 c)
{
    const ck_wide x = ck_wide_of(a), y = ck_wide_of(b), z = ck_wide_of(c);
    return CK_FLOATS(_mm256_fmadd_ps(x.f[0], y.f[0], z.f[0]), _mm256_fmadd_ps(x.f[1], y.f[1], z.f[1]));
}

CK_EMULATED __m512 ck_max_ps(__m512 a, __m512 b)
{
    const ck_wide x = ck_wide_of(a), y = ck_wide_of(b);
    return CK_FLOATS(_mm256_max_ps(x.f[0], y.f[0]), _mm256_max_ps(x.f[1], y.f[1]));
}

CK_EMULATED __m512 ck_sqrt_ps(__m512 a)
{
    const ck_wide x = ck_wide_of(a);
    return CK_FLOATS(_mm256_sqrt_ps(x.f[0]), _mm256_sqrt_ps(x.f[1]));
}

CK_EMULATED __m512i ck_max_epi32(__m512i a, __m512i b)
{
    const ck_wide x = ck_wide_of_i(a), y = ck_wide_of_i(b);
    return CK_INTEGERS(_mm256_max_epi32(x.i[0], y.i[0]), _mm256_max_epi32(x.i[1], y.i[1]));
}

CK_EMULATED __m512i ck_madd_epi16(__m512i a, __m512i b)
{
    const ck_wide x = ck_wide_of_i(a), y = ck_wide_of_i(b);
    return CK_INTEGERS(_mm256_madd_epi16(x.i[0], y.i[0]), _mm256_madd_epi16(x.i[1], y.i[1]));
}

CK_EMULATED __m512i ck_maddubs_epi16(__m512i a, __m512i b)
{
    const ck_wide x = ck_wide_of_i(a), y = ck_wide_of_i(b);
    return CK_INTEGERS(_mm256_maddubs_epi16(x.i[0], y.i[0]), _mm256_maddubs_epi16(x.i[1], y.i[1]));
}

CK_EMULATED __m512i ck_shuffle_epi8(__m512i a, __m512i b)
{
    const ck_wide x = ck_wide_of_i(a), y = ck_wide_of_i(b);
    return CK_INTEGERS(_mm256_shuffle_epi8(x.i[0], y.i[0]), _mm256_shuffle_epi8(x.i[1], y.i[1]));
}

#define ck_permute_ps(v, order)                                                                                        \
    CK_FLOATS(_mm256_permute_ps(ck_wide_of(v).f[0], order), _mm256_permute_ps(ck_wide_of(v).f[1], order))

/* From and to narrower numbers. */

CK_EMULATED __m512 ck_cvtepi32_ps(__m512i a)
{
    const ck_wide x = ck_wide_of_i(a);
    return CK_FLOATS(_mm256_cvtepi32_ps(x.i[0]), _mm256_cvtepi32_ps(x.i[1]));
}

CK_EMULATED __m512i ck_cvtepi8_epi32(__m128i v)
{
    return CK_INTEGERS(_mm256_cvtepi8_epi32(v), _mm256_cvtepi8_epi32(_mm_srli_si128(v, 8)));
}

CK_EMULATED __m512i ck_cvtepu8_epi32(__m128i v)
{
    return CK_INTEGERS(_mm256_cvtepu8_epi32(v), _mm256_cvtepu8_epi32(_mm_srli_si128(v, 8)));
}

CK_EMULATED __m512i ck_cvtepu16_epi32(__m256i v)
{
    return CK_INTEGERS(_mm256_cvtepu16_epi32(_mm256_castsi256_si128(v)),
                       _mm256_cvtepu16_epi32(_mm256_extracti128_si256(v, 1)));
}

typedef int32_t ck_words __attribute__((vector_size(64)));
typedef int16_t ck_lower_halves __attribute__((vector_size(32)));
typedef int8_t ck_lowest_bytes __attribute__((vector_size(16)));

CK_EMULATED __m256i ck_cvtepi32_epi16(__m512i v)
{
    return (__m256i)__builtin_convertvector((ck_words)v, ck_lower_halves);
}

CK_EMULATED __m128i ck_cvtepi32_epi8(__m512i v)
{
    return (__m128i)__builtin_convertvector((ck_words)v, ck_lowest_bytes);
}

CK_EMULATED __m512 ck_cvtph_ps(__m256i v)
{
    return CK_FLOATS(_mm256_cvtph_ps(_mm256_castsi256_si128(v)), _mm256_cvtph_ps(_mm256_extracti128_si256(v, 1)));
}

#define ck_cvtps_ph(v, rounding)                                                                                       \
    _mm256_set_m128i(_mm256_cvtps_ph(ck_wide_of(v).f[1], (rounding)&7),                                                \
                     _mm256_cvtps_ph(ck_wide_of(v).f[0], (rounding)&7))

/* Halves of a vector, lanes of two, and sums over one. */

CK_EMULATED __m256 ck_castps512_ps256(__m512 v)
{
    return ck_wide_of(v).f[0];
}

CK_EMULATED __m256 ck_extractf32x8_ps(__m512 v, const int half)
{
    return ck_wide_of(v).f[half];
}

#define ck_setr_epi32(...) (((ck_wide){.word = {__VA_ARGS__}}).integers)

CK_EMULATED __m512 ck_permutex2var_ps(__m512 a, __m512i order, __m512 b)
{
    const ck_wide from[2] = {ck_wide_of(a), ck_wide_of(b)}, at = ck_wide_of_i(order);
    ck_wide out;
    for (int lane = 0; lane < 16; lane++) {
        out.number[lane] = from[at.word[lane] >> 4 & 1].number[at.word[lane] & 15];
    }
    return out.floats;
}

CK_EMULATED int32_t ck_reduce_add_epi32(__m512i v)
{
    const ck_wide x = ck_wide_of_i(v);
    int32_t sum = 0;
    for (int lane = 0; lane < 16; lane++) {
        sum += x.word[lane];
    }
    return sum;
}

CK_EMULATED int32_t ck_reduce_max_epi32(__m512i v)
{
    const ck_wide x = ck_wide_of_i(v);
    int32_t most = x.word[0];
    for (int lane = 1; lane < 16; lane++) {
        most = x.word[lane] > most ? x.word[lane] : most;
    }
    return most;
}

CK_EMULATED __m512 ck_scalef_ps(__m512 v, __m512 exponents)
{
    ck_wide x = ck_wide_of(v);
    const ck_wide n = ck_wide_of(exponents);
    for (int lane = 0; lane < 16; lane++) {
        /* A number beyond these ends at infinity or zero all the same. */
        const float exponent = fminf(fmaxf(floorf(n.number[lane]), -400), 400);
        x.number[lane] = isnan(n.number[lane]) ? n.number[lane] : ldexpf(x.number[lane], (int)exponent);
    }
    return x.floats;
}

/* Lanes whose bit is not set are neither read nor written. */

CK_EMULATED __m512 ck_maskz_loadu_ps(__mmask16 mask, const float *p)
{
    ck_wide out;
    for (int lane = 0; lane < 16; lane++) {
        out.number[lane] = mask >> lane & 1 ? p[lane] : 0;
    }
    return out.floats;
}

CK_EMULATED void ck_mask_storeu_ps(float *p, __mmask16 mask, __m512 v)
{
    const ck_wide x = ck_wide_of(v);
    for (int lane = 0; lane < 16; lane++) {
        if (mask >> lane & 1) {
            p[lane] = x.number[lane];
        }
    }
}

CK_EMULATED __m256i ck_maskz_loadu_epi16(__mmask16 mask, const void *p)
{
    ck_wide out;
    for (int lane = 0; lane < 16; lane++) {
        out.half[lane] = 0;
        if (mask >> lane & 1) {
            memcpy(&out.half[lane], (const int16_t *)p + lane, sizeof out.half[lane]);
        }
    }
    return out.i[0];
}

#undef _mm512_cvtps_ph
#undef _mm512_extractf32x8_ps
#undef _mm512_permute_ps
#undef _mm512_setr_epi32
#define _mm256_maskz_loadu_epi16 ck_maskz_loadu_epi16
#define _mm512_broadcast_i32x4 ck_broadcast_i32x4
#define _mm512_castps512_ps256 ck_castps512_ps256
#define _mm512_cvtepi32_epi16 ck_cvtepi32_epi16
#define _mm512_cvtepi32_epi8 ck_cvtepi32_epi8
#define _mm512_cvtepi32_ps ck_cvtepi32_ps
#define _mm512_cvtepi8_epi32 ck_cvtepi8_epi32
#define _mm512_cvtepu16_epi32 ck_cvtepu16_epi32
#define _mm512_cvtepu8_epi32 ck_cvtepu8_epi32
#define _mm512_cvtph_ps ck_cvtph_ps
#define _mm512_cvtps_ph ck_cvtps_ph
#define _mm512_extractf32x8_ps ck_extractf32x8_ps
#define _mm512_fmadd_ps ck_fmadd_ps
#define _mm512_madd_epi16 ck_madd_epi16
#define _mm512_maddubs_epi16 ck_maddubs_epi16
#define _mm512_mask_storeu_ps ck_mask_storeu_ps
#define _mm512_maskz_loadu_ps ck_maskz_loadu_ps
#define _mm512_max_epi32 ck_max_epi32
#define _mm512_max_ps ck_max_ps
#define _mm512_permute_ps ck_permute_ps
#define _mm512_permutex2var_ps ck_permutex2var_ps
#define _mm512_reduce_add_epi32 ck_reduce_add_epi32
#define _mm512_reduce_max_epi32 ck_reduce_max_epi32
#define _mm512_scalef_ps ck_scalef_ps
#define _mm512_set1_epi16 ck_set1_epi16
#define _mm512_set1_epi32 ck_set1_epi32
#define _mm512_set1_ps ck_set1_ps
#define _mm512_setr_epi32 ck_setr_epi32
#define _mm512_shuffle_epi8 ck_shuffle_epi8
#define _mm512_sqrt_ps ck_sqrt_ps

#endif
