/* A program written by hand in place of a generated model.c. Its logits depend on every id and position held, through a
 * cache that all parts write and all parts read, so that a wrong split, step or barrier changes the numbers.
 *
 * Weights: f32 head [VOCABULARY, LANES], then int32 script [CONTEXT]: where script[p] >= 0, that id gets the largest logit
 * after position p. */
#define _POSIX_C_SOURCE 200809L
#include <time.h>

#include "ck.h"
#include "program.h"

enum { VOCABULARY = 300, CONTEXT = 64, PREFILL = 8, ROWS = 3, LANES = 16, PARTS = 64 };

#if !defined(FIXTURE_ABI)
#define FIXTURE_ABI CK_ABI_VERSION
#endif
#if !defined(FIXTURE_DELAY_MS)
#define FIXTURE_DELAY_MS 0
#endif
#if !defined(FIXTURE_ROWS)
#define FIXTURE_ROWS ROWS
#endif
#if !defined(FIXTURE_FEATURE)
#if defined(__x86_64__)
#define FIXTURE_FEATURE "sse2"
#else
#define FIXTURE_FEATURE "asimd"
#endif
#endif

typedef struct memory {
    float cache[CONTEXT][LANES];
    int32_t ids[PREFILL], positions[PREFILL], sequences[PREFILL], output_index[ROWS];
    float hidden[PREFILL][LANES];
    float logits[ROWS][VOCABULARY];
    int32_t flushes[PARTS]; /* 1 where this part's denormals are zero */
} memory;

typedef struct weights {
    float head[VOCABULARY][LANES];
    int32_t script[CONTEXT];
} weights;

static void step(const ck_step *s, int part, int parts) {
    memory *m = (memory *)s->memory;
    const weights *w = (const weights *)s->weights;
    if (FIXTURE_DELAY_MS > 0 && part == 0) {
        nanosleep(&(struct timespec){.tv_nsec = FIXTURE_DELAY_MS * 1000000L * s->tokens}, NULL);
    }
    volatile float small = 1e-30f;
    volatile float product = small * 1e-10f;
    m->flushes[part] = product == 0;
    for (int64_t t = 0; t < s->tokens; t++) {
        int32_t p = m->positions[t];
        for (int d = part; d < LANES; d += parts) {
            m->cache[p][d] = (float)((m->ids[t] * 31 + p * 17 + d * 7 + m->sequences[t]) % 101) * 0.013f;
        }
    }
    ck_wait(s->barrier, part);
    for (int64_t t = part; t < s->tokens; t += parts) {
        for (int d = 0; d < LANES; d++) {
            float sum = 0;
            for (int32_t q = 0; q <= m->positions[t]; q++) sum += m->cache[q][(d + q) % LANES] / (float)(1 + q);
            m->hidden[t][d] = sum;
        }
    }
    ck_wait(s->barrier, part);
    for (int64_t j = 0; j < s->outputs; j++) {
        int32_t t = m->output_index[j];
        for (int v = part; v < VOCABULARY; v += parts) {
            float sum = w->script[m->positions[t]] == v ? 1000 : 0;
            for (int d = 0; d < LANES; d++) sum += m->hidden[t][d] * w->head[v][d];
            m->logits[j][v] = sum;
        }
    }
}

static void step_one(const ck_step *s, int part, int parts) {
    /* A decode step of more than one token would be a bug of the engine; its logits then stay what they were. */
    if (s->tokens == 1) step(s, part, parts);
}

#if defined(FIXTURE_CHAT)
extern const ck_chat_contract ck_model_chat;
#endif

const ck_program ck_model_program = {
    .abi = FIXTURE_ABI,
    .weights_id = "fixture fixture fixture fixture",
    .name = "fixture",
    .target = "test",
    .cpu_features = (const char *const[]){FIXTURE_FEATURE, NULL},
    .weights_bytes = sizeof(weights),
    .memory_bytes = sizeof(memory),
    .state_bytes = sizeof(float) * CONTEXT * LANES,
    .vocabulary = VOCABULARY,
    .context = CONTEXT,
    .prefill_tokens = PREFILL,
    .decode_tokens = 1,
    .output_rows = FIXTURE_ROWS,
    .ids = offsetof(memory, ids),
    .positions = offsetof(memory, positions),
    .sequences = offsetof(memory, sequences),
    .output_index = offsetof(memory, output_index),
    .logits = offsetof(memory, logits),
    .prefill = step,
    .decode = step_one,
#if defined(FIXTURE_CHAT)
    .chat = &ck_model_chat,
#endif
};
