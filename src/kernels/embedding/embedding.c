/* embedding.c: rows of a weight matrix in panels, decoded to f32. */
#include "embedding.h"

#include "split.h"
#include "tiles.h"

/* Row `lane` of a panel. */
CK_INLINE void ck_decode_row(const int format, const ck_panels *w, const uint8_t *panel, int64_t lane, int64_t cols,
                             float *y)
{
    const uint16_t *halves = (const uint16_t *)(const void *)panel;
    if (format == CK_F32) {
        for (int64_t col = 0; col < cols; col++) {
            y[col] = ((const float *)(const void *)panel)[col * CK_LANES + lane];
        }
    } else if (format == CK_F16) {
        for (int64_t col = 0; col < cols; col++) {
            y[col] = ck_half(halves[col * CK_LANES + lane]);
        }
    } else if (format == CK_BF16) {
        for (int64_t col = 0; col < cols; col++) {
            const uint32_t bits = (uint32_t)halves[col * CK_LANES + lane] << 16;
            memcpy(y + col, &bits, sizeof bits);
        }
    } else {
        const int words = format == CK_Q8_0 ? 8 : 4;
        for (int64_t block = 0; block < cols / CK_BLOCK; block++) {
            const float scale = ck_half(halves[block * CK_LANES + lane]);
            for (int i = 0; i < CK_BLOCK; i++) {
                const int64_t group = block * words + i / 4 % words;
                const int code = panel[w->code_offset + (group * CK_LANES + lane) * 4 + i % 4];
                const int nibble = i < CK_BLOCK / 2 ? code & 15 : code >> 4;
                y[block * CK_BLOCK + i] = scale * (float)(format == CK_Q8_0 ? code - 128 : nibble - 8);
            }
        }
    }
}

CK_INLINE void ck_embed(const int format, int part, int parts, int64_t tokens, int64_t cols, const int32_t *ids,
                        const void *w, float *y)
{
    const ck_panels panels = ck_panels_of(format, w, cols);
    int64_t token, end;
    ck_share(tokens, part, parts, &token, &end);
    for (; token < end; token++) {
        const uint8_t *panel = panels.first + ids[token] / CK_LANES * panels.panel_bytes;
        ck_decode_row(format, &panels, panel, ids[token] % CK_LANES, cols, y + token * cols);
    }
}

#define CK_DEFINE(dtype, type, format)                                                                                 \
    void ck_embedding_fwd_##dtype(int part, int parts, int64_t tokens, int64_t rows, int64_t cols,                     \
                                  const int32_t *restrict ids, const type *restrict w, float *restrict y)              \
    {                                                                                                                  \
        (void)rows;                                                                                                    \
        ck_embed(format, part, parts, tokens, cols, ids, w, y);                                                        \
    }

CK_DEFINE(f32, float, CK_F32)
CK_DEFINE(f16, uint16_t, CK_F16)
CK_DEFINE(bf16, uint16_t, CK_BF16)
CK_DEFINE(q8_0, uint8_t, CK_Q8_0)
CK_DEFINE(q4_0, uint8_t, CK_Q4_0)
