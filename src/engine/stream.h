/* stream.h: the bytes of tokens become text that may be shown: whole characters in which no stop string can begin. */
#ifndef CK_STREAM_H
#define CK_STREAM_H

#include "ck.h"

#define CK_MAX_STOPS 16
#define CK_MAX_STOP_BYTES 256

typedef struct ck_stream ck_stream;

/* Copies the stops; refuses more than CK_MAX_STOPS, and one that is empty, too long or no UTF-8. */
ck_status ck_stream_open(const char *const *stops, int32_t stop_count, ck_stream **stream, ck_error *error);
void ck_stream_close(ck_stream *stream);

/* Room for `bytes` more bytes of tokens; write them there, then call ck_stream_add. NULL: no memory. */
char *ck_stream_reserve(ck_stream *stream, int64_t bytes);
/* Takes the first `bytes` bytes that were written to the reserved room. Returns 1 where a stop string is now complete:
 * it and everything after it are gone, and nothing more may be added. */
int ck_stream_add(ck_stream *stream, int64_t bytes);
/* Nothing more will come: an unfinished character becomes U+FFFD, and nothing is held back any longer. */
void ck_stream_end(ck_stream *stream);

/* Bytes that may be shown now. */
int64_t ck_stream_ready(const ck_stream *stream);
/* Moves at most `capacity` >= 4 of them to `text`, whole characters only. Returns their number. */
int64_t ck_stream_take(ck_stream *stream, char *text, int64_t capacity);

#endif
