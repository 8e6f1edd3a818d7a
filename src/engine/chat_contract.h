/* chat_contract.h: a chat template as data, which chat.c of a run folder holds. src/chat/contract.ts says how a
 * conversation is written by it. All texts are zero-terminated UTF-8. */
#ifndef CK_CHAT_CONTRACT_H
#define CK_CHAT_CONTRACT_H

#include <stdint.h>

typedef enum ck_chat_trim { CK_TRIM_NONE, CK_TRIM_LINES, CK_TRIM_WHITE } ck_chat_trim;

/* A piece of the template's own text: `text`, or the date in strftime's format `date`. Both NULL: the end of a list. */
typedef struct ck_chat_part {
    const char *text;
    const char *date;
} ck_chat_part;

/* What stands around somebody's text, and what is taken off its ends. */
typedef struct ck_chat_around {
    const ck_chat_part *prefix;
    const ck_chat_part *suffix;
    int32_t trim_start;
    int32_t trim_end;
} ck_chat_around;

typedef enum ck_chat_place {
    CK_SYSTEM_REFUSED, /* system.prefix is NULL; `system_refusal` says why */
    CK_SYSTEM_BEGIN,
    CK_SYSTEM_FIRST,
    CK_SYSTEM_LAST
} ck_chat_place;

typedef struct ck_chat_shape {
    const ck_chat_part *begin;
    const ck_chat_part *generation;
    ck_chat_around system;
    ck_chat_around user;
    ck_chat_around assistant;
    const char *drop_through; /* NULL: answers stay whole */
    int32_t drop_trim_start;
    int32_t drop_trim_end;
    int32_t system_place;
    const char *system_refusal;
} ck_chat_shape;

typedef enum ck_chat_role { CK_ROLE_SYSTEM, CK_ROLE_USER, CK_ROLE_ASSISTANT } ck_chat_role;

typedef struct ck_chat_exception {
    int32_t role;
    const char *text;
} ck_chat_exception;

typedef struct ck_chat_contract {
    const ck_chat_shape *off, *on;          /* by thinking; NULL: the template lacks it */
    int32_t usually_on;                     /* 1: the template thinks unless it is told not to */
    const char *think_start, *think_end;    /* NULL: the template knows no thinking */
    const char *const *stops;               /* NULL-terminated */
    const ck_chat_exception *exceptions;    /* `text` NULL: the end */
} ck_chat_contract;

#endif
