#include "stream.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "refuse.h"
#include "utf8.h"

/* text: valid UTF-8 [0, text_bytes), of which [0, ready) may be shown. raw: bytes of tokens not yet looked at, at most
 * three of them between calls. */
struct ck_stream {
    char *text;
    int64_t text_bytes, text_capacity, ready;
    char *raw;
    int64_t raw_bytes, raw_capacity;
    int32_t stop_count;
    int64_t stop_bytes[CK_MAX_STOPS];
    char stops[CK_MAX_STOPS][CK_MAX_STOP_BYTES];
};

static ck_status copy_stops(ck_stream *s, const char *const *stops, int32_t stop_count, ck_error *error) {
    if (stop_count < 0 || stop_count > CK_MAX_STOPS || (stop_count > 0 && !stops)) {
        return ck_refuse(error, CK_ERROR_ARGUMENT, "%" PRId32 " stop strings; accepted: 0 to %d", stop_count,
                         CK_MAX_STOPS);
    }
    for (int32_t i = 0; i < stop_count; i++) {
        size_t bytes = 0;
        while (stops[i] && bytes <= CK_MAX_STOP_BYTES && stops[i][bytes]) bytes++;
        if (bytes < 1 || bytes > CK_MAX_STOP_BYTES || !ck_utf8_is_valid((const uint8_t *)stops[i], (int64_t)bytes)) {
            return ck_refuse(error, CK_ERROR_ARGUMENT,
                             "stop string %" PRId32 " is empty, too long or no UTF-8; accepted: 1 to %d bytes of UTF-8",
                             i, CK_MAX_STOP_BYTES);
        }
        memcpy(s->stops[i], stops[i], bytes);
        s->stop_bytes[i] = (int64_t)bytes;
    }
    s->stop_count = stop_count;
    return CK_OK;
}

ck_status ck_stream_open(const char *const *stops, int32_t stop_count, ck_stream **out, ck_error *error) {
    *out = NULL;
    ck_stream *s = calloc(1, sizeof *s);
    if (!s) return ck_refuse(error, CK_ERROR_MEMORY, "no memory for a text stream");
    ck_status status = copy_stops(s, stops, stop_count, error);
    /* Enough for every token of common vocabularies, so that the buffers stay as they are. */
    if (!status && !ck_stream_reserve(s, 512)) {
        status = ck_refuse(error, CK_ERROR_MEMORY, "no memory for a text stream");
    }
    if (status) {
        ck_stream_close(s);
        return status;
    }
    *out = s;
    return CK_OK;
}

void ck_stream_close(ck_stream *stream) {
    if (!stream) return;
    free(stream->text);
    free(stream->raw);
    free(stream);
}

static int grow(char **buffer, int64_t *capacity, int64_t wanted) {
    if (wanted <= *capacity) return 1;
    char *larger = realloc(*buffer, (size_t)wanted);
    if (!larger) return 0;
    *buffer = larger;
    *capacity = wanted;
    return 1;
}

char *ck_stream_reserve(ck_stream *s, int64_t bytes) {
    int64_t raw = s->raw_bytes + bytes;
    /* Each byte may become a U+FFFD of three. */
    if (!grow(&s->raw, &s->raw_capacity, raw)) return NULL;
    if (!grow(&s->text, &s->text_capacity, s->text_bytes + 3 * raw)) return NULL;
    return s->raw + s->raw_bytes;
}

static void append(ck_stream *s, const char *bytes, int64_t count) {
    memcpy(s->text + s->text_bytes, bytes, (size_t)count);
    s->text_bytes += count;
}

/* Moves whole characters from raw to text. */
static void assemble(ck_stream *s) {
    int64_t at = 0;
    while (at < s->raw_bytes) {
        int step = ck_utf8_next((const uint8_t *)s->raw + at, s->raw_bytes - at);
        if (step == 0) break;
        if (step > 0) {
            append(s, s->raw + at, step);
            at += step;
        } else {
            append(s, CK_UTF8_REPLACEMENT, 3);
            at -= step;
        }
    }
    s->raw_bytes -= at;
    memmove(s->raw, s->raw + at, (size_t)s->raw_bytes);
}

/* Where the stop begins that is complete first (of several that end together, the longest), or else the first place
 * from which on the text may still become a stop. Only places at or after s->ready count. */
static int64_t find_stop(const ck_stream *s, int *complete) {
    int64_t found = s->text_bytes;
    int64_t end = INT64_MAX;
    for (int64_t at = s->ready; at < s->text_bytes; at++) {
        for (int32_t i = 0; i < s->stop_count; i++) {
            int64_t bytes = s->stop_bytes[i];
            int64_t left = s->text_bytes - at;
            if (memcmp(s->text + at, s->stops[i], (size_t)(left < bytes ? left : bytes)) != 0) continue;
            if (bytes <= left ? at + bytes < end : end == INT64_MAX && at < found) {
                found = at;
                if (bytes <= left) end = at + bytes;
            }
        }
    }
    *complete = end != INT64_MAX;
    return found;
}

int ck_stream_add(ck_stream *s, int64_t bytes) {
    s->raw_bytes += bytes;
    assemble(s);
    int complete;
    s->ready = find_stop(s, &complete);
    if (complete) {
        s->text_bytes = s->ready;
        s->raw_bytes = 0;
    }
    return complete;
}

void ck_stream_end(ck_stream *s) {
    if (s->raw_bytes > 0) append(s, CK_UTF8_REPLACEMENT, 3);
    s->raw_bytes = 0;
    s->ready = s->text_bytes;
}

int64_t ck_stream_ready(const ck_stream *s) {
    return s->ready;
}

int64_t ck_stream_take(ck_stream *s, char *text, int64_t capacity) {
    int64_t bytes = s->ready;
    if (bytes > capacity) bytes = ck_utf8_whole((const uint8_t *)s->text, capacity);
    memcpy(text, s->text, (size_t)bytes);
    s->text_bytes -= bytes;
    s->ready -= bytes;
    memmove(s->text, s->text + bytes, (size_t)s->text_bytes);
    return bytes;
}
