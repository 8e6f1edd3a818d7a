/* clock.h: a clock that only goes on. Its includer defines _GNU_SOURCE before the first header. */
#ifndef CK_CLOCK_H
#define CK_CLOCK_H

#include <stdint.h>
#include <time.h>

/* Nanoseconds since some moment of the past. */
static inline int64_t ck_now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

#endif
