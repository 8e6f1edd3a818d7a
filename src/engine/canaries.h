/* canaries.h: what a debug build watches. Behind every buffer that is alive lie bytes that no call may write. */
#ifndef CK_CANARIES_H
#define CK_CANARIES_H

#include "ck.h"
#include "program.h"

typedef struct ck_guarded_call {
    const char *name;
    const char *phase; /* forward, backward, update */
} ck_guarded_call;

/* Bytes behind a buffer that nothing writes from before call `first` until behind call `last`. */
typedef struct ck_guard {
    const char *buffer;
    uint64_t offset; /* into ck_step.memory */
    uint64_t bytes;
    int32_t first, last;
} ck_guard;

/* Of one program. */
typedef struct ck_canaries {
    const ck_guarded_call *calls;
    int32_t call_count;
    const ck_guard *guards;
    int32_t guard_count;
} ck_canaries;

/* One step of a program under watch; zero but for `canaries` before it. Only part 0 writes to it. */
typedef struct ck_watch {
    const ck_canaries *canaries;
    const ck_guard *hit; /* the first guard that was written to, or NULL */
    int32_t call;        /* that wrote it */
    uint64_t byte;       /* the first one, from the end of the buffer */
} ck_watch;

/* Whether the guards of `count` programs lie inside a memory of this size; so do those of none (NULL). */
int ck_canaries_are_sound(const ck_canaries *canaries, int32_t count, uint64_t memory_bytes);

/* CK_OK, or CK_ERROR_OVERRUN and the sentence for what was hit in a step of program `name`. */
ck_status ck_watch_judge(const ck_watch *watch, const char *name, ck_error *error);

#endif
