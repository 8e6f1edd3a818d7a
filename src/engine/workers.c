#if !defined(_GNU_SOURCE)
#define _GNU_SOURCE 1
#endif
#include "workers.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "barrier.h"
#include "cpu.h"
#include "floats.h"
#include "refuse.h"

/* Nanoseconds that a part stays awake for others: a core that goes to sleep takes as long as a layer to come back. */
#define AWAKE 2000000

typedef struct worker {
    ck_workers *workers;
    int part;
    pthread_t thread;
} worker;

struct ck_workers {
    ck_gate start; /* advanced once per step, and once to quit */
    struct ck_barrier barrier;
    /* Written by the caller before `start` advances, read by the workers after. function NULL: quit. */
    ck_step_function *function;
    const ck_step *step;
    int parts;
    int started; /* threads that run */
    worker members[CK_MOST_PARTS];
};

static void *work(void *argument) {
    worker *self = argument;
    ck_workers *workers = self->workers;
    ck_floats_flush();
    for (unsigned seen = 0;; seen++) {
        ck_gate_await(&workers->start, seen, workers->barrier.nanoseconds);
        if (!workers->function) return NULL;
        workers->function(workers->step, self->part, workers->parts);
        ck_wait(&workers->barrier, self->part);
    }
}

/* Threads with every signal blocked: signals belong to the program that uses the library. */
static int start_threads(ck_workers *workers) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int refused = 0;
    for (int part = 1; part < workers->parts && !refused; part++) {
        worker *member = &workers->members[part];
        member->workers = workers;
        member->part = part;
        refused = pthread_create(&member->thread, NULL, work, member);
        if (!refused) workers->started++;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return refused;
}

ck_status ck_workers_open(int parts, ck_workers **out, ck_error *error) {
    *out = NULL;
    ck_workers *workers = aligned_alloc(_Alignof(ck_workers), sizeof *workers);
    if (!workers) return ck_refuse(error, CK_ERROR_MEMORY, "no memory for %d threads", parts);
    memset(workers, 0, sizeof *workers);
    workers->parts = parts;
    int refused = ck_gate_init(&workers->start);
    if (!refused) {
        /* With more threads than cores, the one that is waited for needs the core of the one that waits. */
        refused = ck_barrier_init(&workers->barrier, parts, parts <= ck_cpu_cores() ? AWAKE : 0);
        if (refused) ck_gate_destroy(&workers->start);
    }
    if (refused) {
        free(workers);
        return ck_refuse(error, CK_ERROR_MEMORY, "the system refused locks for %d threads (%s)", parts,
                         strerror(refused));
    }
    refused = start_threads(workers);
    if (refused) {
        int started = workers->started + 1;
        ck_workers_close(workers);
        return ck_refuse(error, CK_ERROR_MEMORY, "the system refused thread %d of %d (%s); fewer threads are accepted",
                         started + 1, parts, strerror(refused));
    }
    *out = workers;
    return CK_OK;
}

void ck_workers_close(ck_workers *workers) {
    if (!workers) return;
    workers->function = NULL;
    ck_gate_advance(&workers->start);
    for (int part = 1; part <= workers->started; part++) pthread_join(workers->members[part].thread, NULL);
    ck_barrier_destroy(&workers->barrier);
    ck_gate_destroy(&workers->start);
    free(workers);
}

struct ck_barrier *ck_workers_barrier(ck_workers *workers) {
    return &workers->barrier;
}

void ck_workers_run(ck_workers *workers, ck_step_function *function, const ck_step *step) {
    uint64_t floats = ck_floats_flush();
    workers->function = function;
    workers->step = step;
    if (workers->parts > 1) ck_gate_advance(&workers->start);
    function(step, 0, workers->parts);
    ck_wait(&workers->barrier, 0);
    ck_floats_restore(floats);
}
