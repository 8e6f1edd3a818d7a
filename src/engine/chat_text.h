/* chat_text.h: bytes of a conversation: growing texts, what templates trim, and thinking told from answers. */
#ifndef CK_CHAT_TEXT_H
#define CK_CHAT_TEXT_H

#include <stddef.h>
#include <stdint.h>

/* A growing text; zero at first. The owner frees `bytes`. */
typedef struct ck_buffer {
    char *bytes;
    size_t count;
    size_t capacity;
} ck_buffer;

/* 0: no memory; nothing was added. */
int ck_buffer_add(ck_buffer *buffer, const char *bytes, size_t count);
/* Removes the first `count` bytes. */
void ck_buffer_drop(ck_buffer *buffer, size_t count);

/* A part of a text. */
typedef struct ck_span {
    const char *bytes;
    size_t count;
} ck_span;

/* What is left of a text; the trims are ck_chat_trim. White space is that of Python's str.strip. */
ck_span ck_trimmed(ck_span text, int32_t start, int32_t end);
/* Where `what` stands last in `text`, or `text.count`. */
size_t ck_find_last(ck_span text, const char *what);
/* Where `what` stands first in `text`, or `text.count`. */
size_t ck_find_first(ck_span text, const char *what);

typedef enum ck_thinking_state { CK_BEGINS, CK_THINKS, CK_THOUGHT, CK_ANSWERS } ck_thinking_state;

/* Tells what is thought from the answer in a text that comes piece by piece. Zero-initialise, set markers and state. */
typedef struct ck_thinking {
    const char *start, *end; /* NULL: all is answer */
    ck_thinking_state state;
    ck_buffer held; /* what came and was not taken */
    int is_over;    /* no more comes */
} ck_thinking;

/* Bytes of `held` that can be taken, all of one kind; 0: more must come. Moves on to the kind it reports. */
size_t ck_thinking_ready(ck_thinking *thinking, int32_t *is_thinking);

#endif
