/* embedding.c: rows of a weight matrix in panels, decoded to f32. */
#include "embedding.h"

#include "blocks.h"
#include "floatTiles.h"
#include "split.h"

CK_INLINE void ck_decode_floats(const int format, const uint8_t *panel, int64_t lane, int64_t cols, float *y)
{
    for (int64_t col = 0; col < cols; col++) {
        y[col] = ck_load_weights(format, panel, col * CK_LANES)[lane];
    }
}

CK_INLINE void ck_decode_blocks(const int format, const uint8_t *panel, int64_t lane, int64_t cols, float *y)
{
    const ck_format f = ck_formats[format];
    const ck_blocks w = ck_blocks_at(format, panel, cols, 0);
    for (int64_t block = 0; block < cols / CK_BLOCK; block++) {
        const uint8_t *words = w.codes + block * f.bits * 4 * CK_LANES;
        for (int group = 0; group < 8; group++) {
            const int part = group * f.scales / 8;
            const ck_vi stored = ck_stored_codes(format, words, group);
            const uint32_t codes = (uint32_t)stored[lane];
            const float scale = ck_block_scale(format, &w, 0, block, part)[lane];
            const float offset = f.offsets ? ck_block_offset(format, &w, 0, block, part)[lane] : 0.0f;
            for (int i = 0; i < 4; i++) {
                const float product = scale * (float)((int)(codes >> 8 * i & 255) - f.bias);
                *y++ = f.offsets ? product + offset : product;
            }
        }
    }
}

/* y = row `lane` of the panels' rows `ids`. */
CK_INLINE void ck_embed(const int format, int part, int parts, int64_t tokens, int64_t cols, const int32_t *ids,
                        const void *w, float *y)
{
    const int floats = format <= CK_BF16;
    const int64_t panel_bytes = floats ? ck_float_panel_bytes(format, cols) : ck_block_panel_bytes(format, cols);
    int64_t token, end;
    ck_share(tokens, part, parts, &token, &end);
    for (; token < end; token++) {
        const uint8_t *panel = (const uint8_t *)w + ids[token] / CK_LANES * panel_bytes;
        if (floats) {
            ck_decode_floats(format, panel, ids[token] % CK_LANES, cols, y + token * cols);
        } else {
            ck_decode_blocks(format, panel, ids[token] % CK_LANES, cols, y + token * cols);
        }
    }
}

#define CK_DEFINE(dtype, type, format)                                                                                 \
    void ck_embedding_fwd_##dtype(int part, int parts, int64_t tokens, int64_t rows, int64_t cols,                     \
                                  const int32_t *restrict ids, const type *restrict w, float *restrict y)              \
    {                                                                                                                  \
        (void)rows;                                                                                                    \
        ck_embed(format, part, parts, tokens, cols, ids, w, y);                                                        \
    }

CK_EMBEDDING_FLOATS(CK_DEFINE)
CK_EMBEDDING_BLOCKS(CK_DEFINE)
