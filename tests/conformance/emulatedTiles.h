/*
 * emulatedTiles.h: AMX-INT8's tile instructions in plain C, as the Intel SDM (vol. 2) describes them, for machines without
 * them. Included before everything else, in place of the compiler's own.
 */
#ifndef CK_EMULATED_TILES
#define CK_EMULATED_TILES

#include <immintrin.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    int row_bytes[8], rows[8], is_configured;
    uint8_t data[8][16][64];
} ck_tiles;

static _Thread_local ck_tiles ck_tile;

static inline int ck_may_use_tiles(void)
{
    return 1;
}

static inline void ck_tile_must(int holds)
{
    if (!holds) abort();
}

static inline void ck_emulated_loadconfig(const void *config)
{
    const uint8_t *bytes = config;
    ck_tile_must(bytes[0] == 1);
    for (int i = 1; i < 16; i++) ck_tile_must(bytes[i] == 0);
    for (int tile = 0; tile < 8; tile++) {
        uint16_t row_bytes;
        memcpy(&row_bytes, bytes + 16 + 2 * tile, sizeof row_bytes);
        ck_tile_must(row_bytes <= 64 && bytes[48 + tile] <= 16);
        ck_tile.row_bytes[tile] = row_bytes;
        ck_tile.rows[tile] = bytes[48 + tile];
    }
    for (int i = 0; i < 8; i++) ck_tile_must(bytes[32 + i] == 0 && bytes[40 + i] == 0 && bytes[56 + i] == 0);
    memset(ck_tile.data, 0, sizeof ck_tile.data);
    ck_tile.is_configured = 1;
}

static inline void ck_emulated_release(void)
{
    ck_tile.is_configured = 0;
}

static inline void ck_emulated_zero(int tile)
{
    ck_tile_must(ck_tile.is_configured);
    memset(ck_tile.data[tile], 0, sizeof ck_tile.data[tile]);
}

static inline void ck_emulated_loadd(int tile, const void *from, int64_t stride)
{
    ck_tile_must(ck_tile.is_configured);
    memset(ck_tile.data[tile], 0, sizeof ck_tile.data[tile]);
    for (int row = 0; row < ck_tile.rows[tile]; row++)
        memcpy(ck_tile.data[tile][row], (const uint8_t *)from + row * stride, (size_t)ck_tile.row_bytes[tile]);
}

static inline void ck_emulated_stored(int tile, void *to, int64_t stride)
{
    ck_tile_must(ck_tile.is_configured);
    for (int row = 0; row < ck_tile.rows[tile]; row++)
        memcpy((uint8_t *)to + row * stride, ck_tile.data[tile][row], (size_t)ck_tile.row_bytes[tile]);
}

/* sum += a · b: signed bytes of a, unsigned bytes of b, four of a column of b in each of its words. */
static inline void ck_emulated_dpbsud(int sum, int a, int b)
{
    ck_tile_must(ck_tile.is_configured);
    ck_tile_must(ck_tile.rows[sum] == ck_tile.rows[a] && ck_tile.row_bytes[sum] == ck_tile.row_bytes[b]);
    ck_tile_must(ck_tile.row_bytes[a] == 4 * ck_tile.rows[b]);
    /* b's bytes by the byte of a that they meet, in words, so that the loop over columns becomes vectors. */
    int32_t met[64][16];
    for (int k = 0; k < ck_tile.row_bytes[a]; k++)
        for (int col = 0; col < 16; col++) met[k][col] = ck_tile.data[b][k / 4][4 * col + k % 4];
    for (int row = 0; row < ck_tile.rows[sum]; row++) {
        int32_t out[16];
        memcpy(out, ck_tile.data[sum][row], sizeof out);
        for (int k = 0; k < ck_tile.row_bytes[a]; k++) {
            const int32_t factor = (int8_t)ck_tile.data[a][row][k];
            /* Behind the last column b has zeros. */
            for (int col = 0; col < 16; col++) out[col] += factor * met[k][col];
        }
        memcpy(ck_tile.data[sum][row], out, sizeof out);
    }
}

#undef _tile_loadconfig
#define _tile_loadconfig ck_emulated_loadconfig
#undef _tile_release
#define _tile_release ck_emulated_release
#undef _tile_zero
#define _tile_zero ck_emulated_zero
#undef _tile_loadd
#define _tile_loadd ck_emulated_loadd
#undef _tile_stored
#define _tile_stored ck_emulated_stored
#undef _tile_dpbsud
#define _tile_dpbsud ck_emulated_dpbsud

#endif
