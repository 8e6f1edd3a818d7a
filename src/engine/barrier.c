#if !defined(_GNU_SOURCE)
#define _GNU_SOURCE 1
#endif
#include "barrier.h"

#if !defined(CK_NO_FUTEX)
#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

static inline void relax(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

#if defined(CK_NO_FUTEX)

int ck_gate_init(ck_gate *gate) {
    atomic_init(&gate->count, 0);
    atomic_init(&gate->sleepers, 0);
    int refused = pthread_mutex_init(&gate->mutex, NULL);
    if (refused) return refused;
    refused = pthread_cond_init(&gate->changed, NULL);
    if (refused) pthread_mutex_destroy(&gate->mutex);
    return refused;
}

void ck_gate_destroy(ck_gate *gate) {
    pthread_cond_destroy(&gate->changed);
    pthread_mutex_destroy(&gate->mutex);
}

static void wake_all(ck_gate *gate) {
    /* Taking the mutex makes sure that a sleeper is either before its check of the count or already in its wait. */
    pthread_mutex_lock(&gate->mutex);
    pthread_cond_broadcast(&gate->changed);
    pthread_mutex_unlock(&gate->mutex);
}

static void sleep_while(ck_gate *gate, unsigned seen) {
    pthread_mutex_lock(&gate->mutex);
    while (atomic_load(&gate->count) == seen) pthread_cond_wait(&gate->changed, &gate->mutex);
    pthread_mutex_unlock(&gate->mutex);
}

#else

_Static_assert(sizeof(atomic_uint) == 4, "a futex is 32 bits");

int ck_gate_init(ck_gate *gate) {
    atomic_init(&gate->count, 0);
    atomic_init(&gate->sleepers, 0);
    return 0;
}

void ck_gate_destroy(ck_gate *gate) {
    (void)gate;
}

static void wake_all(ck_gate *gate) {
    syscall(SYS_futex, &gate->count, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

static void sleep_while(ck_gate *gate, unsigned seen) {
    /* The kernel sleeps only while the count is still `seen`; it may also wake for no reason. */
    while (atomic_load(&gate->count) == seen) {
        syscall(SYS_futex, &gate->count, FUTEX_WAIT_PRIVATE, seen, NULL, NULL, 0);
    }
}

#endif

void ck_gate_advance(ck_gate *gate) {
    /* Sequentially consistent on both sides: either the waker sees the sleeper or the sleeper sees the new count. */
    atomic_fetch_add(&gate->count, 1);
    if (atomic_load(&gate->sleepers) > 0) wake_all(gate);
}

void ck_gate_await(ck_gate *gate, unsigned seen, int spins) {
    for (int i = 0; i < spins; i++) {
        if (atomic_load_explicit(&gate->count, memory_order_acquire) != seen) return;
        relax();
    }
    atomic_fetch_add(&gate->sleepers, 1);
    sleep_while(gate, seen);
    atomic_fetch_sub(&gate->sleepers, 1);
}

int ck_barrier_init(struct ck_barrier *barrier, int parts, int spins) {
    atomic_init(&barrier->arrived, 0);
    barrier->parts = (unsigned)parts;
    barrier->spins = spins;
    return ck_gate_init(&barrier->passed);
}

void ck_barrier_destroy(struct ck_barrier *barrier) {
    ck_gate_destroy(&barrier->passed);
}

void ck_wait(struct ck_barrier *barrier, int part) {
    (void)part;
    if (barrier->parts == 1) return;
    /* The epoch cannot move on before this part has arrived, so reading it here is early enough. */
    unsigned epoch = atomic_load_explicit(&barrier->passed.count, memory_order_relaxed);
    if (atomic_fetch_add_explicit(&barrier->arrived, 1, memory_order_acq_rel) + 1 == barrier->parts) {
        atomic_store_explicit(&barrier->arrived, 0, memory_order_relaxed);
        ck_gate_advance(&barrier->passed);
    } else {
        ck_gate_await(&barrier->passed, epoch, barrier->spins);
    }
}
