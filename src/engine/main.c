/* main.c: the stand-alone executable of a built model. Not part of libmodel.so. */
#if !defined(_GNU_SOURCE)
#define _GNU_SOURCE 1
#endif
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#if defined(__APPLE__)
#include <mach-o/dyld.h>
#endif

#include "ck.h"
#include "cpu.h"
#include "main.h"
#include "program.h"

#define PATH_BYTES 4096

static const char help_text[] =
    "usage: model [options] [prompt]\n"
    "\n"
    "Continues a prompt. Without one the model begins by itself. An encoder prints the embedding of a text instead.\n"
    "\n"
    "  -p, --prompt TEXT     the prompt\n"
    "  -f, --file PATH       read the prompt from a file\n"
    "      --ids 1,2,3       the prompt as token ids\n"
    "      --no-special      do not put the model's special tokens around the prompt\n"
    "      --chat            answer each line of standard input; /help there lists commands\n"
    "      --system TEXT     with --chat: what the model is to be\n"
    "      --think HOW       with --chat: visible, hidden or off\n"
    "      --echo            print the prompt before its continuation\n"
    "  -n, --tokens N        at most N tokens (0: until the text or the context ends; default 0)\n"
    "      --temp X          temperature, 0 is greedy (default 0.8)\n"
    "      --top-k N         only the N most likely tokens (0: off; default 40)\n"
    "      --top-p X         only the most likely tokens that make up the share X (1: off; default 0.95)\n"
    "      --min-p X         only tokens at least X times as likely as the most likely one (default 0: off)\n"
    "      --repeat-penalty X  makes the last 64 tokens less likely (default 1: off)\n"
    "      --seed N          same seed, same text (default: the time)\n"
    "      --stop TEXT       end before this text; may be given 16 times\n"
    "      --ignore-eos      go on after the end of the text\n"
    "      --overflow WHAT   when the context is full: refuse, or shift: drop the older half (default refuse)\n"
    "      --keep N          with --overflow shift: never drop the first N tokens (default 0)\n"
    "      --prompt-cache PATH   begin with the tokens of this file that the prompt begins with too\n"
    "      --save-prompt-cache   write all tokens to that file at the end\n"
    "      --threads N       1 to 64 (default: the cores)\n"
    "      --weights PATH    weights file (default: weights.bump beside this program)\n"
    "      --verify          compare the weights file with its checksums and exit\n"
    "      --info            print what this program is and exit\n"
    "      --stats           print timings to standard error at the end\n"
    "  -h, --help            print this and exit\n"
    "      --version         print name and version and exit\n"
    "\n"
    "Exit codes: 0 fine, 1 failed, 2 wrong usage, 130 interrupted.\n";

enum kind { FLAG, TEXT, INTEGER, SEED, SHARE, STOP, OVERFLOW };

typedef struct option {
    const char *name;
    char letter; /* 0: none */
    enum kind kind;
    void *value; /* int, const char *, int32_t or int64_t by `bytes`, uint64_t, float */
    size_t bytes;
    int64_t least, most;
} option;

static int set_option(const option *o, const char *text, arguments *a) {
    char *end = NULL;
    errno = 0;
    if (o->kind == TEXT) {
        *(const char **)o->value = text;
    } else if (o->kind == STOP) {
        if (a->generation.stop_count == 16) {
            return ck_say(EXIT_USAGE, "--stop is given more than 16 times; accepted: 16");
        }
        a->stops[a->generation.stop_count++] = text;
    } else if (o->kind == OVERFLOW) {
        const int shifts = strcmp(text, "shift") == 0;
        if (!shifts && strcmp(text, "refuse") != 0) {
            return ck_say(EXIT_USAGE, "--%s is '%s'; accepted: refuse, shift", o->name, text);
        }
        a->generation.overflow = shifts ? CK_OVERFLOW_SHIFT : CK_OVERFLOW_REFUSE;
    } else if (o->kind == SHARE) {
        float value = strtof(text, &end);
        if (end == text || *end || !isfinite(value)) {
            return ck_say(EXIT_USAGE, "--%s is '%s'; accepted: a number", o->name, text);
        }
        *(float *)o->value = value;
    } else if (o->kind == SEED) {
        uint64_t value = strtoull(text, &end, 10);
        if (end == text || *end || errno || *text == '-') {
            return ck_say(EXIT_USAGE, "--%s is '%s'; accepted: a whole number from 0 to %" PRIu64, o->name, text,
                          UINT64_MAX);
        }
        *(uint64_t *)o->value = value;
    } else {
        long long value = strtoll(text, &end, 10);
        if (end == text || *end || errno || value < o->least || value > o->most) {
            return ck_say(EXIT_USAGE, "--%s is '%s'; accepted: a whole number from %" PRId64 " to %" PRId64, o->name,
                          text, o->least, o->most);
        }
        if (o->bytes == sizeof(int32_t)) *(int32_t *)o->value = (int32_t)value;
        if (o->bytes == sizeof(int64_t)) *(int64_t *)o->value = value;
    }
    return EXIT_FINE;
}

static int parse(int argc, char **argv, arguments *a) {
    ck_sampling *s = &a->generation.sampling;
    const option options[] = {
        {"prompt", 'p', TEXT, &a->prompt, 0, 0, 0},
        {"file", 'f', TEXT, &a->prompt_file, 0, 0, 0},
        {"ids", 0, TEXT, &a->ids, 0, 0, 0},
        {"weights", 0, TEXT, &a->weights, 0, 0, 0},
        {"system", 0, TEXT, &a->system, 0, 0, 0},
        {"think", 0, TEXT, &a->think, 0, 0, 0},
        {"tokens", 'n', INTEGER, &a->generation.tokens, sizeof a->generation.tokens, 0, INT32_MAX},
        {"temp", 0, SHARE, &s->temperature, 0, 0, 0},
        {"top-k", 0, INTEGER, &s->top_k, sizeof s->top_k, 0, INT32_MAX},
        {"top-p", 0, SHARE, &s->top_p, 0, 0, 0},
        {"min-p", 0, SHARE, &s->min_p, 0, 0, 0},
        {"repeat-penalty", 0, SHARE, &s->repeat_penalty, 0, 0, 0},
        {"seed", 0, SEED, &s->seed, 0, 0, 0},
        {"threads", 0, INTEGER, &a->threads, sizeof a->threads, 1, 64},
        {"stop", 0, STOP, NULL, 0, 0, 0},
        {"overflow", 0, OVERFLOW, NULL, 0, 0, 0},
        {"keep", 0, INTEGER, &a->generation.keep, sizeof a->generation.keep, 0, INT32_MAX},
        {"prompt-cache", 0, TEXT, &a->prompt_cache, 0, 0, 0},
        {"save-prompt-cache", 0, FLAG, &a->save_prompt_cache, 0, 0, 0},
        {"no-special", 0, FLAG, &a->no_special, 0, 0, 0},
        {"ignore-eos", 0, FLAG, &a->generation.ignore_eos, 0, 0, 0},
        {"echo", 0, FLAG, &a->echo, 0, 0, 0},
        {"chat", 0, FLAG, &a->chat, 0, 0, 0},
        {"verify", 0, FLAG, &a->verify, 0, 0, 0},
        {"info", 0, FLAG, &a->info, 0, 0, 0},
        {"stats", 0, FLAG, &a->stats, 0, 0, 0},
        {"help", 'h', FLAG, &a->help, 0, 0, 0},
        {"version", 0, FLAG, &a->version, 0, 0, 0},
    };
    const char *positional = NULL;
    int options_end = 0;
    for (int i = 1; i < argc; i++) {
        const char *text = argv[i];
        if (options_end || text[0] != '-' || !text[1]) {
            if (positional) return ck_say(EXIT_USAGE, "'%s' is a second prompt; accepted: one, in quotes", text);
            positional = text;
            continue;
        }
        if (strcmp(text, "--") == 0) {
            options_end = 1;
            continue;
        }
        /* --name=value and --name value are the same. */
        const char *equals = text[1] == '-' ? strchr(text, '=') : NULL;
        size_t bytes = equals ? (size_t)(equals - text) : strlen(text);
        const option *found = NULL;
        for (size_t k = 0; k < sizeof options / sizeof options[0]; k++) {
            const option *o = &options[k];
            int is_long = bytes > 2 && text[1] == '-' && strlen(o->name) == bytes - 2 &&
                          memcmp(o->name, text + 2, bytes - 2) == 0;
            if (is_long || (o->letter && bytes == 2 && text[1] == o->letter)) found = o;
        }
        if (!found) return ck_say(EXIT_USAGE, "option '%s' is unknown; --help lists what is accepted", text);
        if (found->kind == FLAG) {
            if (equals) return ck_say(EXIT_USAGE, "--%s takes no value", found->name);
            *(int *)found->value = 1;
            continue;
        }
        const char *value = equals ? equals + 1 : i + 1 < argc ? argv[++i] : NULL;
        if (!value) return ck_say(EXIT_USAGE, "--%s needs a value; --help lists what is accepted", found->name);
        int code = set_option(found, value, a);
        if (code) return code;
    }
    if ((positional != NULL) + (a->prompt != NULL) + (a->prompt_file != NULL) + (a->ids != NULL) > 1) {
        return ck_say(EXIT_USAGE,
                      "more than one prompt; accepted: one of --prompt, --file, --ids and the prompt itself");
    }
    if (a->save_prompt_cache && !a->prompt_cache) {
        return ck_say(EXIT_USAGE, "--save-prompt-cache is given alone; accepted: with --prompt-cache");
    }
    if (positional) a->prompt = positional;
    if (a->chat && (a->prompt || a->prompt_file || a->ids)) {
        return ck_say(EXIT_USAGE, "--chat is given with a prompt; accepted: one of the two");
    }
    return EXIT_FINE;
}

/* weights.bump beside the executable. */
static void find_weights(const char *argv0, char path[PATH_BYTES]) {
    static const char name[] = "weights.bump";
    const size_t room = PATH_BYTES - sizeof name - 1;
    ssize_t bytes = -1;
#if defined(__linux__)
    bytes = readlink("/proc/self/exe", path, room);
    if (bytes == (ssize_t)room) bytes = -1;
#elif defined(__APPLE__)
    uint32_t capacity = (uint32_t)room;
    if (_NSGetExecutablePath(path, &capacity) == 0) bytes = (ssize_t)strlen(path);
#endif
    if (bytes < 0) {
        bytes = strlen(argv0) < room ? (ssize_t)strlen(argv0) : 0;
        memcpy(path, argv0, (size_t)bytes);
    }
    while (bytes > 0 && path[bytes - 1] != '/') bytes--;
    memcpy(path + bytes, name, sizeof name);
}

static int chat(const ck_model *model, const arguments *a) {
    ck_error error;
    ck_context *context = NULL;
    if (ck_context_open(model, a->threads, &context, &error)) return ck_say(EXIT_FAILED, "%s", error.text);
    int code = ck_main_chat(context, &a->generation, a->system, a->think, a->stats);
    ck_context_close(context);
    return code;
}

static void print_info(const ck_info *info) {
    printf("name            %s\ntarget          %s\nvocabulary      %" PRId64 "\ncontext         %" PRId64
           "\nprefill tokens  %" PRId64 "\noutput rows     %" PRId64 "\nweights bytes   %" PRIu64
           "\ncontext bytes   %" PRIu64 "\ntokenizer       %s\nbos             %" PRId32
           "\neos             %" PRId32 "\n",
           info->name, info->target, info->vocabulary, info->context, info->prefill_tokens, info->output_rows,
           info->weights_bytes, info->context_bytes, info->has_tokenizer ? "yes" : "no", info->bos, info->eos);
}

static int run(const arguments *a, const char *argv0) {
    char beside[PATH_BYTES];
    find_weights(argv0, beside);
    ck_error error;
    ck_model *model = NULL;
    if (ck_model_open(a->weights ? a->weights : beside, &model, &error)) return ck_say(EXIT_FAILED, "%s", error.text);
    int code = EXIT_FINE;
    if (a->verify) {
        code = ck_model_verify(model, &error) ? ck_say(EXIT_FAILED, "%s", error.text) : EXIT_FINE;
        if (code == EXIT_FINE) puts("the weights file agrees with its checksums");
    } else if (a->info) {
        print_info(ck_model_info(model));
    } else if (a->chat) {
        code = chat(model, a);
    } else {
        buffer text = {NULL, 0};
        buffer ids = {NULL, 0};
        code = ck_main_prompt(model, a, &text, &ids);
        const int is_encoder = ck_model_info(model)->embedding > 0;
        if (code == EXIT_FINE) code = is_encoder ? ck_main_embed(model, a, &ids) : ck_main_generate(model, a, &ids);
        free(text.data);
        free(ids.data);
    }
    ck_model_close(model);
    return code;
}

int main(int argc, char **argv) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    int cores = ck_cpu_cores();
    arguments a = {.threads = cores < 64 ? cores : 64};
    a.generation.sampling = (ck_sampling){
        .temperature = 0.8f,
        .top_k = 40,
        .top_p = 0.95f,
        .repeat_penalty = 1,
        .repeat_window = 64,
        .seed = (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec,
    };
    a.generation.stops = a.stops;
    int code = parse(argc, argv, &a);
    if (code) return code;
    if (a.help) return fputs(help_text, stdout) < 0 ? EXIT_FAILED : EXIT_FINE;
    if (a.version) return printf("%s (%s), engine ABI %d\n", ck_model_program.name, ck_model_program.target,
                                 CK_ABI_VERSION) < 0 ? EXIT_FAILED : EXIT_FINE;
    return run(&a, argc > 0 ? argv[0] : "");
}
