/*
 * matrix.h: the dots of CK_MATRIX_TOKENS tokens with two panels of an expanded format at once, where the target has
 * instructions for products of small matrices: AMX-INT8 (Intel SDM vol. 2, TDPBSUD) and Arm's I8MM (SMMLA). Sums of
 * integers, so the same bits as ck_dot4 gives.
 *
 * ck_matrix_begin says whether the machine lets the thread use them, for dots of `columns` columns (32 or 16), until
 * ck_matrix_end. ck_matrix_dots: dot[2 t + p] = the dot of token t with panel p; codes: `columns` / 4 groups of each panel.
 */
#ifndef CK_MATRIX_H
#define CK_MATRIX_H

#include "dot.h"

#if defined CK_AVX512 && (defined __AMX_INT8__ && defined __AMX_TILE__ || defined CK_EMULATED_TILES)

#define CK_MATRIX_TOKENS 16

#if !defined CK_EMULATED_TILES
/* Linux hands out the tile registers on request, once per process: arch_prctl(ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA). */
CK_INLINE int ck_may_use_tiles(void)
{
#if defined __linux__
    long refused = 158;
    __asm__ volatile("syscall" : "+a"(refused) : "D"(0x1023L), "S"(18L) : "rcx", "r11", "memory");
    return !refused;
#else
    return 0;
#endif
}
#endif

/* Tiles 0, 1: sums; 2: activations, a row per token; 3, 4: weights, a row per group of four columns. */
CK_INLINE int ck_matrix_begin(int columns)
{
    if (!ck_may_use_tiles()) {
        return 0;
    }
    struct {
        uint8_t palette, start_row, zero[14];
        uint16_t row_bytes[16];
        uint8_t rows[16];
    } config = {.palette = 1};
    for (int tile = 0; tile < 2; tile++) {
        config.row_bytes[tile] = 64;
        config.rows[tile] = CK_MATRIX_TOKENS;
        config.row_bytes[3 + tile] = 64;
        config.rows[3 + tile] = (uint8_t)(columns / 4);
    }
    config.row_bytes[2] = (uint16_t)columns;
    config.rows[2] = CK_MATRIX_TOKENS;
    __asm__ volatile("" ::"r"(&config) : "memory");
    _tile_loadconfig(&config);
    return 1;
}

CK_INLINE void ck_matrix_end(void)
{
    _tile_release();
}

CK_INLINE void ck_matrix_dots(int columns, const uint8_t *x, int64_t x_bytes, const ck_codes *first,
                              const ck_codes *second, ck_vi *dot)
{
    (void)columns;
    /* What the tiles load must have been stored: not every compiler knows that they load. */
    __asm__ volatile("" ::: "memory");
    _tile_zero(0);
    _tile_zero(1);
    _tile_loadd(2, x, x_bytes);
    _tile_loadd(3, first, 64);
    _tile_loadd(4, second, 64);
    _tile_dpbsud(0, 2, 3);
    _tile_dpbsud(1, 2, 4);
    _tile_stored(0, dot, 128);
    _tile_stored(1, dot + 1, 128);
}

#elif defined CK_NEON && defined __ARM_FEATURE_MATMUL_INT8

#define CK_MATRIX_TOKENS 8

CK_INLINE int ck_matrix_begin(int columns)
{
    (void)columns;
    return 1;
}

CK_INLINE void ck_matrix_end(void)
{
}

/* Two tokens times two rows, eight columns at a time: a sum holds t0 r0, t0 r1, t1 r0, t1 r1. */
CK_INLINE void ck_matrix_dots(int columns, const uint8_t *x, int64_t x_bytes, const ck_codes *first,
                              const ck_codes *second, ck_vi *dot)
{
    enum { PAIRS = CK_MATRIX_TOKENS / 2 };
    int32x4_t sum[PAIRS * 4];
    CK_UNROLL
    for (int i = 0; i < PAIRS * 4; i++) {
        sum[i] = vdupq_n_s32(0);
    }
    for (int group = 0; group < columns / 4; group += 2) {
        int8x16_t rows[4];
        CK_UNROLL
        for (int p = 0; p < 2; p++) {
            const ck_codes *codes = (p ? second : first) + group;
            const int32x4_t low = vreinterpretq_s32_s8(codes[0]), high = vreinterpretq_s32_s8(codes[1]);
            rows[2 * p] = vreinterpretq_s8_s32(vzip1q_s32(low, high));
            rows[2 * p + 1] = vreinterpretq_s8_s32(vzip2q_s32(low, high));
        }
        CK_UNROLL
        for (int pair = 0; pair < PAIRS; pair++) {
            const int8_t *token = (const int8_t *)x + 2 * pair * x_bytes + 4 * group;
            const int8x16_t tokens = vcombine_s8(vld1_s8(token), vld1_s8(token + x_bytes));
            CK_UNROLL
            for (int r = 0; r < 4; r++) {
                sum[pair * 4 + r] = vmmlaq_s32(sum[pair * 4 + r], tokens, rows[r]);
            }
        }
    }
    CK_UNROLL
    for (int pair = 0; pair < PAIRS; pair++) {
        CK_UNROLL
        for (int p = 0; p < 2; p++) {
            const int32x4_t low = sum[pair * 4 + 2 * p], high = sum[pair * 4 + 2 * p + 1];
            dot[4 * pair + p] = (ck_vi)vcombine_s32(vget_low_s32(low), vget_low_s32(high));
            dot[4 * pair + 2 + p] = (ck_vi)vcombine_s32(vget_high_s32(low), vget_high_s32(high));
        }
    }
}

#endif

#endif
