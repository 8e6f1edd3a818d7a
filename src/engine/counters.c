/* counters.c: what a profile build has counted, as ck.h gives it to callers. */
#include <inttypes.h>
#include <string.h>

#include "engine.h"
#include "hardware.h"
#include "profile.h"
#include "refuse.h"

int32_t ck_model_sites(const ck_model *model, const ck_site **sites) {
    *sites = model->program->sites;
    return model->program->site_count;
}

static ck_status refuse_ordinary(ck_error *error) {
    return ck_refuse(error, CK_ERROR_ARGUMENT, "this build counts nothing; accepted: one made with ck build --profile");
}

/* NULL with an error text where there is none. */
static ck_profile_part *find_part(const ck_context *context, int32_t thread, ck_error *error) {
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
    const ck_profile_part *own = find_part(context, thread, error);
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
    const ck_profile_part *own = find_part(context, thread, error);
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
    ck_profile_clear(profile);
    return CK_OK;
}

const char *ck_context_profile_hardware(const ck_context *context) {
    const ck_profile *profile = ck_context_counters(context);
    if (!profile) return "this build counts nothing";
    return ck_hardware_refusal(&profile->of[0].hardware);
}
