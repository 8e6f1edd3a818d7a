#if !defined(_GNU_SOURCE)
#define _GNU_SOURCE 1
#endif
#include "cpu.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#if defined(__linux__)
#include <sched.h>
#endif

#if defined(__x86_64__)
#include <cpuid.h>

enum cpuid_register { EAX, EBX, ECX, EDX };

/* Registers that the system must save for the instructions to be usable: XCR0 bits, Intel SDM volume 1, chapter 13. */
enum state { STATE_ALWAYS = 0, STATE_AVX = 0x6, STATE_AVX512 = 0xE6, STATE_TILES = 0x60000 };

/* Bits as in the Intel SDM, volume 2, CPUID; leaf 0x80000001 as in the AMD APM, volume 3. */
static const struct feature {
    const char *name;
    uint32_t leaf, subleaf;
    uint8_t in, bit;
    uint32_t state;
} features_x86[] = {
    {"sse", 1, 0, EDX, 25, STATE_ALWAYS},
    {"sse2", 1, 0, EDX, 26, STATE_ALWAYS},
    {"pni", 1, 0, ECX, 0, STATE_ALWAYS},
    {"ssse3", 1, 0, ECX, 9, STATE_ALWAYS},
    {"cx16", 1, 0, ECX, 13, STATE_ALWAYS},
    {"sse4_1", 1, 0, ECX, 19, STATE_ALWAYS},
    {"sse4_2", 1, 0, ECX, 20, STATE_ALWAYS},
    {"movbe", 1, 0, ECX, 22, STATE_ALWAYS},
    {"popcnt", 1, 0, ECX, 23, STATE_ALWAYS},
    {"xsave", 1, 0, ECX, 26, STATE_ALWAYS},
    {"fma", 1, 0, ECX, 12, STATE_AVX},
    {"avx", 1, 0, ECX, 28, STATE_AVX},
    {"f16c", 1, 0, ECX, 29, STATE_AVX},
    {"bmi1", 7, 0, EBX, 3, STATE_ALWAYS},
    {"avx2", 7, 0, EBX, 5, STATE_AVX},
    {"bmi2", 7, 0, EBX, 8, STATE_ALWAYS},
    {"avx512f", 7, 0, EBX, 16, STATE_AVX512},
    {"avx512dq", 7, 0, EBX, 17, STATE_AVX512},
    {"avx512ifma", 7, 0, EBX, 21, STATE_AVX512},
    {"avx512cd", 7, 0, EBX, 28, STATE_AVX512},
    {"avx512bw", 7, 0, EBX, 30, STATE_AVX512},
    {"avx512vl", 7, 0, EBX, 31, STATE_AVX512},
    {"avx512vbmi", 7, 0, ECX, 1, STATE_AVX512},
    {"avx512_vbmi2", 7, 0, ECX, 6, STATE_AVX512},
    {"gfni", 7, 0, ECX, 8, STATE_ALWAYS},
    {"vaes", 7, 0, ECX, 9, STATE_AVX},
    {"vpclmulqdq", 7, 0, ECX, 10, STATE_AVX},
    {"avx512_vnni", 7, 0, ECX, 11, STATE_AVX512},
    {"avx512_bitalg", 7, 0, ECX, 12, STATE_AVX512},
    {"avx512_vpopcntdq", 7, 0, ECX, 14, STATE_AVX512},
    {"avx512_fp16", 7, 0, EDX, 23, STATE_AVX512},
    {"amx_bf16", 7, 0, EDX, 22, STATE_TILES},
    {"amx_tile", 7, 0, EDX, 24, STATE_TILES},
    {"amx_int8", 7, 0, EDX, 25, STATE_TILES},
    {"avx_vnni", 7, 1, EAX, 4, STATE_AVX},
    {"avx512_bf16", 7, 1, EAX, 5, STATE_AVX512},
    {"avx_ifma", 7, 1, EAX, 23, STATE_AVX},
    {"avx_vnni_int8", 7, 1, EDX, 4, STATE_AVX},
    {"lahf_lm", 0x80000001u, 0, ECX, 0, STATE_ALWAYS},
    {"abm", 0x80000001u, 0, ECX, 5, STATE_ALWAYS},
};

/* The register sets that the system saves; 0 where it uses no XSAVE at all. */
static uint64_t saved_states(void) {
    uint32_t a, b, c, d;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & (1u << 27))) return 0;
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t)high << 32 | low;
}

int ck_cpu_has(const char *feature) {
    for (size_t i = 0; i < sizeof features_x86 / sizeof features_x86[0]; i++) {
        const struct feature *f = &features_x86[i];
        if (strcmp(f->name, feature) != 0) continue;
        uint32_t out[4] = {0, 0, 0, 0};
        /* Leaf 7 says in EAX how many subleaves it has; asking for more returns whatever the last leaf says. */
        if (f->subleaf > 0) {
            uint32_t b, c, d;
            uint32_t subleaves = 0;
            if (!__get_cpuid_count(f->leaf, 0, &subleaves, &b, &c, &d) || subleaves < f->subleaf) return 0;
        }
        if (!__get_cpuid_count(f->leaf, f->subleaf, &out[EAX], &out[EBX], &out[ECX], &out[EDX])) return 0;
        return (out[f->in] >> f->bit & 1u) && (saved_states() & f->state) == f->state;
    }
    return 0;
}

#elif defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>

/* Bit numbers of AT_HWCAP (word 0) and AT_HWCAP2 (word 1), Linux arch/arm64/include/uapi/asm/hwcap.h. */
static const struct feature {
    const char *name;
    uint8_t word, bit;
} features_arm[] = {
    {"fp", 0, 0},      {"asimd", 0, 1},     {"aes", 0, 3},   {"pmull", 0, 4}, {"crc32", 0, 7},  {"atomics", 0, 8},
    {"fphp", 0, 9},    {"asimdhp", 0, 10},  {"asimdrdm", 0, 12}, {"asimddp", 0, 20}, {"sve", 0, 22},
    {"asimdfhm", 0, 23}, {"sve2", 1, 1},    {"svei8mm", 1, 9}, {"svebf16", 1, 12}, {"i8mm", 1, 13}, {"bf16", 1, 14},
};

int ck_cpu_has(const char *feature) {
    unsigned long words[2] = {getauxval(AT_HWCAP), getauxval(26 /* AT_HWCAP2 */)};
    for (size_t i = 0; i < sizeof features_arm / sizeof features_arm[0]; i++) {
        if (strcmp(features_arm[i].name, feature) == 0) {
            return (int)(words[features_arm[i].word] >> features_arm[i].bit & 1u);
        }
    }
    return 0;
}

#elif defined(__aarch64__) && defined(__APPLE__)
#include <sys/sysctl.h>

static const struct feature {
    const char *name;
    const char *key; /* NULL: every CPU of this system has it */
} features_arm[] = {
    {"fp", NULL},
    {"asimd", NULL},
    {"crc32", "hw.optional.armv8_crc32"},
    {"atomics", "hw.optional.arm.FEAT_LSE"},
    {"fphp", "hw.optional.arm.FEAT_FP16"},
    {"asimdhp", "hw.optional.arm.FEAT_FP16"},
    {"asimdrdm", "hw.optional.arm.FEAT_RDM"},
    {"asimddp", "hw.optional.arm.FEAT_DotProd"},
    {"asimdfhm", "hw.optional.arm.FEAT_FHM"},
    {"i8mm", "hw.optional.arm.FEAT_I8MM"},
    {"bf16", "hw.optional.arm.FEAT_BF16"},
};

int ck_cpu_has(const char *feature) {
    for (size_t i = 0; i < sizeof features_arm / sizeof features_arm[0]; i++) {
        if (strcmp(features_arm[i].name, feature) != 0) continue;
        if (!features_arm[i].key) return 1;
        int value = 0;
        size_t bytes = sizeof value;
        return sysctlbyname(features_arm[i].key, &value, &bytes, NULL, 0) == 0 && value != 0;
    }
    return 0;
}

#else

int ck_cpu_has(const char *feature) {
    (void)feature;
    return 0;
}

#endif

int ck_cpu_missing(const char *const *features, char *text, size_t capacity) {
    int missing = 0;
    size_t used = 0;
    if (capacity > 0) text[0] = '\0';
    for (; features && *features; features++) {
        if (ck_cpu_has(*features)) continue;
        if (used < capacity) {
            int bytes = snprintf(text + used, capacity - used, "%s%s", missing ? ", " : "", *features);
            used += bytes > 0 ? (size_t)bytes : 0;
        }
        missing++;
    }
    return missing;
}

int ck_cpu_cores(void) {
#if defined(__linux__)
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0) return CPU_COUNT(&set);
#endif
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    return cores > 0 ? (int)cores : 1;
}
