/*
 * emulatedPairs.h: AVX512-BF16's product of pairs in plain C, as the Intel SDM (vol. 2, VDPBF16PS) describes it, for
 * machines without it. Included before everything else, in place of the compiler's own.
 */
#ifndef CK_EMULATED_PAIRS
#define CK_EMULATED_PAIRS

#include <immintrin.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

static inline float ck_emulated_flush(float x)
{
    return fpclassify(x) == FP_SUBNORMAL ? copysignf(0.0f, x) : x;
}

static inline float ck_emulated_half(uint32_t bits)
{
    float x;
    bits &= 0xffff0000u;
    memcpy(&x, &bits, sizeof x);
    return ck_emulated_flush(x);
}

/* The product of the upper halves is added first, then that of the lower ones; each sum is rounded once. */
static inline __m512 ck_emulated_dpbf16(__m512 sum, __m512bh a, __m512bh b)
{
    float s[16];
    uint32_t x[16], y[16];
    memcpy(s, &sum, sizeof s);
    memcpy(x, &a, sizeof x);
    memcpy(y, &b, sizeof y);
    for (int i = 0; i < 16; i++) {
        s[i] = ck_emulated_flush(s[i]);
        s[i] = ck_emulated_flush(fmaf(ck_emulated_half(x[i]), ck_emulated_half(y[i]), s[i]));
        s[i] = ck_emulated_flush(fmaf(ck_emulated_half(x[i] << 16), ck_emulated_half(y[i] << 16), s[i]));
    }
    memcpy(&sum, s, sizeof s);
    return sum;
}

#undef _mm512_dpbf16_ps
#define _mm512_dpbf16_ps ck_emulated_dpbf16

#endif
