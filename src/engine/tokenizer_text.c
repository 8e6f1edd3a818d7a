/* tokenizer_text.c: the growing text that normalising and escaping write to, and the room of a word. */
#include <stdlib.h>

#include "tokenizer_parts.h"

int ck_text_reserve(ck_text *text, size_t more) {
    if (more <= text->capacity - text->count) return 1;
    if (more > SIZE_MAX / 2 - text->count) return 0;
    size_t capacity = text->count + more;
    if (capacity < 2 * text->capacity && text->capacity < SIZE_MAX / 4) capacity = 2 * text->capacity;
    uint8_t *bytes = realloc(text->bytes, capacity);
    if (bytes == NULL) return 0;
    text->bytes = bytes;
    text->capacity = capacity;
    return 1;
}

int ck_text_append(ck_text *text, const uint8_t *bytes, size_t count) {
    if (count == 0) return 1;
    if (!ck_text_reserve(text, count)) return 0;
    memcpy(text->bytes + text->count, bytes, count);
    text->count += count;
    return 1;
}

void ck_text_put(ck_text *text, uint32_t code) {
    uint8_t *to = text->bytes + text->count;
    if (code < 0x80) {
        to[0] = (uint8_t)code;
        text->count += 1;
    } else if (code < 0x800) {
        to[0] = (uint8_t)(0xc0 | code >> 6);
        to[1] = (uint8_t)(0x80 | (code & 63));
        text->count += 2;
    } else if (code < 0x10000) {
        to[0] = (uint8_t)(0xe0 | code >> 12);
        to[1] = (uint8_t)(0x80 | (code >> 6 & 63));
        to[2] = (uint8_t)(0x80 | (code & 63));
        text->count += 3;
    } else {
        to[0] = (uint8_t)(0xf0 | code >> 18);
        to[1] = (uint8_t)(0x80 | (code >> 12 & 63));
        to[2] = (uint8_t)(0x80 | (code >> 6 & 63));
        to[3] = (uint8_t)(0x80 | (code & 63));
        text->count += 4;
    }
}

void *ck_word_reserve(ck_word_room *room, size_t bytes) {
    if (bytes <= room->bytes) return room->memory;
    size_t wanted = bytes < 4096 ? 4096 : bytes + bytes / 2;
    free(room->memory);
    room->memory = malloc(wanted);
    room->bytes = room->memory == NULL ? 0 : wanted;
    return room->memory;
}
