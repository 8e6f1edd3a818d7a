/* main_text.c: what the stand-alone executable makes of a prompt: text, or an embedding. Not part of libmodel.so. */
#if !defined(_GNU_SOURCE)
#define _GNU_SOURCE 1
#endif
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "main.h"

static double seconds(void) {
    return 1e-9 * (double)ck_now();
}

static void print_stats(int64_t prompt, int64_t tokens, double start, double first, double end) {
    fprintf(stderr, "prompt: %" PRId64 " tokens in %.3f s (%.1f per second)\n", prompt, first - start,
            (double)prompt / (first - start));
    if (tokens > 1) {
        fprintf(stderr, "text: %" PRId64 " tokens in %.3f s (%.1f per second)\n", tokens - 1, end - first,
                (double)(tokens - 1) / (end - first));
    }
}

static int print_text(const ck_model *model, const arguments *a, ck_generation *generation, int64_t prompt) {
    const int has_text = ck_model_info(model)->has_tokenizer;
    const double start = seconds();
    double first = start;
    int64_t tokens = 0;
    ck_error error;
    ck_piece piece = {.finish = CK_RUNNING};
    int code = EXIT_FINE;
    while (piece.finish == CK_RUNNING && !ck_main_heard()) {
        ck_status status = ck_generation_next(generation, &piece, &error);
        if (status == CK_ERROR_STOPPED) break;
        if (status) {
            code = ck_say(EXIT_FAILED, "%s", error.text);
            break;
        }
        if (tokens == 0) first = seconds();
        tokens += piece.id >= 0;
        if (has_text) {
            fwrite(piece.text, 1, (size_t)piece.bytes, stdout);
        } else if (piece.id >= 0) {
            printf("%s%" PRId32, tokens > 1 ? " " : "", piece.id);
        }
        if (fflush(stdout) != 0) return ck_say(EXIT_FAILED, "the text cannot be written (%s)", strerror(errno));
    }
    putchar('\n');
    if (fflush(stdout) != 0) return ck_say(EXIT_FAILED, "the text cannot be written (%s)", strerror(errno));
    if (a->stats && tokens > 0) print_stats(prompt, tokens, start, first, seconds());
    return ck_main_heard() ? EXIT_INTERRUPTED : code;
}

/* Makes the context hold what the saved tokens and the prompt begin with, and sets *kept to its tokens. A file that
 * is still to be written may be missing. */
static int load_prompt_cache(ck_context *context, const arguments *a, const buffer *ids, int64_t *kept) {
    ck_error error;
    *kept = 0;
    if (!a->prompt_cache || (a->save_prompt_cache && access(a->prompt_cache, F_OK) != 0)) return EXIT_FINE;
    if (ck_sequence_load(context, 0, a->prompt_cache, &error) ||
        ck_sequence_match(context, 0, ids->data, ids->count - 1, kept, &error)) {
        return ck_say(EXIT_FAILED, "%s", error.text);
    }
    if (a->stats) fprintf(stderr, "prompt cache: %" PRId64 " of %" PRId64 " tokens\n", *kept, ids->count);
    return EXIT_FINE;
}

int ck_main_generate(const ck_model *model, const arguments *a, const buffer *ids) {
    ck_error error;
    ck_context *context = NULL;
    ck_generation *generation = NULL;
    if (ck_context_open(model, a->threads, &context, &error)) return ck_say(EXIT_FAILED, "%s", error.text);
    int64_t kept;
    int code = load_prompt_cache(context, a, ids, &kept);
    const int32_t *rest = (const int32_t *)ids->data + kept;
    if (code == EXIT_FINE &&
        ck_generation_open(context, rest, ids->count - kept, &a->generation, &generation, &error)) {
        code = ck_say(EXIT_FAILED, "%s", error.text);
    }
    if (code == EXIT_FINE) {
        ck_main_listen(context);
        code = print_text(model, a, generation, ids->count - kept);
        ck_main_unlisten();
        if (a->save_prompt_cache && ck_sequence_save(context, 0, a->prompt_cache, &error)) {
            code = ck_say(EXIT_FAILED, "%s", error.text);
        }
    }
    ck_generation_close(generation);
    ck_context_close(context);
    return code;
}

int ck_main_embed(const ck_model *model, const arguments *a, const buffer *ids) {
    ck_error error;
    ck_context *context = NULL;
    const int64_t width = ck_model_info(model)->embedding;
    float *embedding = malloc((size_t)width * sizeof *embedding);
    int code = EXIT_FINE;
    if (!embedding) {
        code = ck_say(EXIT_FAILED, "no memory for an embedding");
    } else if (ck_context_open(model, a->threads, &context, &error) ||
               ck_context_embed(context, ids->data, ids->count, embedding, &error)) {
        code = ck_say(EXIT_FAILED, "%s", error.text);
    } else {
        for (int64_t i = 0; i < width; i++) printf("%s%.9g", i > 0 ? " " : "", (double)embedding[i]);
        putchar('\n');
        if (fflush(stdout) != 0) code = ck_say(EXIT_FAILED, "the embedding cannot be written (%s)", strerror(errno));
    }
    ck_context_close(context);
    free(embedding);
    return code;
}
