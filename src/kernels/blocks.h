/*
 * blocks.h: weights in blocks of integer codes, as the panels of layouts.ts hold them: what differs between the formats.
 *
 * Value = scale * (code - bias) + offset. A format is a row of ck_formats, its scale and, where it has them, its offset.
 */
#ifndef CK_BLOCKS_H
#define CK_BLOCKS_H

#include "a8.h"
#include "dot.h"
#include "halves.h"

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
    /* What any block format is expanded to: ck_codes, f32 scales and offsets per 32 or 16 columns. */
    CK_EXPANDED,
    CK_EXPANDED_OFFSETS,
    CK_EXPANDED_HALVES,
    CK_EXPANDED_HALVES_OFFSETS
};

typedef struct {
    int bits;          /* of a code, and words of four bytes per lane and block of 32 columns */
    int columns;       /* of a stored block, which one record of scales belongs to */
    int halves, bytes; /* binary16 numbers and bytes of a record, per lane */
    int scales;        /* per 32 columns */
    int offsets;       /* whether there are any */
    int bias;          /* 128: codes take all values of a byte */
    const uint8_t *table; /* what a code stands for, with the bias; NULL: the code itself */
} ck_format;

/* 128 + the values of blockLayouts.ts. */
static const uint8_t ck_iq4_table[16] = {1, 24, 45, 63, 79, 93, 106, 118, 129, 141, 153, 166, 181, 197, 217, 241};
static const uint8_t ck_mxfp4_table[16] = {128, 129, 130, 131, 132, 134, 136, 140,
                                           128, 127, 126, 125, 124, 122, 120, 116};

static const ck_format ck_formats[] = {
    [CK_Q8_0] = {8, 32, 1, 0, 1, 0, 128, NULL},
    [CK_Q4_0] = {4, 32, 1, 0, 1, 0, 8, NULL},
    [CK_Q4_1] = {4, 32, 2, 0, 1, 1, 0, NULL},
    [CK_Q5_0] = {5, 32, 1, 0, 1, 0, 16, NULL},
    [CK_Q5_1] = {5, 32, 2, 0, 1, 1, 0, NULL},
    [CK_Q2_K] = {2, 256, 2, 16, 2, 1, 0, NULL},
    [CK_Q3_K] = {3, 256, 1, 16, 2, 0, 4, NULL},
    [CK_Q4_K] = {4, 256, 2, 16, 1, 1, 0, NULL},
    [CK_Q5_K] = {5, 256, 2, 16, 1, 1, 0, NULL},
    [CK_Q6_K] = {6, 256, 1, 16, 2, 0, 32, NULL},
    [CK_IQ4_NL] = {4, 32, 1, 0, 1, 0, 128, ck_iq4_table},
    [CK_IQ4_XS] = {4, 256, 1, 8, 1, 0, 128, ck_iq4_table},
    [CK_MXFP4] = {4, 32, 0, 1, 1, 0, 128, ck_mxfp4_table},
    [CK_EXPANDED] = {.scales = 1},
    [CK_EXPANDED_OFFSETS] = {.scales = 1, .offsets = 1},
    [CK_EXPANDED_HALVES] = {.scales = 2},
    [CK_EXPANDED_HALVES_OFFSETS] = {.scales = 2, .offsets = 1},
};

/* A panel of weights, or one panel of several: panel p is p * panel_bytes further on. */
typedef struct {
    const uint8_t *codes, *scales;
    int64_t panel_bytes;
    int64_t next; /* bytes to the panels that will be read after these, 0 where there are none */
} ck_blocks;

/* The bits of plane word `word` that begin at bit `from` of every byte, moved to bit `to`; mask: the bits, at bit 0. */
CK_INLINE ck_vi ck_plane(const uint8_t *words, int word, int from, int to, uint32_t mask)
{
    const ck_vu stored = (ck_vu)ck_load_codes(words + word * 4 * CK_LANES);
    return (ck_vi)((to > from ? stored << (to - from) : stored >> (from - to)) & (mask << to));
}

CK_INLINE ck_vi ck_nibbles(const uint8_t *words, int group)
{
    return ck_plane(words, group % 4, group / 4 * 4, 0, 0x0f0f0f0f);
}

/* `first`: the plane's first word. */
CK_INLINE ck_vi ck_crumbs(const uint8_t *words, int first, int group, int to)
{
    return ck_plane(words, first + group / 4, group % 4 * 2, to, 0x03030303);
}

/* Columns 4 group .. 4 group + 3 of a block's words, one byte each, the bias included. */
CK_INLINE ck_vi ck_stored_codes(const int format, const uint8_t *words, int group)
{
    const uint32_t bit = 0x01010101;
    switch (ck_formats[format].bits) {
    case 2:
        return ck_crumbs(words, 0, group, 0);
    case 3:
        return ck_crumbs(words, 0, group, 0) | ck_plane(words, 2, group, 2, bit);
    case 4:
        return ck_formats[format].table ? ck_lookup(ck_formats[format].table, ck_nibbles(words, group))
                                        : ck_nibbles(words, group);
    case 5:
        return ck_nibbles(words, group) | ck_plane(words, 4, group, 4, bit);
    case 6:
        return ck_nibbles(words, group) | ck_crumbs(words, 4, group, 4);
    default:
        return ck_load_codes(words + group * 4 * CK_LANES);
    }
}

/* Binary16 number `i` of a record. */
CK_INLINE ck_vf ck_record_half(const uint8_t *record, int i)
{
    ck_vh half;
    memcpy(&half, record + 2 * CK_LANES * i, sizeof half);
    return ck_from_f16(half);
}

CK_INLINE ck_vf ck_to_float(ck_vi v)
{
    return __builtin_convertvector(v, ck_vf);
}

/* Scale j of a record. */
CK_INLINE ck_vf ck_record_scale(const int format, const uint8_t *record, int64_t j)
{
    const uint8_t *bytes = record + (2 * ck_formats[format].halves + j) * CK_LANES;
    switch (format) {
    case CK_Q2_K:
        return ck_record_half(record, 0) * ck_to_float(ck_load_bytes(bytes) & 15);
    case CK_Q4_K:
    case CK_Q5_K:
        return ck_record_half(record, 0) * ck_to_float(ck_load_bytes(bytes));
    case CK_Q3_K:
    case CK_Q6_K:
    case CK_IQ4_XS:
        return ck_record_half(record, 0) * ck_to_float((ck_vi)((ck_vu)ck_load_bytes(bytes) << 24) >> 24);
    case CK_MXFP4: {
        /* 2^(e - 128), below the normal numbers for e = 0 and 1. */
        const ck_vi e = ck_load_bytes(bytes);
        return ck_from_bits(ck_select_i(e < 2, (e + 1) << 21, (e - 1) << 23));
    }
    default:
        return ck_record_half(record, 0);
    }
}

/* Offset j of a record, of a format that has offsets. */
CK_INLINE ck_vf ck_record_offset(const int format, const uint8_t *record, int64_t j)
{
    const uint8_t *bytes = record + (2 * ck_formats[format].halves + j) * CK_LANES;
    switch (format) {
    case CK_Q2_K:
        return -ck_record_half(record, 1) * ck_to_float(ck_load_bytes(bytes) >> 4);
    case CK_Q4_K:
    case CK_Q5_K:
        return -ck_record_half(record, 1) * ck_to_float(ck_load_bytes(bytes + 8 * CK_LANES));
    default:
        return ck_record_half(record, 1);
    }
}

CK_INLINE int64_t ck_whole_lines(int64_t bytes)
{
    return (bytes + 63) / 64 * 64;
}

CK_INLINE int64_t ck_record_bytes(const int format)
{
    return (2 * ck_formats[format].halves + ck_formats[format].bytes) * CK_LANES;
}

/* From the begin of a panel to its codes. */
CK_INLINE int64_t ck_scale_bytes(const int format, int64_t cols)
{
    return ck_whole_lines(cols / ck_formats[format].columns * ck_record_bytes(format));
}

CK_INLINE int64_t ck_block_panel_bytes(const int format, int64_t cols)
{
    return ck_whole_lines(ck_scale_bytes(format, cols) + cols / 8 * ck_formats[format].bits * CK_LANES);
}

/* The blocks of the panels from `panel` on, beginning with block `block` of 32 columns, a multiple of 8. */
CK_INLINE ck_blocks ck_blocks_at(const int format, const uint8_t *panel, int64_t cols, int64_t block)
{
    const ck_format f = ck_formats[format];
    return (ck_blocks){
        .codes = panel + ck_scale_bytes(format, cols) + block * f.bits * 4 * CK_LANES,
        .scales = panel + block * CK_BLOCK / f.columns * ck_record_bytes(format),
        .panel_bytes = ck_block_panel_bytes(format, cols),
    };
}

CK_INLINE int ck_is_expanded(const int format)
{
    return format >= CK_EXPANDED;
}

/* The bias that the ck_codes of a format have: codes have a bias or an offset, never both. */
CK_INLINE int ck_code_bias(const int format)
{
    const ck_format f = ck_formats[format];
    return f.offsets ? 0 : ck_is_expanded(format) || f.bias == 128 ? CK_WIDE_BIAS : f.bias;
}

/* Group `group` of block `block` of panel p, for ck_dot4. */
CK_INLINE ck_codes ck_block_codes(const int format, const ck_blocks *w, int p, int64_t block, int group)
{
    const uint8_t *codes = w->codes + p * w->panel_bytes;
    if (ck_is_expanded(format)) {
        return ((const ck_codes *)(const void *)codes)[block * 8 + group];
    }
    const ck_vi stored = ck_stored_codes(format, codes + block * ck_formats[format].bits * 4 * CK_LANES, group);
    return ck_formats[format].bias == 128 ? ck_wide_codes(stored) : ck_small_codes(stored);
}

/* The same of one panel with the bias of an expanded format. */
CK_INLINE ck_codes ck_expanded_codes(const int format, const ck_blocks *w, int64_t block, int group)
{
    const ck_format f = ck_formats[format];
    const ck_vi stored = ck_stored_codes(format, w->codes + block * f.bits * 4 * CK_LANES, group);
    /* No byte overflows. */
    const ck_vu bias = (ck_vu)ck_set_i((128 - f.bias) * 0x01010101);
    return f.offsets ? ck_small_codes(stored) : ck_wide_codes((ck_vi)((ck_vu)stored + bias));
}

/* The scale of part `part` of block `block` of panel p. */
CK_INLINE ck_vf ck_block_scale(const int format, const ck_blocks *w, int p, int64_t block, int part)
{
    const ck_format f = ck_formats[format];
    const uint8_t *scales = w->scales + p * w->panel_bytes;
    if (ck_is_expanded(format)) {
        return ((const ck_vf *)(const void *)scales)[(block * f.scales + part) * (1 + f.offsets)];
    }
    const int64_t blocks = f.columns / CK_BLOCK;
    const uint8_t *record = scales + block / blocks * ck_record_bytes(format);
    return ck_record_scale(format, record, block % blocks * f.scales + part);
}

/* Its offset, of a format that has offsets. */
CK_INLINE ck_vf ck_block_offset(const int format, const ck_blocks *w, int p, int64_t block, int part)
{
    const ck_format f = ck_formats[format];
    const uint8_t *scales = w->scales + p * w->panel_bytes;
    if (ck_is_expanded(format)) {
        return ((const ck_vf *)(const void *)scales)[(block * f.scales + part) * 2 + 1];
    }
    const int64_t blocks = f.columns / CK_BLOCK;
    const uint8_t *record = scales + block / blocks * ck_record_bytes(format);
    return ck_record_offset(format, record, block % blocks * f.scales + part);
}

#endif
