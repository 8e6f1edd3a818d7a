/* utf8.h: reading bytes that should be UTF-8. */
#ifndef CK_UTF8_H
#define CK_UTF8_H

#include <stdint.h>

#define CK_UTF8_REPLACEMENT "\xEF\xBF\xBD"

/* What `bytes` begins with; count >= 1. Positive n: a character of n bytes. Negative -n: n bytes that are no character,
 * to be shown as one U+FFFD (the longest prefix that could have begun one; Unicode 15, section 3.9, table 3-8).
 * 0: the beginning of a character whose rest is missing. */
int ck_utf8_next(const uint8_t *bytes, int64_t count);

/* 1 where all of `bytes` is valid UTF-8. */
int ck_utf8_is_valid(const uint8_t *bytes, int64_t count);

/* Bytes left when an unfinished character at the end is cut off. */
int64_t ck_utf8_whole(const uint8_t *bytes, int64_t count);

#endif
