/* crc32.h: the zlib/IEEE 802.3 CRC-32 (reflected polynomial EDB88320). */
#ifndef CK_CRC32_H
#define CK_CRC32_H

#include <stdint.h>

uint32_t ck_crc32(const uint8_t *bytes, uint64_t count);
/* That of earlier bytes, whose CRC-32 is `crc` (0: none), and these behind them. */
uint32_t ck_crc32_more(uint32_t crc, const uint8_t *bytes, uint64_t count);

#endif
