#if !defined(_GNU_SOURCE)
#define _GNU_SOURCE 1
#endif
#include "profile.h"

#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "mapping.h"
#include "refuse.h"

static uint64_t counted_bytes(int32_t site_count) {
    return CK_PROFILE_EVENTS * sizeof(ck_event) + (uint64_t)site_count * sizeof(ck_counter);
}

void ck_profile_clear(ck_profile *profile) {
    for (int part = 0; part < profile->parts; part++) {
        ck_profile_part *own = &profile->of[part];
        own->kept = own->dropped = 0;
        memset(own->events, 0, counted_bytes(profile->site_count));
    }
}

ck_status ck_profile_open(const ck_program *program, int parts, ck_profile **out, ck_error *error) {
    *out = NULL;
    if (program->site_count == 0) return CK_OK;
    size_t bytes = sizeof(ck_profile) + (size_t)parts * sizeof(ck_profile_part);
    ck_profile *profile = aligned_alloc(_Alignof(ck_profile), bytes);
    if (profile) {
        memset(profile, 0, bytes);
        profile->site_count = program->site_count;
        while (profile->parts < parts) {
            ck_profile_part *own = &profile->of[profile->parts];
            own->events = (ck_event *)(void *)ck_map_zeros(counted_bytes(program->site_count));
            if (!own->events) break;
            own->counters = (ck_counter *)(own->events + CK_PROFILE_EVENTS);
            ck_hardware_init(&own->hardware);
            profile->parts++;
        }
    }
    if (!profile || profile->parts < parts) {
        ck_profile_close(profile);
        return ck_refuse(error, CK_ERROR_MEMORY, "no memory for the counters of %d threads", parts);
    }
    ck_profile_clear(profile);
    *out = profile;
    return CK_OK;
}

void ck_profile_close(ck_profile *profile) {
    if (!profile) return;
    for (int part = 0; part < profile->parts; part++) {
        ck_profile_part *own = &profile->of[part];
        ck_hardware_close(&own->hardware);
        ck_unmap_zeros((uint8_t *)own->events, counted_bytes(profile->site_count));
    }
    free(profile);
}

static void record(ck_profile_part *own, int site, int64_t start, int64_t end) {
    own->counters[site].calls++;
    own->counters[site].nanoseconds += (uint64_t)(end - start);
    if (own->kept == CK_PROFILE_EVENTS) {
        own->dropped++;
        return;
    }
    own->events[own->kept++] = (ck_event){.start = start, .nanoseconds = end - start, .site = site};
}

void ck_profile_begin(const ck_step *step, int part) {
    ck_profile_part *own = &step->profile->of[part];
    ck_hardware_begin(&own->hardware);
    own->begun = own->last = ck_now();
}

void ck_profile_lap(const ck_step *step, int part, int site) {
    ck_profile_part *own = &step->profile->of[part];
    int64_t end = ck_now();
    record(own, site, own->last, end);
    own->last = end;
}

void ck_profile_end(const ck_step *step, int part, int site) {
    ck_profile_part *own = &step->profile->of[part];
    record(own, site, own->begun, own->last);
    ck_hardware_end(&own->hardware, &own->counters[site]);
}
