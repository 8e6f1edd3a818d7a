#include "crc32.h"

/* Eight bytes per round ("slicing by 8", Kounavis and Berry 2005): table[k][b] is the CRC of byte b followed by k zero
 * bytes. */
static void fill_tables(uint32_t table[8][256]) {
    for (uint32_t byte = 0; byte < 256; byte++) {
        uint32_t crc = byte;
        for (int bit = 0; bit < 8; bit++) crc = (crc >> 1) ^ (0xEDB88320u & (0u - (crc & 1u)));
        table[0][byte] = crc;
    }
    for (int k = 1; k < 8; k++) {
        for (int byte = 0; byte < 256; byte++) {
            uint32_t crc = table[k - 1][byte];
            table[k][byte] = (crc >> 8) ^ table[0][crc & 0xFF];
        }
    }
}

uint32_t ck_crc32(const uint8_t *bytes, uint64_t count) {
    return ck_crc32_more(0, bytes, count);
}

uint32_t ck_crc32_more(uint32_t crc, const uint8_t *bytes, uint64_t count) {
    uint32_t table[8][256];
    fill_tables(table);
    crc ^= 0xFFFFFFFFu;
    for (; count >= 8; count -= 8, bytes += 8) {
        uint32_t low = crc ^ ((uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 |
                              (uint32_t)bytes[3] << 24);
        crc = table[7][low & 0xFF] ^ table[6][(low >> 8) & 0xFF] ^ table[5][(low >> 16) & 0xFF] ^ table[4][low >> 24] ^
              table[3][bytes[4]] ^ table[2][bytes[5]] ^ table[1][bytes[6]] ^ table[0][bytes[7]];
    }
    for (; count > 0; count--, bytes++) crc = (crc >> 8) ^ table[0][(crc ^ *bytes) & 0xFF];
    return crc ^ 0xFFFFFFFFu;
}
