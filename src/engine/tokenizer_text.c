/* tokenizer_text.c: the growing text that normalising and escaping write to. */
#include <stdlib.h>

#include "tokenizer_tables.h"

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
