/* profile.h: the counters of a context in a profile build. What they count is written in ck.h. */
#ifndef CK_PROFILE_H
#define CK_PROFILE_H

#include "ck.h"
#include "program.h"

typedef struct ck_profile ck_profile;

/* Counters of the program's sites for `parts` threads; NULL without an error where it has none. */
ck_status ck_profile_open(const ck_program *program, int parts, ck_profile **profile, ck_error *error);
void ck_profile_close(ck_profile *profile);

#endif
