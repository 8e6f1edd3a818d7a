/* cache.c: keys and values of new tokens written to their places in the cache. */
#include "cache.h"

#include "cached.h"
#include "codes.h"
#include "halves.h"
#include "split.h"

/* Where a head of a token goes: cache row (sequence, head) and position in it. */
typedef struct {
    const float *x;
    int64_t row, position;
} ck_entry;

CK_INLINE ck_entry ck_entry_of(int64_t item, int64_t heads, int64_t width, int64_t x_row, const float *x,
                               const int32_t *positions, const int32_t *sequences)
{
    const int64_t token = item / heads, head = item % heads;
    return (ck_entry){x + token * x_row + head * width, sequences[token] * heads + head, positions[token]};
}

/* Element 0 of a position in key panels; the next elements of it follow at a distance of CK_LANES. */
CK_INLINE int64_t ck_key_index(ck_entry e, int64_t context, int64_t width)
{
    return (e.row * context + e.position / CK_LANES * CK_LANES) * width + e.position % CK_LANES;
}

static void ck_write_key_f32(ck_entry e, int64_t context, int64_t width, float *cache)
{
    float *to = cache + ck_key_index(e, context, width);
    for (int64_t i = 0; i < width; i++) {
        to[i * CK_LANES] = e.x[i];
    }
}

static void ck_write_key_f16(ck_entry e, int64_t context, int64_t width, uint16_t *cache)
{
    uint16_t *to = cache + ck_key_index(e, context, width);
    for (int64_t i = 0; i < width; i += CK_LANES) {
        const int64_t left = width - i < CK_LANES ? width - i : CK_LANES;
        const ck_vh half = ck_to_f16(left < CK_LANES ? ck_load_n(e.x + i, left) : ck_load(e.x + i));
        for (int64_t k = 0; k < left; k++) {
            to[(i + k) * CK_LANES] = half[k];
        }
    }
}

static void ck_write_value_f32(ck_entry e, int64_t context, int64_t width, float *cache)
{
    memcpy(cache + (e.row * context + e.position) * width, e.x, (size_t)width * sizeof *cache);
}

static void ck_write_value_f16(ck_entry e, int64_t context, int64_t width, uint16_t *cache)
{
    uint16_t *to = cache + (e.row * context + e.position) * width;
    int64_t i = 0;
    for (; i + CK_LANES <= width; i += CK_LANES) {
        ck_store_f16(to + i, ck_load(e.x + i));
    }
    if (i < width) {
        ck_store_f16_n(to + i, ck_load_n(e.x + i, width - i), width - i);
    }
}

/* Codes of a block of 32 columns and the bits of their binary16 scale. */
typedef struct {
    uint16_t scale;
    uint8_t codes[CK_CACHED_BLOCK];
} ck_block;

/* scale = max|x| / 127 as binary16, code = x / scale to the nearest integer, ties to even. */
static ck_block ck_quantize_block(const float *x)
{
    ck_block block = {0};
    const int32_t largest_bits = ck_largest_magnitude(x);
    float largest;
    memcpy(&largest, &largest_bits, sizeof largest);
    block.scale = (uint16_t)ck_to_f16(ck_set(largest / 127.0f))[0];
    if (block.scale >= 0x7c00) {
        block.scale = 0x7e00;
        return block;
    }
    if (block.scale == 0) {
        return block;
    }
    const ck_vf inverse = ck_set(1.0f / ck_half(block.scale));
    for (int i = 0; i < CK_CACHED_BLOCK; i += CK_LANES) {
        /* The scale may have been rounded down. */
        const ck_vi code = ck_nearest(ck_load(x + i) * inverse);
        const ck_vi most = ck_select_i(code > 127, ck_set_i(127), code);
        ck_store_bytes(block.codes + i, ck_select_i(most < -127, ck_set_i(-127), most));
    }
    return block;
}

/* Writes the entry to its panel of positions; codes of a column lie col_step bytes apart, of a position position_step. */
CK_INLINE void ck_write_blocks(ck_entry e, int64_t context, int64_t width, int64_t col_step, int64_t position_step,
                               uint8_t *cache)
{
    const int64_t lane = e.position % CK_LANES;
    uint8_t *panel = cache + ck_cached_bytes(CK_Q8_0, (e.row * context + e.position - lane) * width);
    uint8_t *codes = panel + ck_cached_scale_bytes(CK_Q8_0, width) + lane * position_step;
    for (int64_t col = 0; col < width; col += CK_CACHED_BLOCK) {
        const ck_block block = ck_quantize_block(e.x + col);
        memcpy(panel + (col / CK_CACHED_BLOCK * CK_LANES + lane) * 2, &block.scale, sizeof block.scale);
        for (int i = 0; i < CK_CACHED_BLOCK; i++) {
            codes[(col + i) * col_step] = block.codes[i];
        }
    }
}

static void ck_write_key_q8_0(ck_entry e, int64_t context, int64_t width, uint8_t *cache)
{
    ck_write_blocks(e, context, width, CK_LANES, 1, cache);
}

static void ck_write_value_q8_0(ck_entry e, int64_t context, int64_t width, uint8_t *cache)
{
    ck_write_blocks(e, context, width, 1, width, cache);
}

/* The kernel `name`: the part's entries, each written by `write`. */
#define CK_DEFINE(name, type, write)                                                                                   \
    void ck_##name(int part, int parts, int64_t tokens, int64_t heads, int64_t width, int64_t context,                 \
                   int64_t sequenceCount, int64_t xRow, const float *restrict x, const int32_t *restrict positions,    \
                   const int32_t *restrict sequences, type *restrict cache)                                            \
    {                                                                                                                  \
        (void)sequenceCount;                                                                                           \
        int64_t item, end;                                                                                             \
        ck_share(tokens * heads, part, parts, &item, &end);                                                             \
        for (; item < end; item++) {                                                                                   \
            write(ck_entry_of(item, heads, width, xRow, x, positions, sequences), context, width, cache);              \
        }                                                                                                              \
    }

CK_DEFINE(cacheKeys_fwd_f32, float, ck_write_key_f32)
CK_DEFINE(cacheKeys_fwd_f16, uint16_t, ck_write_key_f16)
CK_DEFINE(cacheKeys_fwd_q8_0, uint8_t, ck_write_key_q8_0)
CK_DEFINE(cacheValues_fwd_f32, float, ck_write_value_f32)
CK_DEFINE(cacheValues_fwd_f16, uint16_t, ck_write_value_f16)
CK_DEFINE(cacheValues_fwd_q8_0, uint8_t, ck_write_value_q8_0)
