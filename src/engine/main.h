/* main.h: what the files of the stand-alone executable share. Not part of libmodel.so. */
#ifndef CK_MAIN_H
#define CK_MAIN_H

#include "ck.h"

enum { EXIT_FINE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_INTERRUPTED = 130 };

/* Prints a sentence to standard error and returns `code`. */
int ck_say(int code, const char *format, ...);
/* From here on Ctrl-C stops the context's call; a second one ends the process. */
void ck_main_listen(ck_context *context);
/* Ctrl-C ends the process again. Whether it was heard meanwhile. */
int ck_main_unlisten(void);

typedef enum ck_main_think { CK_SHOW_THINKING, CK_HIDE_THINKING, CK_NO_THINKING } ck_main_think;

/* Answers each line of standard input until its end. `think`: NULL, "visible", "hidden" or "off"; `system`: NULL or text. */
int ck_main_chat(ck_context *context, const ck_generation_options *options, const char *system, const char *think,
                 int shows_stats);

#endif
