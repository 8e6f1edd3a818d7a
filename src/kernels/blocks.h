/*
 * blocks.h: weights in blocks of integer codes, as the panels of layouts.ts hold them: what differs between the formats.
 *
 * Value = scale * (code - bias) + offset. A format is a row of ck_formats, its scale and, where it has them, its offset.
 */
#ifndef CK_BLOCKS_H
#define CK_BLOCKS_H

#include "a8.h"
#include "dot.h"
#include "formats.h"
#include "halves.h"

/* Of codes of `width` bits (4, 5, 6; 8 for any), with one or two scales per 32 columns and perhaps offsets. */
#define CK_EXPANDED_AS(width, scales, offsets) (CK_EXPANDED + ((width) - 4) * 4 + ((scales)-1) * 2 + (offsets))

typedef struct {
    int bits;          /* of a stored code, and words of four bytes per lane and block of 32 columns */
    int width;         /* bits of what it stands for, with the bias: 4 at least */
    int columns;       /* of a stored block, which one record of scales belongs to */
    int halves, bytes; /* binary16 numbers and bytes of a record, per lane */
    int scales;        /* per 32 columns */
    int offsets;       /* whether there are any */
    int bias;          /* a power of two, or 0 */
    const uint8_t *table; /* what a code stands for, with the bias; NULL: the code itself */
} ck_format;

/* 128, and 16, + the values of blockLayouts.ts. */
static const uint8_t ck_iq4_table[16] = {1, 24, 45, 63, 79, 93, 106, 118, 129, 141, 153, 166, 181, 197, 217, 241};
static const uint8_t ck_mxfp4_table[16] = {16, 17, 18, 19, 20, 22, 24, 28, 16, 15, 14, 13, 12, 10, 8, 4};

#define CK_EXPANDED_ROWS(bits)                                                                                         \
    [CK_EXPANDED_AS(bits, 1, 0)] = {.width = bits, .scales = 1},                                                       \
    [CK_EXPANDED_AS(bits, 1, 1)] = {.width = bits, .scales = 1, .offsets = 1},                                         \
    [CK_EXPANDED_AS(bits, 2, 0)] = {.width = bits, .scales = 2},                                                       \
    [CK_EXPANDED_AS(bits, 2, 1)] = {.width = bits, .scales = 2, .offsets = 1}

static const ck_format ck_formats[] = {
    [CK_Q8_0] = {8, 8, 32, 1, 0, 1, 0, 128, NULL},
    [CK_Q4_0] = {4, 4, 32, 1, 0, 1, 0, 8, NULL},
    [CK_Q4_1] = {4, 4, 32, 2, 0, 1, 1, 0, NULL},
    [CK_Q5_0] = {5, 5, 32, 1, 0, 1, 0, 16, NULL},
    [CK_Q5_1] = {5, 5, 32, 2, 0, 1, 1, 0, NULL},
    [CK_Q2_K] = {2, 4, 256, 2, 16, 2, 1, 0, NULL},
    [CK_Q3_K] = {3, 4, 256, 1, 16, 2, 0, 4, NULL},
    [CK_Q4_K] = {4, 4, 256, 2, 16, 1, 1, 0, NULL},
    [CK_Q5_K] = {5, 5, 256, 2, 16, 1, 1, 0, NULL},
    [CK_Q6_K] = {6, 6, 256, 1, 16, 2, 0, 32, NULL},
    [CK_IQ4_NL] = {4, 8, 32, 1, 0, 1, 0, 128, ck_iq4_table},
    [CK_IQ4_XS] = {4, 8, 256, 1, 8, 1, 0, 128, ck_iq4_table},
    [CK_MXFP4] = {4, 5, 32, 0, 1, 1, 0, 16, ck_mxfp4_table},
    CK_EXPANDED_ROWS(4),
    CK_EXPANDED_ROWS(5),
    CK_EXPANDED_ROWS(6),
    CK_EXPANDED_ROWS(8),
};

/* A panel of weights, or one panel of several: panel p is p * panel_bytes further on. */
typedef struct {
    const uint8_t *codes, *scales;
    int64_t panel_bytes;
    int64_t next; /* bytes to the panels that will be read after these, 0 where there are none */
    int shift;    /* of expanded codes: see ck_bias_shift */
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

CK_INLINE int ck_is_expanded(const int format)
{
    return format >= CK_EXPANDED;
}

/* Codes have a bias or an offset, never both; those of all values have a bias if the target's ck_wide_codes leave it. */
CK_INLINE int ck_has_bias(const int format)
{
    const ck_format f = ck_formats[format];
    return !f.offsets && (f.width < 8 || CK_WIDE_BIAS > 0);
}

/* How much smaller than 128 the bias of a stored format is, in bits. */
CK_INLINE int ck_bias_shift(const int format)
{
    return __builtin_ctz(128 / (unsigned)ck_formats[format].bias);
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

CK_INLINE ck_vi ck_codes_of_group(const int format, const uint8_t *codes, int64_t block, int group)
{
    return ck_stored_codes(format, codes + block * ck_formats[format].bits * 4 * CK_LANES, group);
}

#if defined CK_SHORT_DOTS

/* Operands of ck_short_dot4 that a code makes: the halves of a byte, or a smaller one as it is. */
CK_INLINE int ck_short_codes(const int format)
{
    return ck_formats[format].width == 8 ? 2 : 1;
}

/* The operands codes[i * P + p] of group `group` of block `block` of P panels. */
CK_INLINE void ck_load_short(const int format, const int P, const ck_blocks *w, int64_t block, int group, ck_vi *codes)
{
    const int count = ck_short_codes(format);
    CK_UNROLL
    for (int p = 0; p < P; p++) {
        const uint8_t *from = w->codes + p * w->panel_bytes;
        if (ck_is_expanded(format)) {
            CK_UNROLL
            for (int i = 0; i < count; i++) {
                codes[i * P + p] = ((const ck_vi *)(const void *)from)[(block * 8 + group) * count + i];
            }
            continue;
        }
        const ck_vi stored = ck_codes_of_group(format, from, block, group);
        if (count == 1) {
            codes[p] = stored;
        } else {
            const ck_codes halves = ck_wide_codes(stored);
            codes[p] = halves.low;
            codes[P + p] = halves.high;
        }
    }
}

#else

/* Group `group` of block `block` of panel p, for ck_dot4. */
CK_INLINE ck_codes ck_block_codes(const int format, const ck_blocks *w, int p, int64_t block, int group)
{
    const uint8_t *codes = w->codes + p * w->panel_bytes;
    if (ck_is_expanded(format)) {
        return ((const ck_codes *)(const void *)codes)[block * 8 + group];
    }
    const ck_vi stored = ck_codes_of_group(format, codes, block, group);
    return ck_formats[format].width == 8 ? ck_wide_codes(stored) : ck_small_codes(stored);
}

#endif

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
