#if !defined(_GNU_SOURCE)
#define _GNU_SOURCE 1
#endif
#include "profile.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engine.h"
#include "hardware.h"
#include "mapping.h"
#include "refuse.h"

/* Of each part: a hundred steps of a model of thirty layers. */
#define EVENTS 65536

/* What one part counts, written by its thread only. */
typedef struct part_profile {
    _Alignas(64) int64_t begun; /* when its step began */
    int64_t last;               /* when the site before ended */
    int64_t kept;
    int64_t dropped;
    ck_event *events;     /* [EVENTS] */
    ck_counter *counters; /* [site_count], behind the events */
    ck_hardware hardware;
} part_profile;

struct ck_profile {
    int32_t site_count;
    int parts;
    part_profile of[];
};

static int64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

static uint64_t counted_bytes(int32_t site_count) {
    return EVENTS * sizeof(ck_event) + (uint64_t)site_count * sizeof(ck_counter);
}

/* Writes every page, so that no step waits for one. */
static void clear(ck_profile *profile) {
    for (int part = 0; part < profile->parts; part++) {
        part_profile *own = &profile->of[part];
        own->kept = own->dropped = 0;
        memset(own->events, 0, counted_bytes(profile->site_count));
    }
}

ck_status ck_profile_open(const ck_program *program, int parts, ck_profile **out, ck_error *error) {
    *out = NULL;
    if (program->site_count == 0) return CK_OK;
    size_t bytes = sizeof(ck_profile) + (size_t)parts * sizeof(part_profile);
    ck_profile *profile = aligned_alloc(_Alignof(ck_profile), bytes);
    if (profile) {
        memset(profile, 0, bytes);
        profile->site_count = program->site_count;
        while (profile->parts < parts) {
            part_profile *own = &profile->of[profile->parts];
            own->events = (ck_event *)(void *)ck_map_zeros(counted_bytes(program->site_count));
            if (!own->events) break;
            own->counters = (ck_counter *)(own->events + EVENTS);
            ck_hardware_init(&own->hardware);
            profile->parts++;
        }
    }
    if (!profile || profile->parts < parts) {
        ck_profile_close(profile);
        return ck_refuse(error, CK_ERROR_MEMORY, "no memory for the counters of %d threads", parts);
    }
    clear(profile);
    *out = profile;
    return CK_OK;
}

void ck_profile_close(ck_profile *profile) {
    if (!profile) return;
    for (int part = 0; part < profile->parts; part++) {
        part_profile *own = &profile->of[part];
        ck_hardware_close(&own->hardware);
        ck_unmap_zeros((uint8_t *)own->events, counted_bytes(profile->site_count));
    }
    free(profile);
}

static void record(part_profile *own, int site, int64_t start, int64_t end) {
    own->counters[site].calls++;
    own->counters[site].nanoseconds += (uint64_t)(end - start);
    if (own->kept == EVENTS) {
        own->dropped++;
        return;
    }
    own->events[own->kept++] = (ck_event){.start = start, .nanoseconds = end - start, .site = site};
}

void ck_profile_begin(const ck_step *step, int part) {
    part_profile *own = &step->profile->of[part];
    ck_hardware_begin(&own->hardware);
    own->begun = own->last = now();
}

void ck_profile_lap(const ck_step *step, int part, int site) {
    part_profile *own = &step->profile->of[part];
    int64_t end = now();
    record(own, site, own->last, end);
    own->last = end;
}

void ck_profile_end(const ck_step *step, int part, int site) {
    part_profile *own = &step->profile->of[part];
    record(own, site, own->begun, own->last);
    ck_hardware_end(&own->hardware, &own->counters[site]);
}

int32_t ck_model_sites(const ck_model *model, const ck_site **sites) {
    *sites = model->program->sites;
    return model->program->site_count;
}

static ck_status refuse_ordinary(ck_error *error) {
    return ck_refuse(error, CK_ERROR_ARGUMENT, "this build counts nothing; accepted: one made with ck build --profile");
}

/* NULL with an error text where there is none. */
static part_profile *find_part(const ck_context *context, int32_t thread, ck_error *error) {
    ck_profile *profile = ck_context_counters(context);
    if (!profile) {
        refuse_ordinary(error);
        return NULL;
    }
    if (thread < 0 || thread >= profile->parts) {
        ck_refuse(error, CK_ERROR_ARGUMENT, "thread is %" PRId32 "; accepted: 0 to %d", thread, profile->parts - 1);
        return NULL;
    }
    return &profile->of[thread];
}

ck_status ck_context_profile(const ck_context *context, int32_t thread, ck_counter *counters, int32_t site_count,
                             ck_error *error) {
    const part_profile *own = find_part(context, thread, error);
    if (!own) return CK_ERROR_ARGUMENT;
    int32_t sites = ck_context_counters(context)->site_count;
    if (site_count != sites || !counters) {
        return ck_refuse(error, CK_ERROR_ARGUMENT, "counters of %" PRId32 " sites; accepted: %" PRId32, site_count,
                         sites);
    }
    memcpy(counters, own->counters, (size_t)sites * sizeof *counters);
    return CK_OK;
}

ck_status ck_context_profile_events(const ck_context *context, int32_t thread, ck_event *events, int64_t capacity,
                                    int64_t *count, int64_t *dropped, ck_error *error) {
    const part_profile *own = find_part(context, thread, error);
    if (!own) return CK_ERROR_ARGUMENT;
    if (capacity < 0 || (capacity > 0 && !events) || !count || !dropped) {
        return ck_refuse(error, CK_ERROR_ARGUMENT, "room for %" PRId64 " events; accepted: 0 or more, and where to write",
                         capacity);
    }
    int64_t copied = own->kept < capacity ? own->kept : capacity;
    if (copied > 0) memcpy(events, own->events, (size_t)copied * sizeof *events);
    *count = own->kept;
    *dropped = own->dropped;
    return CK_OK;
}

ck_status ck_context_profile_reset(ck_context *context, ck_error *error) {
    ck_profile *profile = ck_context_counters(context);
    if (!profile) return refuse_ordinary(error);
    clear(profile);
    return CK_OK;
}

const char *ck_context_profile_hardware(const ck_context *context) {
    const ck_profile *profile = ck_context_counters(context);
    if (!profile) return "this build counts nothing";
    return ck_hardware_refusal(&profile->of[0].hardware);
}
