/* train.h: the public interface of a built training program (libtrain.so), and its seam with the generated model.c.
 *
 * A ck_trainer is one run: its memory holds weights, states of the optimizer, gradients, inputs and what a step leaves.
 * Whoever drives it writes inputs and weights by the table of buffers, and runs programs. Calls on one trainer must not
 * overlap. Nothing is allocated after open, and every page is there before the first step. There is no global mutable state.
 */
#ifndef CK_TRAIN_H
#define CK_TRAIN_H

#include "canaries.h"
#include "ck.h"
#include "program.h"

#ifdef __cplusplus
extern "C" {
#endif

#define CK_TRAINING_VERSION 2

/* Bytes of a trainer's memory under a name of the graph. */
typedef struct ck_training_buffer {
    const char *name;
    const char *dtype; /* f32, bf16 or i32 */
    uint64_t offset;   /* a multiple of 64 */
    uint64_t bytes;
} ck_training_buffer;

typedef struct ck_training_program {
    const char *name; /* train, gradients, accumulate, update, evaluate */
    ck_step_function *function;
} ck_training_program;

typedef struct ck_training {
    uint32_t version; /* CK_TRAINING_VERSION */
    const char *name;
    const char *target;
    const char *const *cpu_features; /* as in ck_program */
    uint64_t memory_bytes;
    const ck_training_buffer *buffers; /* what is there before a step or behind it */
    int32_t buffer_count;
    const ck_training_program *programs;
    int32_t program_count;
    const ck_canaries *canaries; /* of a debug build, one for each program; else NULL */
} ck_training;

/* Defined by the generated model.c. */
extern const ck_training ck_model_training;

typedef struct ck_trainer ck_trainer;

/* threads: 1..64, the caller's included. All memory is zero. */
ck_status ck_trainer_open(int32_t threads, ck_trainer **trainer, ck_error *error);
void ck_trainer_close(ck_trainer *trainer);
/* [ck_training.memory_bytes], until the trainer is closed. */
uint8_t *ck_trainer_memory(ck_trainer *trainer);
/* Runs program `index` of ck_training.programs, with denormals flushed to zero. In a debug build CK_ERROR_OVERRUN where a
 * call wrote beyond a buffer; the memory then holds what it left. */
ck_status ck_trainer_run(ck_trainer *trainer, int32_t index, ck_error *error);

#ifdef __cplusplus
}
#endif

#endif
