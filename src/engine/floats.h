/* floats.h: how the processor treats denormal numbers. */
#ifndef CK_FLOATS_H
#define CK_FLOATS_H

#include <stdint.h>

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

/* Denormal results and operands count as zero in this thread from now on (x86: FTZ and DAZ; ARM: FZ). Denormals cost a
 * hundred times the cycles of other numbers. Returns what ck_floats_restore wants. */
static inline uint64_t ck_floats_flush(void) {
#if defined(__x86_64__)
    unsigned state = _mm_getcsr();
    _mm_setcsr(state | 0x8040u);
    return state;
#elif defined(__aarch64__)
    uint64_t state;
    __asm__ volatile("mrs %0, fpcr" : "=r"(state));
    __asm__ volatile("msr fpcr, %0" : : "r"(state | (UINT64_C(1) << 24)));
    return state;
#else
    return 0;
#endif
}

static inline void ck_floats_restore(uint64_t state) {
#if defined(__x86_64__)
    /* Keeps the exception flags that were raised meanwhile. */
    _mm_setcsr((_mm_getcsr() & 0x3Fu) | ((unsigned)state & ~0x3Fu));
#elif defined(__aarch64__)
    __asm__ volatile("msr fpcr, %0" : : "r"(state));
#else
    (void)state;
#endif
}

#endif
