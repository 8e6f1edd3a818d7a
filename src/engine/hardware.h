/* hardware.h: the counters that the CPU has of one thread: cycles, instructions and cache misses (Linux). */
#ifndef CK_HARDWARE_H
#define CK_HARDWARE_H

#include "ck.h"

#define CK_HARDWARE_EVENTS 3

typedef struct ck_hardware {
    int files[CK_HARDWARE_EVENTS]; /* the first leads the group; -1: not open */
    long thread;                   /* that they count, in the system's numbers */
    const char *refusal;           /* NULL while nothing was refused */
    uint64_t begun[CK_HARDWARE_EVENTS];
} ck_hardware;

/* Opens nothing yet. */
void ck_hardware_init(ck_hardware *hardware);
void ck_hardware_close(ck_hardware *hardware);

/* Around a step, in the thread that is counted; `end` adds what was counted since to the counter. Where the system refuses
 * to count, both do nothing from then on. */
void ck_hardware_begin(ck_hardware *hardware);
void ck_hardware_end(ck_hardware *hardware, ck_counter *counter);

/* Why nothing is counted; NULL where something is. */
const char *ck_hardware_refusal(const ck_hardware *hardware);

#endif
