#include "chat_text.h"

#include <stdlib.h>
#include <string.h>

#include "chat_contract.h"

int ck_buffer_add(ck_buffer *buffer, const char *bytes, size_t count) {
    if (count > SIZE_MAX / 4 - buffer->count) return 0;
    if (buffer->count + count > buffer->capacity) {
        size_t capacity = 2 * (buffer->count + count);
        char *larger = realloc(buffer->bytes, capacity);
        if (!larger) return 0;
        buffer->bytes = larger;
        buffer->capacity = capacity;
    }
    if (count > 0) memcpy(buffer->bytes + buffer->count, bytes, count);
    buffer->count += count;
    return 1;
}

void ck_buffer_drop(ck_buffer *buffer, size_t count) {
    if (count == 0) return;
    buffer->count -= count;
    memmove(buffer->bytes, buffer->bytes + count, buffer->count);
}

/* Bytes of the white space character that text[0] begins; 0: none. */
static size_t white_bytes(const unsigned char *text, size_t bytes) {
    if ((text[0] >= 0x09 && text[0] <= 0x0d) || (text[0] >= 0x1c && text[0] <= 0x20)) return 1;
    if (bytes >= 2 && text[0] == 0xc2) return text[1] == 0x85 || text[1] == 0xa0 ? 2 : 0;
    if (bytes < 3) return 0;
    int code = (text[0] & 0x0f) << 12 | (text[1] & 0x3f) << 6 | (text[2] & 0x3f);
    if (text[0] != (0xe0 | code >> 12) || text[0] < 0xe0) return 0;
    int white = code == 0x1680 || (code >= 0x2000 && code <= 0x200a) || code == 0x2028 || code == 0x2029 ||
                code == 0x202f || code == 0x205f || code == 0x3000;
    return white ? 3 : 0;
}

static size_t trimmed_start(ck_span text, int32_t trim) {
    size_t at = 0;
    for (size_t step = 1; trim != CK_TRIM_NONE && at < text.count && step > 0; at += step) {
        const unsigned char *here = (const unsigned char *)text.bytes + at;
        step = trim == CK_TRIM_LINES ? *here == '\n' : white_bytes(here, text.count - at);
    }
    return at;
}

static size_t trimmed_end(ck_span text, int32_t trim) {
    size_t end = text.count;
    while (trim != CK_TRIM_NONE && end > 0) {
        size_t at = end - 1;
        while (at > 0 && end - at < 3 && (text.bytes[at] & 0xc0) == 0x80) at--;
        const unsigned char *here = (const unsigned char *)text.bytes + at;
        size_t step = trim == CK_TRIM_LINES ? *here == '\n' : white_bytes(here, end - at);
        if (step == 0 || step != end - at) break;
        end = at;
    }
    return end;
}

ck_span ck_trimmed(ck_span text, int32_t start, int32_t end) {
    size_t from = trimmed_start(text, start);
    ck_span rest = {text.bytes + from, text.count - from};
    rest.count = trimmed_end(rest, end);
    return rest;
}

size_t ck_find_first(ck_span text, const char *what) {
    size_t bytes = strlen(what);
    for (size_t at = 0; at + bytes <= text.count; at++) {
        if (memcmp(text.bytes + at, what, bytes) == 0) return at;
    }
    return text.count;
}

size_t ck_find_last(ck_span text, const char *what) {
    size_t bytes = strlen(what);
    for (size_t end = text.count; end >= bytes; end--) {
        if (memcmp(text.bytes + end - bytes, what, bytes) == 0) return end - bytes;
        if (end == 0) break;
    }
    return text.count;
}

/* Bytes at the end of `text` that may become `what`. */
static size_t begun(ck_span text, const char *what) {
    size_t bytes = strlen(what) - 1;
    if (bytes > text.count) bytes = text.count;
    while (bytes > 0 && memcmp(text.bytes + text.count - bytes, what, bytes) != 0) bytes--;
    return bytes;
}

/* In CK_BEGINS: whether what came, behind white space, is the marker (1), may become it (0), or is an answer (-1). */
static int start_of(ck_span text, const char *start) {
    ck_span rest = ck_trimmed(text, CK_TRIM_WHITE, CK_TRIM_NONE);
    size_t bytes = strlen(start);
    size_t common = rest.count < bytes ? rest.count : bytes;
    if (common > 0 && memcmp(rest.bytes, start, common) != 0) return -1;
    return common == bytes;
}

size_t ck_thinking_ready(ck_thinking *t, int32_t *is_thinking) {
    const ck_span text = {t->held.bytes, t->held.count};
    if (text.count == 0) return 0;
    if (!t->end) t->state = CK_ANSWERS;
    if (t->state == CK_BEGINS) {
        int begins = start_of(text, t->start);
        if (begins == 0 && !t->is_over) return 0;
        t->state = begins > 0 ? CK_THINKS : CK_ANSWERS;
    }
    if (t->state == CK_THINKS) {
        *is_thinking = 1;
        size_t at = ck_find_first(text, t->end);
        if (at == text.count) return t->is_over ? text.count : text.count - begun(text, t->end);
        t->state = CK_THOUGHT;
        return at + strlen(t->end);
    }
    if (t->state == CK_THOUGHT) {
        /* Line ends between thinking and answer belong to neither; they go with the thinking. */
        size_t lines = trimmed_start(text, CK_TRIM_LINES);
        *is_thinking = 1;
        if (lines > 0) return lines;
        t->state = CK_ANSWERS;
    }
    *is_thinking = 0;
    return text.count;
}
