#include "canaries.h"

#include <inttypes.h>

#include "refuse.h"

/* Numbers of about 1e30 in f32, another in every place: what is computed or copied from guards differs from them, unlike
 * a NaN, which arithmetic hands on. */
static uint8_t guard_byte(uint64_t offset) {
    uint32_t word = 0x71000000u | ((uint32_t)(offset / 4) * 2654435761u) >> 8;
    return (uint8_t)(word >> (8 * (offset % 4)));
}

static void lay(uint8_t *memory, const ck_guard *guard) {
    for (uint64_t i = 0; i < guard->bytes; i++) memory[guard->offset + i] = guard_byte(guard->offset + i);
}

/* The first byte of a guard that was written to; its size where none was. */
static uint64_t first_written(const uint8_t *memory, const ck_guard *guard) {
    for (uint64_t i = 0; i < guard->bytes; i++)
        if (memory[guard->offset + i] != guard_byte(guard->offset + i)) return i;
    return guard->bytes;
}

void ck_canary_look(const ck_step *step, int part, int32_t call) {
    ck_watch *watch = step->watch;
    /* All parts have finished the call before; and none begins the next until the guards lie. */
    ck_wait(step->barrier, part);
    if (part == 0) {
        const ck_canaries *canaries = watch->canaries;
        for (int32_t i = 0; i < canaries->guard_count; i++) {
            const ck_guard *guard = &canaries->guards[i];
            if (guard->first < call && call <= guard->last + 1 && !watch->hit) {
                uint64_t byte = first_written(step->memory, guard);
                if (byte < guard->bytes) {
                    watch->hit = guard;
                    watch->call = call - 1;
                    watch->byte = byte;
                }
            }
        }
        for (int32_t i = 0; i < canaries->guard_count; i++)
            if (canaries->guards[i].first == call) lay(step->memory, &canaries->guards[i]);
    }
    ck_wait(step->barrier, part);
}

int ck_canaries_are_sound(const ck_canaries *canaries, int32_t count, uint64_t memory_bytes) {
    for (int32_t i = 0; canaries && i < count; i++) {
        for (int32_t k = 0; k < canaries[i].guard_count; k++) {
            const ck_guard *guard = &canaries[i].guards[k];
            if (guard->offset > memory_bytes || guard->bytes > memory_bytes - guard->offset) return 0;
        }
    }
    return 1;
}

ck_status ck_watch_judge(const ck_watch *watch, const char *name, ck_error *error) {
    if (!watch->hit) return CK_OK;
    const ck_guarded_call *call = &watch->canaries->calls[watch->call];
    return ck_refuse(error, CK_ERROR_OVERRUN,
                     "%s wrote beyond '%s' in the %s phase of %s (byte %" PRIu64 " behind its end)",
                     call->name, watch->hit->buffer, call->phase, name, watch->byte);
}
