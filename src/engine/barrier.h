/* barrier.h: where threads wait for each other: look for a while, then sleep. */
#ifndef CK_BARRIER_H
#define CK_BARRIER_H

#include <stdatomic.h>
#include <stdint.h>

#include "program.h"

/* Linux sleeps on the counter itself; elsewhere (or with CK_NO_FUTEX) on a condition variable. */
#if !defined(__linux__) && !defined(CK_NO_FUTEX)
#define CK_NO_FUTEX 1
#endif
#if defined(CK_NO_FUTEX)
#include <pthread.h>
#endif

/* A counter that can be waited for. It wraps; only equality matters. */
typedef struct ck_gate {
    _Alignas(64) atomic_uint count;
    atomic_uint sleepers;
#if defined(CK_NO_FUTEX)
    pthread_mutex_t mutex;
    pthread_cond_t changed;
#endif
} ck_gate;

/* 0, or an errno value where the system refused. */
int ck_gate_init(ck_gate *gate);
void ck_gate_destroy(ck_gate *gate);
/* Adds 1 and wakes everyone who waits. What was written before is visible to them. */
void ck_gate_advance(ck_gate *gate);
/* Returns once the count is no longer `seen`: looks for it for some time, then sleeps. */
void ck_gate_await(ck_gate *gate, unsigned seen, int64_t nanoseconds);

/* How many of a part's pieces are claimed, by whomever: in even epochs, and in odd ones. */
typedef struct ck_claims {
    _Alignas(64) atomic_int taken[2];
} ck_claims;

/* One round per passing of all parts; the epoch is the gate's count. See ck_wait and ck_claim in program.h. */
struct ck_barrier {
    ck_gate passed;
    _Alignas(64) atomic_uint arrived;
    unsigned parts;
    int64_t nanoseconds; /* that a part looks before it sleeps */
    int pieces; /* of each part */
    ck_claims claims[CK_MOST_PARTS];
};

int ck_barrier_init(struct ck_barrier *barrier, int parts, int64_t nanoseconds);
void ck_barrier_destroy(struct ck_barrier *barrier);

#endif
