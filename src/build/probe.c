/*
 * probe.c: what this CPU can do at best: bytes read, f32 multiply-adds and 8-bit dot products per second.
 *
 * probe CORES BYTES answers each line "RESOURCE THREADS" of stdin with a line "BEST MEAN": rates per second of so many threads,
 * the best of the rounds and the mean of all of them, about a quarter of a second. RESOURCE is read (bytes of memory), f32 or int8 (operations; a multiply-add counts
 * two). BYTES is the size of the memory that is read, which must be far larger than the caches; a thread for each of CORES
 * touches it first. The end of stdin ends the program.
 */
#if !defined(_GNU_SOURCE)
#define _GNU_SOURCE 1
#endif
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

#include "dot.h"
#include "reduce.h"

#define MOST_THREADS 1024
#define ENOUGH_SECONDS 0.25
/* A sum or product must wait for the one before it: enough of them to keep all units of a core busy. */
#if defined CK_AVX512 || defined CK_NEON
#define CHAINS 16
#else
#define CHAINS 12
#endif
/*
 * The dot products are a tile of a matrix product: every loaded value is used several times, as in a real kernel, and GROUPS
 * of four columns make a block. Where the target is faster with small codes, they are of 4 bits.
 */
#define TILE_ROWS 2
#if defined CK_SHORT_DOTS && !defined CK_AVX512
#define TILE_COLS 5
#else
#define TILE_COLS 6
#endif
#define GROUPS 8
#if defined CK_SHORT_DOTS
typedef ck_vs block_sum;
typedef ck_vi codes;
#define codes_of(bytes) (bytes)
#define begin_block(sum) ((ck_vs){0})
#define add_group ck_short_dot4
#define add_block(sum, block) ck_add_short(sum, block, 1)
#else
typedef ck_vi block_sum;
typedef ck_codes codes;
#define codes_of ck_wide_codes
#define begin_block(sum) (sum)
#define add_group ck_dot4
#define add_block(sum, block) (block)
#endif
/* Places in a thread's share that are read in turn: more than one stream keeps more of the prefetcher's slots busy. */
#define STREAMS 4
#define LINE 64
#define PREFETCH_BYTES 1024

typedef struct crew crew;
/* Works `amount` times on the share of `part`; returns something that depends on all results. */
typedef float work(const crew *crew, int part, int64_t amount);

struct crew {
    work *work;
    int parts;
    int64_t amount;
    uint8_t *memory;
    int64_t bytes;
    atomic_int arrived;
};

typedef struct member {
    crew *crew;
    int part;
    double begin, end;
    float result; /* never read: it is there so that the work is done */
    pthread_t thread;
} member;

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

/* The share of a part in bytes: whole lines for every stream. */
static int64_t share_bytes(const crew *crew)
{
    return crew->bytes / crew->parts / (STREAMS * LINE) * (STREAMS * LINE);
}

/* The first touch makes the system find the pages, near the core that will read them. */
static float touch(const crew *crew, int part, int64_t amount)
{
    memset(crew->memory + part * share_bytes(crew), (int)amount, (size_t)share_bytes(crew));
    return 0;
}

static float read_memory(const crew *crew, int part, int64_t amount)
{
    const int64_t stream = share_bytes(crew) / STREAMS;
    const uint8_t *share = crew->memory + part * share_bytes(crew);
    ck_vi sums[STREAMS] = {{0}};
    for (int64_t round = 0; round < amount; round++) {
        for (int64_t at = 0; at < stream; at += LINE) {
            CK_UNROLL
            for (int s = 0; s < STREAMS; s++) {
                const uint8_t *line = share + s * stream + at;
                __builtin_prefetch(line + PREFETCH_BYTES);
                CK_UNROLL
                for (int i = 0; i < LINE; i += 4 * CK_LANES) {
                    sums[s] ^= ck_load_codes(line + i);
                }
            }
        }
    }
    float result = 0;
    CK_UNROLL
    for (int s = 0; s < STREAMS; s++) {
        result += (float)sums[s][0];
    }
    return result;
}

static float multiply_add(const crew *crew, int part, int64_t amount)
{
    (void)crew;
    ck_vf sums[CHAINS];
    CK_UNROLL
    for (int i = 0; i < CHAINS; i++) {
        sums[i] = ck_set((float)(part + i));
    }
    /* Converges to 1: neither overflow nor denormals. */
    const ck_vf factor = ck_set(0.5f);
    for (int64_t round = 0; round < amount; round++) {
        CK_UNROLL
        for (int i = 0; i < CHAINS; i++) {
            sums[i] = ck_fma(sums[i], factor, factor);
        }
    }
    float result = 0;
    CK_UNROLL
    for (int i = 0; i < CHAINS; i++) {
        result += ck_sum(sums[i]);
    }
    return result;
}

static float dot(const crew *crew, int part, int64_t amount)
{
    (void)crew;
    uint8_t weights[GROUPS][TILE_ROWS][4 * CK_LANES];
    uint8_t inputs[TILE_COLS][GROUPS][4];
    memset(weights, 3 + part % 8, sizeof weights);
    memset(inputs, 5, sizeof inputs);
    ck_vi sums[TILE_COLS][TILE_ROWS] = {{{0}}};
    for (int64_t round = 0; round < amount; round++) {
        /* The operands may have changed, for all the compiler knows: it must load them and multiply again. */
        __asm__ volatile("" : : "r"(weights), "r"(inputs) : "memory");
        block_sum block[TILE_COLS][TILE_ROWS];
        CK_UNROLL
        for (int c = 0; c < TILE_COLS; c++) {
            CK_UNROLL
            for (int r = 0; r < TILE_ROWS; r++) {
                block[c][r] = begin_block(sums[c][r]);
            }
        }
        CK_UNROLL
        for (int group = 0; group < GROUPS; group++) {
            codes rows[TILE_ROWS];
            CK_UNROLL
            for (int r = 0; r < TILE_ROWS; r++) {
                rows[r] = codes_of(ck_load_codes(weights[group][r]));
            }
            CK_UNROLL
            for (int c = 0; c < TILE_COLS; c++) {
                const ck_inputs input = ck_set_inputs(inputs[c][group]);
                CK_UNROLL
                for (int r = 0; r < TILE_ROWS; r++) {
                    block[c][r] = add_group(block[c][r], rows[r], input);
                }
            }
        }
        CK_UNROLL
        for (int c = 0; c < TILE_COLS; c++) {
            CK_UNROLL
            for (int r = 0; r < TILE_ROWS; r++) {
                sums[c][r] = add_block(sums[c][r], block[c][r]);
            }
        }
    }
    float result = 0;
    CK_UNROLL
    for (int c = 0; c < TILE_COLS; c++) {
        CK_UNROLL
        for (int r = 0; r < TILE_ROWS; r++) {
            result += (float)sums[c][r][0];
        }
    }
    return result;
}

static void *run_member(void *argument)
{
    member *self = argument;
    crew *crew = self->crew;
    atomic_fetch_add(&crew->arrived, 1);
    while (atomic_load(&crew->arrived) < crew->parts) {
        sched_yield();
    }
    self->begin = now();
    self->result = crew->work(crew, self->part, crew->amount);
    self->end = now();
    return NULL;
}

/* Seconds from the first begin to the last end; negative where the system refuses threads. */
static double run_crew(work *work, int parts, int64_t amount, uint8_t *memory, int64_t bytes)
{
    static member members[MOST_THREADS];
    crew crew = {.work = work, .parts = parts, .amount = amount, .memory = memory, .bytes = bytes};
    atomic_init(&crew.arrived, 0);
    for (int part = 0; part < parts; part++) {
        members[part] = (member){.crew = &crew, .part = part};
        /* Those that run already would wait for ever: the process ends. */
        if (pthread_create(&members[part].thread, NULL, run_member, &members[part]) != 0) return -1;
    }
    double begin = 0, end = 0;
    for (int part = 0; part < parts; part++) {
        pthread_join(members[part].thread, NULL);
        if (part == 0 || members[part].begin < begin) begin = members[part].begin;
        if (part == 0 || members[part].end > end) end = members[part].end;
    }
    return end - begin;
}

/* Per second, of several rounds of work. */
typedef struct {
    double best, mean; /* not above 0 where the system refuses threads */
} rates;

/* Rates of rounds that do `worth` units each, by their seconds; a round takes from 15 ms to 60: some are undisturbed. */
static rates measure(work *work, int parts, int64_t amount, uint8_t *memory, int64_t bytes, double worth)
{
    double best = 0, spent = 0;
    int rounds = 0;
    while (spent < ENOUGH_SECONDS) {
        const double seconds = run_crew(work, parts, amount, memory, bytes);
        if (seconds <= 0) return (rates){-1, -1};
        if (worth / seconds > best) best = worth / seconds;
        spent += seconds;
        rounds++;
    }
    return (rates){best, worth * rounds / spent};
}

/* Of arithmetic: `worth` units per amount and part. */
static rates measure_arithmetic(work *work, int parts, double worth)
{
    int64_t amount = 1000;
    double seconds = 0;
    while (seconds >= 0 && seconds < 0.01) {
        amount *= 2;
        seconds = run_crew(work, parts, amount, NULL, 0);
    }
    return measure(work, parts, amount, NULL, 0, worth * (double)amount * parts);
}

/* Of whole passes over the memory, in bytes. */
static rates measure_bandwidth(int parts, uint8_t *memory, int64_t bytes)
{
    const crew shape = {.parts = parts, .bytes = bytes};
    return measure(read_memory, parts, 1, memory, bytes, (double)share_bytes(&shape) * parts);
}

static int say(const char *what)
{
    fprintf(stderr, "probe: %s\n", what);
    return 1;
}

/*
 * The memory to read, in large pages where the system has them; NULL where it refuses. The last stream prefetches beyond its
 * end, which is allowed: a prefetch never faults.
 */
static uint8_t *touched_memory(int cores, int64_t bytes)
{
    uint8_t *memory = mmap(NULL, (size_t)bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANON, -1, 0);
    if (memory == MAP_FAILED) return NULL;
#if defined MADV_HUGEPAGE
    madvise(memory, (size_t)bytes, MADV_HUGEPAGE);
#endif
    return run_crew(touch, cores, 1, memory, bytes) < 0 ? NULL : memory;
}

int main(int count, char **words)
{
    const long cores = count == 3 ? strtol(words[1], NULL, 10) : 0;
    const long long bytes = count == 3 ? strtoll(words[2], NULL, 10) : 0;
    if (cores < 1 || cores > MOST_THREADS || bytes < (1 << 20)) return say("usage: probe CORES BYTES");
    uint8_t *memory = NULL;
    char resource[8];
    int parts;
    while (scanf("%7s %d", resource, &parts) == 2) {
        if (parts < 1 || parts > MOST_THREADS) return say("so many threads cannot be measured");
        rates found;
        if (strcmp(resource, "f32") == 0) {
            found = measure_arithmetic(multiply_add, parts, 2.0 * CHAINS * CK_LANES);
        } else if (strcmp(resource, "int8") == 0) {
            found = measure_arithmetic(dot, parts, 2.0 * 4 * GROUPS * TILE_ROWS * TILE_COLS * CK_LANES);
        } else if (strcmp(resource, "read") == 0) {
            if (memory == NULL) memory = touched_memory((int)cores, bytes);
            if (memory == NULL) return say("the system refused the memory");
            found = measure_bandwidth(parts, memory, bytes);
        } else {
            return say("a resource is read, f32 or int8");
        }
        if (found.best <= 0) return say("the system refused a thread");
        printf("%.0f %.0f\n", found.best, found.mean);
        fflush(stdout);
    }
    return 0;
}
