/*
 * formats.h: the formats of packed weights, and how long the panels of layouts.ts are where weights are floats.
 */
#ifndef CK_FORMATS_H
#define CK_FORMATS_H

#include "simd.h"

enum {
    CK_F32,
    CK_F16,
    CK_BF16,
    CK_Q8_0,
    CK_Q4_0,
    CK_Q4_1,
    CK_Q5_0,
    CK_Q5_1,
    CK_Q2_K,
    CK_Q3_K,
    CK_Q4_K,
    CK_Q5_K,
    CK_Q6_K,
    CK_IQ4_NL,
    CK_IQ4_XS,
    CK_MXFP4,
    /* What any block format is expanded to: CK_EXPANDED_AS of blocks.h. */
    CK_EXPANDED
};

CK_INLINE int64_t ck_whole_lines(int64_t bytes)
{
    return (bytes + 63) / 64 * 64;
}

CK_INLINE int64_t ck_float_panel_bytes(const int format, int64_t cols)
{
    return ck_whole_lines(cols * CK_LANES * (format == CK_F32 ? 4 : 2));
}

#endif
