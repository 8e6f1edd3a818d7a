/* Uses the engine as a program would, from several threads, for the sanitizers: they see what a test's numbers do not.
 * usage: exercise weights.bump. Prints "fine", or the first thing that is wrong. */
#define _POSIX_C_SOURCE 200809L
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "barrier.h"
#include "ck.h"

enum { VOCABULARY = 300, TOKENS = 40 };

#define EXPECT(condition)                                                 \
    do {                                                                  \
        if (!(condition)) {                                               \
            printf("line %d: %s: %s\n", __LINE__, #condition, error.text); \
            exit(1);                                                      \
        }                                                                 \
    } while (0)

static void make_ids(int32_t ids[TOKENS]) {
    for (int i = 0; i < TOKENS; i++) ids[i] = (i * 37 + 11) % VOCABULARY;
}

/* 1 where this thread computes with denormal numbers, as the caller of the engine must still do after a call. */
static int keeps_denormals(void) {
    volatile float tiny = 1e-39f;
    return tiny * 0.5f > 0;
}

static void all_logits(ck_context *context, ck_mode mode, float *logits) {
    ck_error error = {""};
    int32_t ids[TOKENS];
    make_ids(ids);
    EXPECT(!ck_context_rewind(context, 0, &error));
    EXPECT(!ck_context_eval(context, mode, ids, TOKENS, logits, TOKENS, &error));
    EXPECT(keeps_denormals());
}

typedef struct job {
    const ck_model *model;
    const float *expected;
    int threads;
} job;

static void *run_job(void *argument) {
    const job *j = argument;
    ck_error error = {""};
    ck_context *context = NULL;
    EXPECT(!ck_context_open(j->model, j->threads, &context, &error));
    float *logits = malloc(sizeof(float) * TOKENS * VOCABULARY);
    for (int i = 0; i < 4; i++) {
        all_logits(context, i % 2 ? CK_DECODE : CK_PREFILL, logits);
        EXPECT(memcmp(logits, j->expected, sizeof(float) * TOKENS * VOCABULARY) == 0);
    }
    const ck_generation_options options = {
        .sampling = {.temperature = 1, .top_k = 40, .top_p = 0.9f, .repeat_penalty = 1.1f, .repeat_window = 8, .seed = 7},
        .tokens = 10,
        .ignore_eos = 1,
    };
    ck_generation *generation = NULL;
    int32_t id = 5;
    EXPECT(!ck_generation_open(context, &id, 1, &options, &generation, &error));
    ck_piece piece = {.finish = CK_RUNNING};
    while (piece.finish == CK_RUNNING) EXPECT(!ck_generation_next(generation, &piece, &error));
    ck_generation_close(generation);
    ck_context_close(context);
    free(logits);
    return NULL;
}

static void run_together(const ck_model *model, const float *expected) {
    pthread_t threads[4];
    job jobs[4];
    for (int i = 0; i < 4; i++) {
        jobs[i] = (job){model, expected, i + 1};
        pthread_create(&threads[i], NULL, run_job, &jobs[i]);
    }
    for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
}

/* Two sequences in one batch, a copy of a prefix, and a shifted generation, with the numbers of one alone. */
static void run_sequences(const ck_model *model, const float *expected, int threads) {
    ck_error error = {""};
    ck_context *context = NULL;
    EXPECT(!ck_context_open(model, threads, &context, &error));
    int32_t ids[2 * TOKENS], sequences[2 * TOKENS];
    int64_t outputs[TOKENS];
    make_ids(ids);
    for (int i = TOKENS - 1; i >= 0; i--) {
        ids[2 * i] = ids[i];
        ids[2 * i + 1] = (ids[i] + 7) % VOCABULARY;
        sequences[2 * i] = 2;
        sequences[2 * i + 1] = 0;
        outputs[i] = 2 * i;
    }
    const ck_batch batch = {ids, sequences, 0, 2 * TOKENS, outputs, TOKENS};
    const size_t bytes = sizeof(float) * TOKENS * VOCABULARY;
    float *logits = malloc(bytes);
    for (int mode = 0; mode < 2; mode++) {
        for (int32_t sequence = 0; sequence < 3; sequence++) EXPECT(!ck_sequence_rewind(context, sequence, 0, &error));
        EXPECT(!ck_context_eval_batch(context, (ck_mode)mode, &batch, logits, &error));
        EXPECT(memcmp(logits, expected, bytes) == 0);
        EXPECT(!ck_sequence_copy(context, 2, 1, TOKENS - 3, &error));
        int32_t last[TOKENS];
        make_ids(last);
        const ck_batch rest = {.ids = last + TOKENS - 3, .sequence = 1, .count = 3, .rows = 3};
        EXPECT(!ck_context_eval_batch(context, (ck_mode)mode, &rest, logits, &error));
        EXPECT(memcmp(logits, expected + (TOKENS - 3) * VOCABULARY, sizeof(float) * 3 * VOCABULARY) == 0);
    }
    const ck_generation_options options = {
        .tokens = 60, .ignore_eos = 1, .sequence = 1, .overflow = CK_OVERFLOW_SHIFT, .keep = 3, .sampling.top_p = 1,
        .sampling.repeat_penalty = 1,
    };
    ck_generation *generation = NULL;
    EXPECT(!ck_generation_open(context, ids, 1, &options, &generation, &error));
    ck_piece piece = {.finish = CK_RUNNING};
    while (piece.finish == CK_RUNNING) EXPECT(!ck_generation_next(generation, &piece, &error));
    ck_generation_close(generation);
    free(logits);
    ck_context_close(context);
}

static void *stop_soon(void *context) {
    for (int i = 0; i < 50; i++) {
        nanosleep(&(struct timespec){.tv_nsec = 200000}, NULL);
        ck_context_stop(context);
    }
    return NULL;
}

static void stop_from_outside(const ck_model *model) {
    ck_error error = {""};
    ck_context *context = NULL;
    EXPECT(!ck_context_open(model, 2, &context, &error));
    int32_t ids[TOKENS];
    make_ids(ids);
    pthread_t thread;
    pthread_create(&thread, NULL, stop_soon, context);
    for (int i = 0; i < 60; i++) {
        EXPECT(!ck_context_rewind(context, 0, &error));
        ck_status status = ck_context_eval(context, CK_DECODE, ids, TOKENS, NULL, 0, &error);
        EXPECT(status == CK_OK || status == CK_ERROR_STOPPED);
        EXPECT((ck_context_position(context) == TOKENS) == (status == CK_OK));
    }
    pthread_join(thread, NULL);
    ck_context_close(context);
}

static struct ck_barrier barrier;

static void *pass(void *argument) {
    ck_wait(&barrier, *(const int *)argument);
    return NULL;
}

/* One part takes its own pieces and then those of the others, each once; behind the barrier there are as many again. */
static void claim_all(void) {
    const ck_error error = {""};
    enum { PARTS = 3 };
    EXPECT(!ck_barrier_init(&barrier, PARTS, 0));
    for (int round = 0; round < 3; round++) {
        int piece, taken[PARTS * CK_PIECES] = {0};
        for (int i = 0; ck_claim(&barrier, 1, &piece); i++) {
            EXPECT(piece >= 0 && piece < ck_pieces(PARTS));
            EXPECT((i < CK_PIECES) == (piece / CK_PIECES == 1));
            taken[piece]++;
        }
        for (int i = 0; i < ck_pieces(PARTS); i++) EXPECT(taken[i] == 1);
        for (int part = 0; part < PARTS; part++) EXPECT(!ck_claim(&barrier, part, &piece));
        const int others[] = {0, 2};
        pthread_t threads[2];
        for (int i = 0; i < 2; i++) pthread_create(&threads[i], NULL, pass, (void *)&others[i]);
        ck_wait(&barrier, 1);
        for (int i = 0; i < 2; i++) pthread_join(threads[i], NULL);
    }
    ck_barrier_destroy(&barrier);
    /* Alone a part has one piece. */
    EXPECT(!ck_barrier_init(&barrier, 1, 0));
    for (int round = 0; round < 3; round++) {
        int piece = -1;
        EXPECT(ck_claim(&barrier, 0, &piece) && piece == 0);
        EXPECT(!ck_claim(&barrier, 0, &piece));
        ck_wait(&barrier, 0);
    }
    ck_barrier_destroy(&barrier);
}

int main(int argc, char **argv) {
    ck_error error = {""};
    ck_model *model = NULL;
    EXPECT(argc == 2);
    EXPECT(!ck_model_open(argv[1], &model, &error));
    EXPECT(!ck_model_verify(model, &error));
    float *expected = malloc(sizeof(float) * TOKENS * VOCABULARY);
    float *logits = malloc(sizeof(float) * TOKENS * VOCABULARY);
    const int threads[] = {1, 2, 3, 8, 11};
    for (int i = 0; i < 5; i++) {
        ck_context *context = NULL;
        EXPECT(!ck_context_open(model, threads[i], &context, &error));
        for (int mode = 0; mode < 2; mode++) {
            all_logits(context, (ck_mode)mode, i || mode ? logits : expected);
            EXPECT((!i && !mode) || memcmp(logits, expected, sizeof(float) * TOKENS * VOCABULARY) == 0);
        }
        ck_context_close(context);
    }
    for (int count = 1; count <= 3; count++) run_sequences(model, expected, count);
    run_together(model, expected);
    stop_from_outside(model);
    claim_all();
    free(expected);
    free(logits);
    ck_model_close(model);
    puts("fine");
    return 0;
}
