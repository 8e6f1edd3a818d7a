/* refuse.h: how engine functions report an error. */
#ifndef CK_REFUSE_H
#define CK_REFUSE_H

#include "ck.h"

#if defined(__GNUC__)
#define CK_PRINTF(at, first) __attribute__((format(printf, at, first)))
#else
#define CK_PRINTF(at, first)
#endif

/* Writes one sentence to `error` (may be NULL), cut at a whole character where it is too long, and returns `status`. */
ck_status ck_refuse(ck_error *error, ck_status status, const char *format, ...) CK_PRINTF(3, 4);

#endif
