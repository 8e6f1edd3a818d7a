/* mapping.h: files and memory by pages. */
#ifndef CK_MAPPING_H
#define CK_MAPPING_H

#include "ck.h"

/* Maps a regular file read-only, shared with every other process that maps it, in large pages where the system keeps
 * the file in such. Empty files are refused. */
ck_status ck_map_file(const char *path, const uint8_t **bytes, uint64_t *count, ck_error *error);
void ck_unmap_file(const uint8_t *bytes, uint64_t count);

/* Zeros that take up memory only where they are written; aligned to a page. NULL where the system refuses. */
uint8_t *ck_map_zeros(uint64_t count);
void ck_unmap_zeros(uint8_t *bytes, uint64_t count);

/* Asks that mapped bytes lie in large pages: what goes over them looks up fewer addresses. For zeros that will all be
 * written to, and for files. A system that has none, or whose user forbade them, leaves them as they are. */
void ck_prefer_large_pages(uint8_t *bytes, uint64_t count);

#endif
