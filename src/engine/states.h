/* states.h: the bytes that a context keeps of a sequence. */
#ifndef CK_STATES_H
#define CK_STATES_H

#include "program.h"

/* 1 where every state lies in the memory and its panels hold the context. */
int ck_states_are_sound(const ck_program *program);

/* A run of bytes that hold `tokens` tokens of a state of a sequence. */
typedef struct ck_state_run {
    uint64_t offset; /* from the start of the memory */
    uint64_t bytes;
    uint64_t mixed; /* at the end: a panel that has other positions too */
} ck_state_run;

/* Runs of a state: a row of panels each, or the whole. */
int64_t ck_state_runs(const ck_state *state);
/* Run 0 .. ck_state_runs - 1 of a sequence. Of panels those that hold one of the first `tokens` positions. */
ck_state_run ck_state_run_of(const ck_state *state, int32_t sequence, int64_t run, int64_t tokens);
/* Bytes of all runs of all states. */
uint64_t ck_states_bytes(const ck_program *program, int64_t tokens);

/* Zeroes what a copy of a mixed panel holds of positions from `tokens` on, which may be any bytes. */
void ck_state_mask(const ck_state *state, int64_t tokens, uint8_t *panel);

/* Gives sequence `to` what `from` holds of its first `tokens` positions; whole states as they are. */
void ck_states_copy(const ck_program *program, uint8_t *memory, int32_t from, int32_t to, int64_t tokens);
/* What a sequence without tokens has: zeros in whole states. */
void ck_states_clear(const ck_program *program, uint8_t *memory, int32_t sequence);

#endif
