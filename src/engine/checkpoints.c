#include "checkpoints.h"

#include <stdlib.h>
#include <string.h>

#include "mapping.h"
#include "states.h"

enum { PER_SEQUENCE = 4 };

/* A copy of the whole states of a sequence; position 0: none. */
typedef struct slot {
    int64_t position;
    uint64_t age; /* the larger, the later it was taken */
    int is_asked;
} slot;

struct ck_checkpoints {
    const ck_program *program;
    slot *slots;     /* [sequence_count, PER_SEQUENCE] */
    uint8_t *copies; /* [sequence_count, PER_SEQUENCE, bytes] */
    uint64_t bytes;  /* of all whole states of one sequence; 0: the model has none */
    uint64_t taken;
};

static uint64_t copies_bytes(const ck_checkpoints *c) {
    return (uint64_t)c->program->sequence_count * PER_SEQUENCE * c->bytes;
}

ck_checkpoints *ck_checkpoints_open(const ck_program *program) {
    ck_checkpoints *c = calloc(1, sizeof *c);
    if (!c) return NULL;
    c->program = program;
    for (int32_t i = 0; i < program->state_count; i++) {
        if (program->states[i].kind == CK_STATE_WHOLE) c->bytes += program->states[i].bytes;
    }
    if (c->bytes == 0) return c;
    c->slots = calloc((size_t)program->sequence_count * PER_SEQUENCE, sizeof *c->slots);
    c->copies = ck_map_zeros(copies_bytes(c));
    if (c->slots && c->copies) return c;
    ck_checkpoints_close(c);
    return NULL;
}

void ck_checkpoints_close(ck_checkpoints *c) {
    if (!c) return;
    if (c->copies) ck_unmap_zeros(c->copies, copies_bytes(c));
    free(c->slots);
    free(c);
}

static slot *slots_of(const ck_checkpoints *c, int32_t sequence) {
    return c->slots + (size_t)sequence * PER_SEQUENCE;
}

static uint8_t *copy_of(const ck_checkpoints *c, const slot *s) {
    return c->copies + (uint64_t)(s - c->slots) * c->bytes;
}

/* 1 where a is given up before b. */
static int goes_first(const slot *a, const slot *b) {
    if (a->position == 0 || b->position == 0) return a->position == 0;
    return a->is_asked == b->is_asked ? a->age < b->age : b->is_asked;
}

/* Copies the whole states of a sequence out of the memory, or into it. */
static void move_states(const ck_checkpoints *c, uint8_t *memory, int32_t sequence, uint8_t *copy, int is_out) {
    for (int32_t i = 0; i < c->program->state_count; i++) {
        const ck_state *state = &c->program->states[i];
        if (state->kind != CK_STATE_WHOLE) continue;
        const ck_state_run run = ck_state_run_of(state, sequence, 0, 0);
        memcpy(is_out ? copy : memory + run.offset, is_out ? memory + run.offset : copy, (size_t)run.bytes);
        copy += run.bytes;
    }
}

void ck_checkpoints_take(ck_checkpoints *c, const uint8_t *memory, int32_t sequence, int64_t position, int is_asked) {
    if (c->bytes == 0 || position == 0) return;
    slot *chosen = slots_of(c, sequence);
    for (slot *s = chosen; s < slots_of(c, sequence) + PER_SEQUENCE; s++) {
        if (s->position == position) {
            /* The same tokens came to it: what it keeps is right already. */
            s->is_asked |= is_asked;
            return;
        }
        if (goes_first(s, chosen)) chosen = s;
    }
    *chosen = (slot){.position = position, .age = ++c->taken, .is_asked = is_asked};
    move_states(c, (uint8_t *)memory, sequence, copy_of(c, chosen), 1);
}

void ck_checkpoints_restore(const ck_checkpoints *c, uint8_t *memory, int32_t from, int64_t position, int32_t to) {
    for (int i = 0; c->bytes > 0 && position > 0 && i < PER_SEQUENCE; i++) {
        const slot *s = slots_of(c, from) + i;
        if (s->position == position) move_states(c, memory, to, copy_of(c, s), 0);
    }
}

void ck_checkpoints_drop(ck_checkpoints *c, int32_t sequence, int64_t position) {
    for (int i = 0; c->bytes > 0 && i < PER_SEQUENCE; i++) {
        slot *s = slots_of(c, sequence) + i;
        if (s->position > position) *s = (slot){0};
    }
}

int64_t ck_checkpoints_below(const ck_checkpoints *c, int32_t sequence, int64_t position) {
    if (c->bytes == 0) return position;
    int64_t nearest = 0;
    for (int i = 0; i < PER_SEQUENCE; i++) {
        const int64_t kept = slots_of(c, sequence)[i].position;
        if (kept <= position && kept > nearest) nearest = kept;
    }
    return nearest;
}

int64_t ck_checkpoints_above(const ck_checkpoints *c, int32_t sequence, int64_t position, int64_t held) {
    if (c->bytes == 0) return position;
    int64_t nearest = held;
    for (int i = 0; i < PER_SEQUENCE; i++) {
        const int64_t kept = slots_of(c, sequence)[i].position;
        if (kept >= position && kept > 0 && kept < nearest) nearest = kept;
    }
    return nearest;
}
