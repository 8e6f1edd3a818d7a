#if !defined(_GNU_SOURCE)
#define _GNU_SOURCE 1
#endif
#include "barrier.h"

#include <sched.h>
#if !defined(CK_NO_FUTEX)
#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

#include "clock.h"

/* A core keeps to itself for as many nanoseconds: longer than a balanced step makes a part wait. */
#define PATIENCE 50000
/* Looks at a count between two at the clock. */
#define LOOKS 64

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

/* Whether the count changes within so many looks. */
static int changes_soon(ck_gate *gate, unsigned seen, int looks) {
    for (int i = 0; i < looks; i++) {
        if (atomic_load_explicit(&gate->count, memory_order_acquire) != seen) return 1;
        relax();
    }
    return 0;
}

void ck_gate_await(ck_gate *gate, unsigned seen, int64_t nanoseconds) {
    if (nanoseconds > 0) {
        const int64_t begun = ck_now();
        for (int64_t waited = 0; waited < nanoseconds;) {
            if (changes_soon(gate, seen, LOOKS)) return;
            waited = ck_now() - begun;
            /* Whoever is waited for may need this core. */
            if (waited > PATIENCE) sched_yield();
        }
    }
    atomic_fetch_add(&gate->sleepers, 1);
    sleep_while(gate, seen);
    atomic_fetch_sub(&gate->sleepers, 1);
}

int ck_barrier_init(struct ck_barrier *barrier, int parts, int64_t nanoseconds) {
    atomic_init(&barrier->arrived, 0);
    barrier->parts = (unsigned)parts;
    barrier->nanoseconds = nanoseconds;
    barrier->pieces = ck_pieces(parts) / parts;
    for (int part = 0; part < parts; part++) {
        for (int i = 0; i < 2; i++) atomic_init(&barrier->claims[part].taken[i], 0);
    }
    return ck_gate_init(&barrier->passed);
}

void ck_barrier_destroy(struct ck_barrier *barrier) {
    ck_gate_destroy(&barrier->passed);
}

/* The epoch cannot move on before a part has arrived, so until then it reads the same. */
static unsigned epoch_of(struct ck_barrier *barrier) {
    return atomic_load_explicit(&barrier->passed.count, memory_order_relaxed);
}

void ck_wait(struct ck_barrier *barrier, int part) {
    const unsigned epoch = epoch_of(barrier), next = barrier->parts == 1 ? epoch : epoch + 1;
    /* Nobody claims by the count of the next epoch before all have arrived, nor any more by that of the one before. */
    atomic_store_explicit(&barrier->claims[part].taken[next % 2], 0, memory_order_relaxed);
    if (barrier->parts == 1) return;
    if (atomic_fetch_add_explicit(&barrier->arrived, 1, memory_order_acq_rel) + 1 == barrier->parts) {
        atomic_store_explicit(&barrier->arrived, 0, memory_order_relaxed);
        ck_gate_advance(&barrier->passed);
    } else {
        ck_gate_await(&barrier->passed, epoch, barrier->nanoseconds);
    }
}

/* The next piece of part `of`, where one is left. */
static int claim_of(struct ck_barrier *barrier, int of, int *piece) {
    atomic_int *taken = &barrier->claims[of].taken[epoch_of(barrier) % 2];
    const int pieces = barrier->pieces;
    /* A look first: a line that is only read stays with all who look. */
    if (atomic_load_explicit(taken, memory_order_relaxed) >= pieces) return 0;
    const int next = atomic_fetch_add_explicit(taken, 1, memory_order_relaxed);
    *piece = of * pieces + next;
    return next < pieces;
}

int ck_claim(struct ck_barrier *barrier, int part, int *piece) {
    if (claim_of(barrier, part, piece)) return 1;
    /* Not all of them: with many threads the looks would take longer than the work that is left. */
    const int parts = (int)barrier->parts;
    for (int away = 1; away < parts; away *= 2) {
        if (claim_of(barrier, (part + away) % parts, piece)) return 1;
    }
    return 0;
}
