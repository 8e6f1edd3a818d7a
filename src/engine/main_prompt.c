/* main_prompt.c: the prompt of the stand-alone executable. Not part of libmodel.so. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "main.h"

static int read_file(const char *path, buffer *out) {
    FILE *file = fopen(path, "rb");
    if (!file) return ck_say(EXIT_FAILED, "%s: cannot be opened (%s)", path, strerror(errno));
    size_t capacity = 0;
    for (;;) {
        if ((size_t)out->count == capacity) {
            capacity = capacity ? 2 * capacity : 65536;
            void *larger = realloc(out->data, capacity);
            if (!larger) break;
            out->data = larger;
        }
        size_t got = fread((char *)out->data + out->count, 1, capacity - (size_t)out->count, file);
        out->count += (int64_t)got;
        if (got > 0) continue;
        int failed = ferror(file);
        fclose(file);
        return failed ? ck_say(EXIT_FAILED, "%s: cannot be read", path) : EXIT_FINE;
    }
    fclose(file);
    return ck_say(EXIT_FAILED, "%s: no memory for a prompt of more than %" PRId64 " bytes", path, out->count);
}

static int parse_ids(const char *text, buffer *out) {
    out->data = malloc((strlen(text) / 2 + 1) * sizeof(int32_t));
    if (!out->data) return ck_say(EXIT_FAILED, "no memory for the ids");
    for (const char *at = text;; at++) {
        char *end = NULL;
        errno = 0;
        long long id = strtoll(at, &end, 10);
        if (end == at || errno || id < 0 || id > INT32_MAX || (*end && *end != ',')) {
            return ck_say(EXIT_USAGE, "--ids at '%.20s': accepted are whole numbers with commas between them", at);
        }
        ((int32_t *)out->data)[out->count++] = (int32_t)id;
        if (!*end) return EXIT_FINE;
        at = end;
    }
}

static int tokenize(const ck_model *model, const char *text, int64_t bytes, int flags, buffer *out) {
    ck_error error;
    int64_t count = 0;
    if (ck_tokenize(model, text, bytes, flags, NULL, 0, &count, &error)) return ck_say(EXIT_FAILED, "%s", error.text);
    out->data = malloc((size_t)(count + 1) * sizeof(int32_t));
    if (!out->data) return ck_say(EXIT_FAILED, "no memory for a prompt of %" PRId64 " tokens", count);
    if (ck_tokenize(model, text, bytes, flags, out->data, count, &out->count, &error)) {
        return ck_say(EXIT_FAILED, "%s", error.text);
    }
    return EXIT_FINE;
}

int ck_main_prompt(const ck_model *model, const arguments *a, buffer *text, buffer *ids) {
    if (a->ids) return parse_ids(a->ids, ids);
    if (a->prompt_file) {
        int code = read_file(a->prompt_file, text);
        if (code) return code;
    }
    const char *from = a->prompt_file ? text->data : a->prompt ? a->prompt : "";
    int64_t bytes = a->prompt_file ? text->count : (int64_t)strlen(from);
    int code = tokenize(model, from, bytes, a->no_special ? 0 : CK_ADD_SPECIAL, ids);
    if (code) return code;
    if (ids->count == 0) return ck_say(EXIT_FAILED, "the prompt has no tokens; give some text or --ids");
    if (a->echo) fwrite(from, 1, (size_t)bytes, stdout);
    return EXIT_FINE;
}
