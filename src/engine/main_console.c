/* main_console.c: what the stand-alone executable says on errors, and Ctrl-C. Not part of libmodel.so. */
#if !defined(_GNU_SOURCE)
#define _GNU_SOURCE 1
#endif
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>

#include "main.h"

/* The running context, for the signal handler only. */
static ck_context *_Atomic interruptible;
static volatile sig_atomic_t interrupted;

static void interrupt(int signal_number) {
    (void)signal_number;
    interrupted = 1;
    ck_context *context = atomic_load(&interruptible);
    if (context) ck_context_stop(context);
}

int ck_say(int code, const char *format, ...) {
    va_list list;
    va_start(list, format);
    fputs("model: ", stderr);
    vfprintf(stderr, format, list);
    fputc('\n', stderr);
    va_end(list);
    return code;
}

void ck_main_listen(ck_context *context) {
    interrupted = 0;
    atomic_store(&interruptible, context);
    struct sigaction action = {.sa_handler = interrupt};
    /* The second Ctrl-C ends the process at once. */
    action.sa_flags = (int)SA_RESETHAND;
    sigaction(SIGINT, &action, NULL);
}

int ck_main_heard(void) {
    return interrupted;
}

void ck_main_unlisten(void) {
    signal(SIGINT, SIG_DFL);
    atomic_store(&interruptible, NULL);
}
