/*
 * matmul.c: products of the kernels beside the machine's peak, for matmul.mjs, which prints products.h.
 *
 * ./matmul THREADS ROUNDS: per round and product, seconds of the product, on the engine's threads and in memory as a training has
 * it. Every round goes over all products, so that an operand was last read long ago; round 0 is not printed. Before each
 * round the line "round" asks the reader for the machine's peak, and the program waits for a line in return; a product
 * that does not count then wakes the threads.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "mapping.h"
#include "matmul.h"
#include "workers.h"

typedef struct {
    void (*run)(int part, int parts, float *a, float *b, float *y, float *scratch);
    uint64_t a, b, y; /* bytes */
} product;

#include "products.h"

enum { COUNT = sizeof products / sizeof *products };

/* What the parts of a product share; a step carries it as its memory. */
typedef struct {
    const product *of;
    float *a, *b, *y, *scratch;
} operands;

static void run_part(const ck_step *step, int part, int parts) {
    const operands *use = (const operands *)(const void *)step->memory;
    use->of->run(part, parts, use->a, use->b, use->y, use->scratch);
}

/* Numbers near 1 or below, whichever float format is read. */
static float *make(uint64_t bytes) {
    uint8_t *memory = ck_map_zeros(bytes);
    if (!memory) {
        fprintf(stderr, "matmul: no memory\n");
        exit(1);
    }
    ck_prefer_large_pages(memory, bytes);
    uint16_t *halves = (uint16_t *)(void *)memory;
    for (uint64_t i = 0; i < bytes / 2; i++) halves[i] = (uint16_t)(0x3c00 + (i * 37 & 0xff));
    return (float *)(void *)memory;
}

static double seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

int main(int count, char **words) {
    const int threads = count == 3 ? atoi(words[1]) : 0, rounds = count == 3 ? atoi(words[2]) : 0;
    if (threads < 1 || rounds < 1) {
        fprintf(stderr, "usage: matmul THREADS ROUNDS\n");
        return 2;
    }
    ck_workers *workers;
    ck_error error;
    if (ck_workers_open(threads, &workers, &error)) {
        fprintf(stderr, "matmul: %s\n", error.text);
        return 1;
    }
    operands all[COUNT];
    float *scratch = make(4 * (uint64_t)ROOM);
    for (int i = 0; i < COUNT; i++) {
        all[i] = (operands){&products[i], make(products[i].a), make(products[i].b), make(products[i].y), scratch};
    }
    for (int round = 0; round <= rounds; round++) {
        printf("round\n");
        fflush(stdout);
        if (getchar() == EOF) return 1;
        for (int i = -1; i < COUNT; i++) {
            operands *use = &all[i < 0 ? COUNT - 1 : i];
            const ck_step step = {.memory = (uint8_t *)use, .barrier = ck_workers_barrier(workers)};
            const double begin = seconds();
            ck_workers_run(workers, run_part, &step);
            if (round > 0 && i >= 0) printf("%d %.9f\n", i, seconds() - begin);
        }
    }
    ck_workers_close(workers);
    return 0;
}
