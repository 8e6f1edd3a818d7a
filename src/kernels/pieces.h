/*
 * pieces.h: pieces of panels in blocks of codes, expanded once for all tokens of a product.
 */
#ifndef CK_PIECES_H
#define CK_PIECES_H

#include "blocks.h"

/*
 * One panel's blocks, expanded: as many as let two panels stay in the first-level cache, which has no place for both where
 * they lie a multiple of 4096 bytes apart.
 */
enum { CK_PIECE_BYTES = 8192, CK_PIECE_SCALES = CK_PIECE_BYTES / 8 / (int)sizeof(ck_vi) * 4 };

typedef struct {
    _Alignas(64) uint8_t codes[CK_PIECE_BYTES];
    ck_vf scales[CK_PIECE_SCALES + 4];
} ck_piece;

/* Codes of a group in a piece: ck_codes, or a vector of bytes where those are multiplied as they are. */
CK_INLINE int ck_has_bytes(const int format)
{
#if defined CK_SHORT_DOTS
    return ck_formats[format].width < 8;
#else
    (void)format;
    return 0;
#endif
}

/* Blocks of a panel that are expanded at once, a multiple of 8. */
CK_INLINE int64_t ck_piece_blocks(int format)
{
    return CK_PIECE_BYTES / 8 / (ck_has_bytes(format) ? (int)sizeof(ck_vi) : (int)sizeof(ck_codes));
}

/* The format of a piece that was expanded from `format`. */
CK_INLINE int ck_expanded_format(int format)
{
    const ck_format f = ck_formats[format];
    return CK_EXPANDED_AS(ck_has_bytes(format) ? f.width : 8, f.scales, f.offsets);
}

/* Expands the first `blocks` <= ck_piece_blocks(format) blocks of w. */
CK_INLINE void ck_expand(const int format, const ck_blocks *w, int64_t blocks, ck_piece *piece)
{
    const ck_format f = ck_formats[format];
    /* No byte overflows. */
    const ck_vu bias = (ck_vu)ck_set_i((f.offsets ? 0 : 128 - f.bias) * 0x01010101);
    ck_vf *scales = piece->scales;
    for (int64_t block = 0; block < blocks; block++) {
        CK_UNROLL
        for (int group = 0; group < 8; group++) {
            const int64_t at = block * 8 + group;
            const ck_vi stored = ck_codes_of_group(format, w->codes, block, group);
            if (ck_has_bytes(format)) {
                ((ck_vi *)(void *)piece->codes)[at] = stored;
            } else {
                ck_codes *to = (ck_codes *)(void *)piece->codes + at;
                *to = f.offsets ? ck_small_codes(stored) : ck_wide_codes((ck_vi)((ck_vu)stored + bias));
            }
        }
        CK_UNROLL
        for (int part = 0; part < f.scales; part++) {
            *scales++ = ck_block_scale(format, w, 0, block, part);
            if (f.offsets) {
                *scales++ = ck_block_offset(format, w, 0, block, part);
            }
        }
    }
}

#endif
