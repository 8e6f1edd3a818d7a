/* A program written by hand in place of a generated model.c. Its logits depend on every id and position held,
 * through a cache that all parts write and all parts read, so that a wrong split, step or barrier changes the
 * numbers. A second state holds the same in halves, in panels of positions, and counts into the hidden values too.
 *
 * Weights: f32 head [VOCABULARY, LANES], then int32 script [CONTEXT]: where script[p] >= 0, that id gets the largest
 * logit after position p. */
#define _POSIX_C_SOURCE 200809L
#include <time.h>

#include "ck.h"
#include "program.h"

#if !defined(FIXTURE_CONTEXT)
#define FIXTURE_CONTEXT 64
#endif
#if !defined(FIXTURE_STATE_ID)
#define FIXTURE_STATE_ID "states of the fixture"
#endif

enum { WEIGHTS_CONTEXT = 64 };
enum { VOCABULARY = 300, CONTEXT = FIXTURE_CONTEXT, PREFILL = 8, ROWS = 3, LANES = 16, PARTS = 64, SEQUENCES = 3 };
/* The second state: rows, positions of a panel. */
enum { HEADS = 2, PANEL = 4 };

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
    float cache[SEQUENCES][CONTEXT][LANES];
    struct panel {
        uint16_t scale[PANEL];
        uint8_t codes[LANES / HEADS][PANEL];
    } panels[SEQUENCES][HEADS][CONTEXT / PANEL];
    int32_t ids[PREFILL], positions[PREFILL], sequences[PREFILL], output_index[ROWS];
    float hidden[PREFILL][LANES];
    float logits[ROWS][VOCABULARY];
    int32_t flushes[PARTS]; /* 1 where this part's denormals are zero */
} memory;

typedef struct weights {
    float head[VOCABULARY][LANES];
    int32_t script[WEIGHTS_CONTEXT];
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
        int32_t p = m->positions[t], r = m->sequences[t];
        for (int d = part; d < LANES; d += parts) {
            int code = (m->ids[t] * 31 + p * 17 + d * 7) % 101;
            struct panel *panel = &m->panels[r][d % HEADS][p / PANEL];
            m->cache[r][p][d] = (float)code * 0.013f;
            panel->codes[d / HEADS][p % PANEL] = (uint8_t)code;
            if (d < HEADS) panel->scale[p % PANEL] = (uint16_t)(p + 1);
        }
    }
    ck_wait(s->barrier, part);
    for (int64_t t = part; t < s->tokens; t += parts) {
        for (int d = 0; d < LANES; d++) {
            float sum = 0;
            int32_t r = m->sequences[t];
            for (int32_t q = 0; q <= m->positions[t]; q++) {
                const struct panel *panel = &m->panels[r][d % HEADS][q / PANEL];
                sum += m->cache[r][q][(d + q) % LANES] / (float)(1 + q);
                sum += (float)panel->codes[d / HEADS][q % PANEL] / (float)(panel->scale[q % PANEL] + 90);
            }
            m->hidden[t][d] = sum;
        }
    }
    ck_wait(s->barrier, part);
    const int pieces = ck_pieces(parts);
    for (int piece; ck_claim(s->barrier, part, &piece);) {
        for (int64_t j = 0; j < s->outputs; j++) {
            int32_t t = m->output_index[j];
            for (int v = piece; v < VOCABULARY; v += pieces) {
                float sum = w->script[m->positions[t]] == v ? 1000 : 0;
                for (int d = 0; d < LANES; d++) sum += m->hidden[t][d] * w->head[v][d];
                m->logits[j][v] = sum;
            }
        }
    }
}

static void step_one(const ck_step *s, int part, int parts) {
    /* A decode step with two tokens of a sequence would be a bug of the engine; its logits then stay what they were. */
    const int32_t *sequences = ((memory *)s->memory)->sequences;
    for (int64_t t = 1; t < s->tokens; t++) {
        for (int64_t i = 0; i < t; i++) {
            if (sequences[i] == sequences[t]) return;
        }
    }
    step(s, part, parts);
}

static const ck_state states[] = {
    {"cache", CK_STATE_POSITIONS, offsetof(memory, cache), sizeof(float) * CONTEXT * LANES, 1, 1,
     {{1, sizeof(float) * LANES}}},
    {"panels", CK_STATE_POSITIONS, offsetof(memory, panels), sizeof(struct panel) * HEADS * CONTEXT / PANEL, HEADS,
     PANEL, {{1, 2}, {LANES / HEADS, 1}}},
};
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
    .state_bytes = offsetof(memory, ids),
    .state_id = FIXTURE_STATE_ID,
    .states = states,
    .state_count = sizeof states / sizeof states[0],
    .vocabulary = VOCABULARY,
    .context = CONTEXT,
    .sequence_count = SEQUENCES,
    .prefill_tokens = PREFILL,
    .decode_tokens = SEQUENCES,
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
