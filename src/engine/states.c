#include "states.h"

#include <string.h>

static uint64_t panel_bytes(const ck_state *state) {
    uint64_t bytes = 0;
    for (int i = 0; i < 2; i++) {
        bytes += (uint64_t)state->parts[i].count * (uint64_t)state->lanes * (uint64_t)state->parts[i].bytes;
    }
    return bytes;
}

static int holds_context(const ck_state *state, int64_t context) {
    const int64_t limit = INT64_C(1) << 31;
    if (state->rows < 1 || state->rows >= limit || state->lanes < 1 || state->lanes > 4096) return 0;
    for (int i = 0; i < 2; i++) {
        if (state->parts[i].count < 0 || state->parts[i].count >= limit) return 0;
        if (state->parts[i].bytes < 0 || state->parts[i].bytes >= limit / 4096) return 0;
    }
    const uint64_t panel = panel_bytes(state), row = state->bytes / (uint64_t)state->rows;
    return panel > 0 && state->bytes % (uint64_t)state->rows == 0 && row % panel == 0 &&
           row / panel >= ((uint64_t)context - 1) / (uint64_t)state->lanes + 1;
}

int ck_states_are_sound(const ck_program *program) {
    if (program->state_count < 0 || (program->state_count > 0 && !program->states)) return 0;
    for (int32_t i = 0; i < program->state_count; i++) {
        const ck_state *state = &program->states[i];
        if (state->offset > program->state_bytes) return 0;
        if (state->bytes > (program->state_bytes - state->offset) / (uint64_t)program->sequence_count) return 0;
        if (state->kind == CK_STATE_POSITIONS ? !holds_context(state, program->context)
                                              : state->kind != CK_STATE_WHOLE) {
            return 0;
        }
    }
    return 1;
}

int64_t ck_state_runs(const ck_state *state) {
    return state->kind == CK_STATE_POSITIONS ? state->rows : 1;
}

ck_state_run ck_state_run_of(const ck_state *state, int32_t sequence, int64_t run, int64_t tokens) {
    const uint64_t start = state->offset + (uint64_t)sequence * state->bytes;
    if (state->kind == CK_STATE_WHOLE) return (ck_state_run){start, state->bytes, 0};
    const uint64_t row = state->bytes / (uint64_t)state->rows;
    const uint64_t lanes = (uint64_t)state->lanes, panel = panel_bytes(state);
    const uint64_t panels = ((uint64_t)tokens + lanes - 1) / lanes;
    return (ck_state_run){start + (uint64_t)run * row, panels * panel, (uint64_t)tokens % lanes > 0 ? panel : 0};
}

uint64_t ck_states_bytes(const ck_program *program, int64_t tokens) {
    uint64_t bytes = 0;
    for (int32_t i = 0; i < program->state_count; i++) {
        const ck_state *state = &program->states[i];
        bytes += (uint64_t)ck_state_runs(state) * ck_state_run_of(state, 0, 0, tokens).bytes;
    }
    return bytes;
}

void ck_state_mask(const ck_state *state, int64_t tokens, uint8_t *panel) {
    const size_t held = (size_t)(tokens % state->lanes), lanes = (size_t)state->lanes;
    uint8_t *at = panel;
    for (int i = 0; i < 2; i++) {
        const size_t each = (size_t)state->parts[i].bytes;
        for (int64_t k = 0; k < state->parts[i].count; k++, at += lanes * each) {
            memset(at + held * each, 0, (lanes - held) * each);
        }
    }
}

void ck_states_copy(const ck_program *program, uint8_t *memory, int32_t from, int32_t to, int64_t tokens) {
    for (int32_t i = 0; i < program->state_count; i++) {
        const ck_state *state = &program->states[i];
        for (int64_t run = 0; run < ck_state_runs(state); run++) {
            const ck_state_run source = ck_state_run_of(state, from, run, tokens);
            const ck_state_run target = ck_state_run_of(state, to, run, tokens);
            memcpy(memory + target.offset, memory + source.offset, (size_t)source.bytes);
        }
    }
}

void ck_states_clear(const ck_program *program, uint8_t *memory, int32_t sequence) {
    for (int32_t i = 0; i < program->state_count; i++) {
        const ck_state *state = &program->states[i];
        if (state->kind != CK_STATE_WHOLE) continue;
        const ck_state_run run = ck_state_run_of(state, sequence, 0, 0);
        memset(memory + run.offset, 0, (size_t)run.bytes);
    }
}
