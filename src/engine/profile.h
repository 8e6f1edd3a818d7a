/* profile.h: the counters of a context in a profile build. What they count is written in ck.h. */
#ifndef CK_PROFILE_H
#define CK_PROFILE_H

#include "ck.h"
#include "hardware.h"
#include "program.h"

/* Of each part: a hundred steps of a model of thirty layers. */
#define CK_PROFILE_EVENTS 65536

/* What one part counts, written by its thread only. */
typedef struct ck_profile_part {
    _Alignas(64) int64_t begun; /* when its step began */
    int64_t last;               /* when the site before ended */
    int64_t kept;
    int64_t dropped;
    ck_event *events;     /* [CK_PROFILE_EVENTS] */
    ck_counter *counters; /* [site_count], behind the events */
    ck_hardware hardware;
} ck_profile_part;

typedef struct ck_profile {
    int32_t site_count;
    int parts;
    ck_profile_part of[];
} ck_profile;

/* Counters of the program's sites for `parts` threads; NULL without an error where it has none. */
ck_status ck_profile_open(const ck_program *program, int parts, ck_profile **profile, ck_error *error);
void ck_profile_close(ck_profile *profile);
/* Sets all to 0, and writes every page so that no step waits for one. */
void ck_profile_clear(ck_profile *profile);

#endif
