/*
 * simd.h: f32 vectors of the target's widest registers, one set of names for all instruction sets.
 *
 * The target is taken from the compiler's predefined macros; -DCK_ISA_SCALAR asks for plain C. CK_LANES is the number
 * of f32 values per vector, which is also the number of rows per weight panel; -DCK_PANEL_LANES=n makes a mismatch with
 * already packed weights a compile error.
 *
 * Compile with -ffp-contract=off: a fused multiply-add happens only where ck_fma is written, so that the bits do not
 * depend on the optimiser. On a target without one, ck_fma rounds twice.
 */
#ifndef CK_SIMD_H
#define CK_SIMD_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined CK_ISA_SCALAR
#define CK_LANES 4
#elif defined __AVX512F__ && defined __AVX512BW__ && defined __AVX512VL__ && defined __AVX512DQ__
#include <immintrin.h>
#define CK_AVX512
#define CK_LANES 16
#elif defined __AVX2__ && defined __FMA__ && defined __F16C__
#include <immintrin.h>
#define CK_AVX2
#define CK_LANES 8
#elif defined __aarch64__ && defined __ARM_NEON
#include <arm_neon.h>
#define CK_NEON
#define CK_LANES 4
#else
#define CK_ISA_SCALAR
#define CK_LANES 4
#endif

#ifdef CK_PANEL_LANES
_Static_assert(CK_LANES == CK_PANEL_LANES, "weights are packed for another vector width");
#endif

#define CK_INLINE static inline __attribute__((always_inline))

/*
 * CK_UNROLL: before a loop with a small constant count whose body indexes arrays that must live in registers.
 * CK_UNROLL_SOME: before a loop of any count that runs long: four rounds at a time. Where threads share a core, its front end
 * is what a product waits for, and of the instructions of a tile of f32 one in six would only count rounds.
 */
#if defined CK_UNROLL
#define CK_UNROLL_SOME
#elif defined __clang__
#define CK_UNROLL _Pragma("clang loop unroll(full)")
#define CK_UNROLL_SOME _Pragma("clang loop unroll_count(4)")
#else
#define CK_UNROLL _Pragma("GCC unroll 32")
#define CK_UNROLL_SOME _Pragma("GCC unroll 4")
#endif

typedef float ck_vf __attribute__((vector_size(4 * CK_LANES)));
typedef int32_t ck_vi __attribute__((vector_size(4 * CK_LANES)));
typedef uint32_t ck_vu __attribute__((vector_size(4 * CK_LANES)));

/* Bits. */

CK_INLINE ck_vi ck_bits(ck_vf v)
{
    return (ck_vi)v;
}

CK_INLINE ck_vf ck_from_bits(ck_vi v)
{
    return (ck_vf)v;
}

/* Broadcasts; the fused multiply-add a * b + c; the larger value (of unequal, ordered values). */

#if defined CK_AVX512

CK_INLINE ck_vf ck_set(float x)
{
    return _mm512_set1_ps(x);
}

CK_INLINE ck_vi ck_set_i(int32_t x)
{
    return (ck_vi)_mm512_set1_epi32(x);
}

CK_INLINE ck_vf ck_fma(ck_vf a, ck_vf b, ck_vf c)
{
    return _mm512_fmadd_ps(a, b, c);
}

CK_INLINE ck_vf ck_max(ck_vf a, ck_vf b)
{
    return _mm512_max_ps(a, b);
}

#elif defined CK_AVX2

CK_INLINE ck_vf ck_set(float x)
{
    return _mm256_set1_ps(x);
}

CK_INLINE ck_vi ck_set_i(int32_t x)
{
    return (ck_vi)_mm256_set1_epi32(x);
}

CK_INLINE ck_vf ck_fma(ck_vf a, ck_vf b, ck_vf c)
{
    return _mm256_fmadd_ps(a, b, c);
}

CK_INLINE ck_vf ck_max(ck_vf a, ck_vf b)
{
    return _mm256_max_ps(a, b);
}

#else

CK_INLINE ck_vf ck_set(float x)
{
    return (ck_vf){x, x, x, x};
}

CK_INLINE ck_vi ck_set_i(int32_t x)
{
    return (ck_vi){x, x, x, x};
}

CK_INLINE ck_vf ck_fma(ck_vf a, ck_vf b, ck_vf c)
{
#if defined CK_NEON
    return (ck_vf)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b);
#else
    return a * b + c;
#endif
}

CK_INLINE ck_vf ck_max(ck_vf a, ck_vf b)
{
    const ck_vi first = a > b;
    return ck_from_bits((ck_bits(a) & first) | (ck_bits(b) & ~first));
}

#endif

/* The square root, rounded once. */
CK_INLINE ck_vf ck_sqrt(ck_vf v)
{
#if defined CK_AVX512
    return _mm512_sqrt_ps(v);
#elif defined CK_AVX2
    return _mm256_sqrt_ps(v);
#elif defined CK_NEON
    return (ck_vf)vsqrtq_f32((float32x4_t)v);
#else
    return (ck_vf){sqrtf(v[0]), sqrtf(v[1]), sqrtf(v[2]), sqrtf(v[3])};
#endif
}

/* mask is all ones or all zeros per lane: a where ones, else b. */
CK_INLINE ck_vf ck_select(ck_vi mask, ck_vf a, ck_vf b)
{
    return ck_from_bits((ck_bits(a) & mask) | (ck_bits(b) & ~mask));
}

CK_INLINE ck_vi ck_select_i(ck_vi mask, ck_vi a, ck_vi b)
{
    return (a & mask) | (b & ~mask);
}

/* -|v| */
CK_INLINE ck_vf ck_minus_abs(ck_vf v)
{
    return ck_from_bits(ck_bits(v) | INT32_MIN);
}

/* Lane numbers 0 .. CK_LANES - 1. */
CK_INLINE ck_vi ck_lane(void)
{
#if CK_LANES == 16
    return (ck_vi){0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
#elif CK_LANES == 8
    return (ck_vi){0, 1, 2, 3, 4, 5, 6, 7};
#else
    return (ck_vi){0, 1, 2, 3};
#endif
}

/* Loads and stores. Pointers need the alignment of their elements only. `_n`: the first n <= CK_LANES elements; a load
 * gives zeros in the other lanes, and neither touches memory beyond. */

CK_INLINE ck_vf ck_load(const float *p)
{
    ck_vf v;
    memcpy(&v, p, sizeof v);
    return v;
}

CK_INLINE void ck_store(float *p, ck_vf v)
{
    memcpy(p, &v, sizeof v);
}

#if defined CK_AVX512

CK_INLINE ck_vf ck_load_n(const float *p, int64_t n)
{
    return _mm512_maskz_loadu_ps((__mmask16)((1u << n) - 1), p);
}

CK_INLINE void ck_store_n(float *p, ck_vf v, int64_t n)
{
    _mm512_mask_storeu_ps(p, (__mmask16)((1u << n) - 1), v);
}

#elif defined CK_AVX2

CK_INLINE ck_vf ck_load_n(const float *p, int64_t n)
{
    return _mm256_maskload_ps(p, (__m256i)(ck_lane() < (int32_t)n));
}

CK_INLINE void ck_store_n(float *p, ck_vf v, int64_t n)
{
    _mm256_maskstore_ps(p, (__m256i)(ck_lane() < (int32_t)n), v);
}

#else

CK_INLINE ck_vf ck_load_n(const float *p, int64_t n)
{
    float part[CK_LANES] = {0};
    for (int64_t i = 0; i < n; i++) {
        part[i] = p[i];
    }
    return ck_load(part);
}

CK_INLINE void ck_store_n(float *p, ck_vf v, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        p[i] = v[i];
    }
}

#endif

/* The first n elements, where n is CK_LANES for all vectors but a last one: whole ones need no mask. */

CK_INLINE ck_vf ck_load_some(const float *p, int64_t n)
{
    return n >= CK_LANES ? ck_load(p) : ck_load_n(p, n);
}

CK_INLINE void ck_store_some(float *p, ck_vf v, int64_t n)
{
    if (n >= CK_LANES) {
        ck_store(p, v);
    } else {
        ck_store_n(p, v, n);
    }
}

/* One byte per lane, zero-extended. */
CK_INLINE ck_vi ck_load_bytes(const uint8_t *p)
{
#if defined CK_AVX512
    return (ck_vi)_mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)(const void *)p));
#elif defined CK_AVX2
    return (ck_vi)_mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)p));
#else
    return (ck_vi){p[0], p[1], p[2], p[3]};
#endif
}

/* The low byte of each lane to CK_LANES bytes. */
CK_INLINE void ck_store_bytes(uint8_t *p, ck_vi v)
{
#if defined CK_AVX512
    _mm_storeu_si128((__m128i *)(void *)p, _mm512_cvtepi32_epi8((__m512i)v));
#elif defined CK_AVX2
    const __m256i first = _mm256_set1_epi32(0x0c080400);
    const __m256i each = _mm256_shuffle_epi8((__m256i)v, first);
    const __m128i both = _mm_unpacklo_epi32(_mm256_castsi256_si128(each), _mm256_extracti128_si256(each, 1));
    _mm_storel_epi64((__m128i *)(void *)p, both);
#else
    for (int i = 0; i < CK_LANES; i++) {
        p[i] = (uint8_t)v[i];
    }
#endif
}

/* table[n] for every byte n, which must be 0 .. 15. */
CK_INLINE ck_vi ck_lookup(const uint8_t *table, ck_vi bytes)
{
#if defined CK_AVX512
    const __m128i entries = _mm_loadu_si128((const __m128i *)(const void *)table);
    return (ck_vi)_mm512_shuffle_epi8(_mm512_broadcast_i32x4(entries), (__m512i)bytes);
#elif defined CK_AVX2
    const __m128i entries = _mm_loadu_si128((const __m128i *)(const void *)table);
    return (ck_vi)_mm256_shuffle_epi8(_mm256_broadcastsi128_si256(entries), (__m256i)bytes);
#elif defined CK_NEON
    return (ck_vi)vqtbl1q_u8(vld1q_u8(table), (uint8x16_t)bytes);
#else
    uint8_t each[4 * CK_LANES];
    memcpy(each, &bytes, sizeof each);
    for (int i = 0; i < 4 * CK_LANES; i++) {
        each[i] = table[each[i]];
    }
    memcpy(&bytes, each, sizeof each);
    return bytes;
#endif
}

#endif
