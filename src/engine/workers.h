/* workers.h: the threads of one context. All of them run the whole step function, each with its part. */
#ifndef CK_WORKERS_H
#define CK_WORKERS_H

#include "ck.h"
#include "program.h"

typedef struct ck_workers ck_workers;

/* Starts `parts` - 1 threads; the caller of ck_workers_run is part 0. `parts` is 1 .. CK_MOST_PARTS. */
ck_status ck_workers_open(int parts, ck_workers **workers, ck_error *error);
void ck_workers_close(ck_workers *workers);

/* The barrier that a step given to ck_workers_run has to carry. */
struct ck_barrier *ck_workers_barrier(ck_workers *workers);

/* Runs all parts with denormals flushed; returns when all have returned. */
void ck_workers_run(ck_workers *workers, ck_step_function *function, const ck_step *step);

#endif
