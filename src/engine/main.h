/* main.h: what the files of the stand-alone executable share. Not part of libmodel.so. */
#ifndef CK_MAIN_H
#define CK_MAIN_H

#include "ck.h"

enum { EXIT_FINE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_INTERRUPTED = 130 };

/* What the command line says. */
typedef struct arguments {
    const char *prompt, *prompt_file, *ids, *weights, *prompt_cache, *system, *think;
    const char *stops[16];
    ck_generation_options generation;
    int32_t threads;
    int no_special, save_prompt_cache, echo, chat, verify, info, stats, help, version;
} arguments;

/* Bytes or ids that the caller frees. */
typedef struct buffer {
    void *data;
    int64_t count;
} buffer;

/* Prints a sentence to standard error and returns `code`. */
int ck_say(int code, const char *format, ...);
/* The prompt's ids, and its text where it came from a file; prints it for --echo. Gives an exit code. */
int ck_main_prompt(const ck_model *model, const arguments *a, buffer *text, buffer *ids);

/* Prints how the text goes on behind the prompt. Gives an exit code. */
int ck_main_generate(const ck_model *model, const arguments *a, const buffer *ids);
/* Prints the embedding of the ids: numbers with spaces between them. Gives an exit code. */
int ck_main_embed(const ck_model *model, const arguments *a, const buffer *ids);

/* From here on Ctrl-C stops the context's call; a second one ends the process. */
void ck_main_listen(ck_context *context);
/* Whether Ctrl-C was heard since. */
int ck_main_heard(void);
/* Ctrl-C ends the process again. */
void ck_main_unlisten(void);

/* Answers each line of standard input until its end. `think`: "visible", "hidden", "off" or NULL; `system`: may be NULL. */
int ck_main_chat(ck_context *context, const ck_generation_options *options, const char *system, const char *think,
                 int shows_stats);

#endif
