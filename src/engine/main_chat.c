/* main_chat.c: ./model --chat. Not part of libmodel.so. */
#if !defined(_GNU_SOURCE)
#define _GNU_SOURCE 1
#endif
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "chat.h"
#include "main.h"
#include "program.h"

static const char help_text[] =
    "/reset            forget the conversation\n"
    "/system TEXT      say what the model is to be; without TEXT nothing\n"
    "/think on|off|hidden  show what the model thinks, keep it from thinking, or hide it\n"
    "/exit             end\n";

typedef struct conversation {
    ck_chat *chat;
    const ck_generation_options *options;
    ck_context *context;
    int hides_thinking, shows_stats, is_terminal;
} conversation;

static int think(conversation *c, const char *how) {
    ck_error error;
    ck_chat_thinking thinking = CK_THINKING_USUAL;
    if (strcmp(how, "visible") == 0 || strcmp(how, "on") == 0) {
        const ck_chat_contract *contract = ck_model_program.chat;
        if (contract->think_end && contract->on) thinking = CK_THINKING_ON;
    } else if (strcmp(how, "off") == 0) {
        thinking = CK_THINKING_OFF;
    } else if (strcmp(how, "hidden") != 0) {
        return ck_say(EXIT_USAGE, "thinking is '%s'; accepted: visible, hidden, off", how);
    }
    if (ck_chat_set_thinking(c->chat, thinking, &error)) return ck_say(EXIT_FAILED, "%s", error.text);
    c->hides_thinking = strcmp(how, "hidden") == 0;
    return EXIT_FINE;
}

static int set_system(conversation *c, const char *text) {
    ck_error error;
    if (!ck_chat_set_system(c->chat, text, (int64_t)strlen(text), &error)) return EXIT_FINE;
    return ck_say(EXIT_FAILED, "%s", error.text);
}

/* Whether `line` is the command `name`; *rest is what follows it. */
static int is_command(const char *line, const char *name, const char **rest) {
    size_t bytes = strlen(name);
    if (strncmp(line, name, bytes) != 0 || (line[bytes] && line[bytes] != ' ')) return 0;
    *rest = line + bytes + (line[bytes] == ' ');
    return 1;
}

/* Ctrl-C ends the answer, which the next turn goes on from. */
static int answer(conversation *c, const char *text, size_t bytes) {
    ck_error error;
    if (ck_chat_send(c->chat, text, (int64_t)bytes, c->options, &error)) return ck_say(EXIT_FAILED, "%s", error.text);
    ck_chat_piece piece = {.finish = CK_RUNNING};
    int code = EXIT_FINE;
    ck_main_listen(c->context);
    while (piece.finish == CK_RUNNING && !ck_main_heard()) {
        ck_status status = ck_chat_next(c->chat, &piece, &error);
        if (status) {
            code = status == CK_ERROR_STOPPED ? EXIT_FINE : ck_say(EXIT_FAILED, "%s", error.text);
            break;
        }
        if (!piece.is_thinking || !c->hides_thinking) fwrite(piece.text, 1, (size_t)piece.bytes, stdout);
        if (fflush(stdout) != 0) break;
    }
    ck_main_unlisten();
    putchar('\n');
    if (fflush(stdout) != 0) return ck_say(EXIT_FAILED, "the text cannot be written (%s)", strerror(errno));
    if (c->shows_stats) {
        fprintf(stderr, "%" PRId64 " tokens read anew, %" PRId64 " held\n", ck_chat_prefilled(c->chat),
                ck_context_position(c->context));
    }
    return code;
}

/* A refusal of one line ends the program only where nobody is there to read it. */
static int take(conversation *c, const char *line, size_t bytes, int *ends) {
    const char *rest = "";
    if (bytes == 0) return EXIT_FINE;
    if (line[0] != '/') return answer(c, line, bytes);
    *ends = is_command(line, "/exit", &rest);
    if (*ends) return EXIT_FINE;
    if (is_command(line, "/reset", &rest)) {
        ck_chat_reset(c->chat);
        return EXIT_FINE;
    }
    if (is_command(line, "/help", &rest)) return fputs(help_text, stderr) < 0 ? EXIT_FAILED : EXIT_FINE;
    if (is_command(line, "/system", &rest)) return set_system(c, rest);
    if (is_command(line, "/think", &rest)) return think(c, rest);
    return answer(c, line, bytes);
}

static int converse(conversation *c) {
    char *line = NULL;
    size_t capacity = 0;
    int code = EXIT_FINE, ends = 0;
    while (!ends && (code == EXIT_FINE || c->is_terminal)) {
        if (c->is_terminal) fputs("> ", stdout), fflush(stdout);
        ssize_t bytes = getline(&line, &capacity, stdin);
        if (bytes < 0) break;
        while (bytes > 0 && (line[bytes - 1] == '\n' || line[bytes - 1] == '\r')) line[--bytes] = 0;
        code = take(c, line, (size_t)bytes, &ends);
    }
    free(line);
    return c->is_terminal ? EXIT_FINE : code;
}

int ck_main_chat(ck_context *context, const ck_generation_options *options, const char *system, const char *how,
                 int shows_stats) {
    ck_error error;
    conversation c = {.context = context, .options = options, .shows_stats = shows_stats};
    c.is_terminal = isatty(STDIN_FILENO);
    if (ck_chat_open(context, ck_model_program.chat, &c.chat, &error)) return ck_say(EXIT_FAILED, "%s", error.text);
    int code = how ? think(&c, how) : EXIT_FINE;
    if (code == EXIT_FINE && system) code = set_system(&c, system);
    if (code == EXIT_FINE) code = converse(&c);
    ck_chat_close(c.chat);
    return code;
}
