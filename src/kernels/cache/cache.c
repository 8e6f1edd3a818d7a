/* cache.c: keys and values of new tokens written to their places in the cache. */
#include "cache.h"

#include "simd.h"
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

void ck_cacheKeys_fwd_f32(int part, int parts, int64_t tokens, int64_t heads, int64_t width, int64_t context,
                          int64_t sequenceCount, int64_t xRow, const float *restrict x,
                          const int32_t *restrict positions, const int32_t *restrict sequences, float *restrict cache)
{
    (void)sequenceCount;
    int64_t item, end;
    ck_share(tokens * heads, part, parts, &item, &end);
    for (; item < end; item++) {
        const ck_entry e = ck_entry_of(item, heads, width, xRow, x, positions, sequences);
        float *to = cache + ck_key_index(e, context, width);
        for (int64_t i = 0; i < width; i++) {
            to[i * CK_LANES] = e.x[i];
        }
    }
}

void ck_cacheKeys_fwd_f16(int part, int parts, int64_t tokens, int64_t heads, int64_t width, int64_t context,
                          int64_t sequenceCount, int64_t xRow, const float *restrict x,
                          const int32_t *restrict positions, const int32_t *restrict sequences,
                          uint16_t *restrict cache)
{
    (void)sequenceCount;
    int64_t item, end;
    ck_share(tokens * heads, part, parts, &item, &end);
    for (; item < end; item++) {
        const ck_entry e = ck_entry_of(item, heads, width, xRow, x, positions, sequences);
        uint16_t *to = cache + ck_key_index(e, context, width);
        for (int64_t i = 0; i < width; i += CK_LANES) {
            const int64_t left = width - i < CK_LANES ? width - i : CK_LANES;
            const ck_vh half = ck_to_f16(left < CK_LANES ? ck_load_n(e.x + i, left) : ck_load(e.x + i));
            for (int64_t k = 0; k < left; k++) {
                to[(i + k) * CK_LANES] = half[k];
            }
        }
    }
}

void ck_cacheValues_fwd_f32(int part, int parts, int64_t tokens, int64_t heads, int64_t width, int64_t context,
                            int64_t sequenceCount, int64_t xRow, const float *restrict x,
                            const int32_t *restrict positions, const int32_t *restrict sequences,
                            float *restrict cache)
{
    (void)sequenceCount;
    int64_t item, end;
    ck_share(tokens * heads, part, parts, &item, &end);
    for (; item < end; item++) {
        const ck_entry e = ck_entry_of(item, heads, width, xRow, x, positions, sequences);
        memcpy(cache + (e.row * context + e.position) * width, e.x, (size_t)width * sizeof *cache);
    }
}

void ck_cacheValues_fwd_f16(int part, int parts, int64_t tokens, int64_t heads, int64_t width, int64_t context,
                            int64_t sequenceCount, int64_t xRow, const float *restrict x,
                            const int32_t *restrict positions, const int32_t *restrict sequences,
                            uint16_t *restrict cache)
{
    (void)sequenceCount;
    int64_t item, end;
    ck_share(tokens * heads, part, parts, &item, &end);
    for (; item < end; item++) {
        const ck_entry e = ck_entry_of(item, heads, width, xRow, x, positions, sequences);
        uint16_t *to = cache + (e.row * context + e.position) * width;
        int64_t i = 0;
        for (; i + CK_LANES <= width; i += CK_LANES) {
            ck_store_f16(to + i, ck_load(e.x + i));
        }
        if (i < width) {
            ck_store_f16_n(to + i, ck_load_n(e.x + i, width - i), width - i);
        }
    }
}
