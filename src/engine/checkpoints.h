/* checkpoints.h: copies of whole states, by which a sequence goes back to earlier positions. A model without whole states
 * needs none: there all of this does nothing, and every position can be restored. */
#ifndef CK_CHECKPOINTS_H
#define CK_CHECKPOINTS_H

#include "engine.h"

typedef struct ck_checkpoints ck_checkpoints;

/* Room for the copies of every sequence; memory is taken where they are written. NULL where the system refuses. */
ck_checkpoints *ck_checkpoints_open(const ck_program *program);
void ck_checkpoints_close(ck_checkpoints *checkpoints);

/* Keeps what the sequence holds at `position` > 0. Where there is no room the oldest gives way, those that nobody has asked
 * for first. */
void ck_checkpoints_take(ck_checkpoints *checkpoints, const uint8_t *memory, int32_t sequence, int64_t position,
                         int is_asked);
/* Gives sequence `to` the states that `from` had at a position that was kept. */
void ck_checkpoints_restore(const ck_checkpoints *checkpoints, uint8_t *memory, int32_t from, int64_t position, int32_t to);
/* Forgets those of positions above `position`. */
void ck_checkpoints_drop(ck_checkpoints *checkpoints, int32_t sequence, int64_t position);
/* The nearest kept position not above `position`, 0 where there is none; and not below it, `held` where there is none. */
int64_t ck_checkpoints_below(const ck_checkpoints *checkpoints, int32_t sequence, int64_t position);
int64_t ck_checkpoints_above(const ck_checkpoints *checkpoints, int32_t sequence, int64_t position, int64_t held);

#endif
