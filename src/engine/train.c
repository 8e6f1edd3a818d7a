#include "train.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "canaries.h"
#include "cpu.h"
#include "mapping.h"
#include "refuse.h"
#include "workers.h"


struct ck_trainer {
    const ck_training *training;
    uint8_t *memory;
    ck_workers *workers;
};

/* A generated table with an impossible number would write outside the memory. */
static int training_is_sound(const ck_training *training) {
    for (int32_t i = 0; i < training->buffer_count; i++) {
        const ck_training_buffer *buffer = &training->buffers[i];
        if (buffer->offset % 64 != 0 || buffer->offset > training->memory_bytes ||
            buffer->bytes > training->memory_bytes - buffer->offset) {
            return 0;
        }
    }
    if (!ck_canaries_are_sound(training->canaries, training->program_count, training->memory_bytes)) return 0;
    return training->memory_bytes > 0 && training->memory_bytes <= SIZE_MAX && training->program_count > 0;
}

static ck_status check_training(const ck_training *training, int32_t threads, ck_error *error) {
    if (training->version != CK_TRAINING_VERSION) {
        return ck_refuse(error, CK_ERROR_FORMAT,
                         "the training program was generated for version %" PRIu32 "; accepted: %d", training->version,
                         CK_TRAINING_VERSION);
    }
    char missing[256];
    if (ck_cpu_missing(training->cpu_features, missing, sizeof missing) > 0) {
        return ck_refuse(error, CK_ERROR_CPU,
                         "%s was built for %s, and this CPU lacks %s; build it for this machine (--target native)",
                         training->name, training->target, missing);
    }
    if (!training_is_sound(training)) {
        return ck_refuse(error, CK_ERROR_FORMAT,
                         "the training program of %s has sizes that contradict each other; build it again",
                         training->name);
    }
    if (threads < 1 || threads > CK_MOST_PARTS) {
        return ck_refuse(error, CK_ERROR_ARGUMENT, "threads is %" PRId32 "; accepted: 1 to %d", threads, CK_MOST_PARTS);
    }
    return CK_OK;
}

ck_status ck_trainer_open(int32_t threads, ck_trainer **out, ck_error *error) {
    if (!out) return ck_refuse(error, CK_ERROR_ARGUMENT, "ck_trainer_open: trainer is NULL");
    *out = NULL;
    const ck_training *training = &ck_model_training;
    ck_status status = check_training(training, threads, error);
    if (status) return status;
    ck_trainer *trainer = calloc(1, sizeof *trainer);
    if (!trainer) return ck_refuse(error, CK_ERROR_MEMORY, "no memory for a trainer");
    trainer->training = training;
    trainer->memory = ck_map_zeros(training->memory_bytes);
    if (!trainer->memory) {
        status = ck_refuse(error, CK_ERROR_MEMORY,
                           "the system refused %" PRIu64
                           " bytes to train %s; a smaller batch or a budget (--memory) is accepted",
                           training->memory_bytes, training->name);
    }
    if (!status) status = ck_workers_open(threads, &trainer->workers, error);
    if (status) {
        ck_trainer_close(trainer);
        return status;
    }
    ck_prefer_large_pages(trainer->memory, training->memory_bytes);
    /* A page that is written to is there: no step waits for one. */
    memset(trainer->memory, 0, (size_t)training->memory_bytes);
    *out = trainer;
    return CK_OK;
}

void ck_trainer_close(ck_trainer *trainer) {
    if (!trainer) return;
    ck_workers_close(trainer->workers);
    ck_unmap_zeros(trainer->memory, trainer->training->memory_bytes);
    free(trainer);
}

uint8_t *ck_trainer_memory(ck_trainer *trainer) {
    return trainer->memory;
}

ck_status ck_trainer_run(ck_trainer *trainer, int32_t index, ck_error *error) {
    const ck_training *training = trainer->training;
    if (index < 0 || index >= training->program_count) {
        return ck_refuse(error, CK_ERROR_ARGUMENT, "program is %" PRId32 "; accepted: 0 to %" PRId32, index,
                         training->program_count - 1);
    }
    ck_watch watch = {.canaries = training->canaries ? &training->canaries[index] : NULL};
    const ck_step step = {
        .memory = trainer->memory,
        .barrier = ck_workers_barrier(trainer->workers),
        .watch = watch.canaries ? &watch : NULL,
    };
    ck_workers_run(trainer->workers, training->programs[index].function, &step);
    return ck_watch_judge(&watch, training->programs[index].name, error);
}
