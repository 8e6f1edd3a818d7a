/*
 * driver.c: runs calls of kernels in a process of its own, for driver.ts. `driver CALLS RESULTS`: each byte on standard input
 * asks for the calls in the file CALLS; when their results are in the file RESULTS, a byte on standard output says so.
 *
 * CALLS: whole numbers are doubles, which hold every size and attribute. The number of blobs; of each its bytes as a number
 * and then themselves, up to a multiple of 8; the number of calls; and of each call the kernel, the parts, how many parts to
 * run and which, the sizes and attributes, and of each buffer its blob (-1: NULL), the buffer whose memory it shares (or
 * itself), its shift from a multiple of 64 bytes, and 1 where the kernel may only read it.
 * RESULTS: of each buffer that is not NULL its bytes, or, of one that is only read, a byte: 1 where it has changed.
 */
#define _POSIX_C_SOURCE 200809L

#include "cases.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_BUFFERS = 16, MOST_NUMBERS = 16, MOST_RUNS = 64 };

typedef struct {
    const unsigned char *bytes;
    size_t size;
} blob;

typedef struct {
    const blob *initial;
    unsigned char *memory;
    int same, shift, read_only;
} argument;

static void require(int is_true, const char *what)
{
    if (!is_true) {
        fprintf(stderr, "driver: %s\n", what);
        exit(2);
    }
}

static double next(const unsigned char **at)
{
    double value;
    memcpy(&value, *at, sizeof value);
    *at += sizeof value;
    return value;
}

static void write_all(FILE *output, const void *bytes, size_t size)
{
    require(size == 0 || fwrite(bytes, 1, size, output) == size, "cannot write the results");
}

static void run_call(const unsigned char **at, const blob *blobs, FILE *output)
{
    const int kernel = (int)next(at), parts = (int)next(at), runs = (int)next(at);
    const int numbers = ck_counts[kernel][0], buffers = ck_counts[kernel][1];
    int order[MOST_RUNS];
    double number[MOST_NUMBERS];
    argument arguments[MOST_BUFFERS] = {0};
    void *buffer[MOST_BUFFERS];
    require(runs <= MOST_RUNS && numbers <= MOST_NUMBERS && buffers <= MOST_BUFFERS, "a call is too large");
    for (int i = 0; i < runs; i++) {
        order[i] = (int)next(at);
    }
    for (int i = 0; i < numbers; i++) {
        number[i] = next(at);
    }
    for (int i = 0; i < buffers; i++) {
        argument *a = &arguments[i];
        const int which = (int)next(at);
        a->same = (int)next(at);
        a->shift = (int)next(at);
        a->read_only = (int)next(at);
        if (which >= 0) {
            void *memory;
            a->initial = &blobs[which];
            require(!posix_memalign(&memory, 64, a->initial->size + (size_t)a->shift), "no memory for a buffer");
            a->memory = memory;
            memcpy(a->memory + a->shift, a->initial->bytes, a->initial->size);
        }
    }
    for (int i = 0; i < buffers; i++) {
        const argument *owner = &arguments[arguments[i].same];
        buffer[i] = owner->memory ? owner->memory + owner->shift : NULL;
    }
    for (int i = 0; i < runs; i++) {
        ck_run_case(kernel, order[i], parts, number, buffer);
    }
    for (int i = 0; i < buffers; i++) {
        const argument *a = &arguments[i];
        if (a->initial && a->read_only) {
            const unsigned char is_changed = memcmp(buffer[i], a->initial->bytes, a->initial->size) != 0;
            write_all(output, &is_changed, 1);
        } else if (a->initial) {
            write_all(output, buffer[i], a->initial->size);
        }
    }
    for (int i = 0; i < buffers; i++) {
        free(arguments[i].memory);
    }
}

static unsigned char *read_file(const char *path)
{
    FILE *input = fopen(path, "rb");
    require(input && !fseek(input, 0, SEEK_END), "cannot open the calls");
    const long size = ftell(input);
    require(size > 0 && !fseek(input, 0, SEEK_SET), "there are no calls");
    unsigned char *bytes = malloc((size_t)size);
    require(bytes && fread(bytes, 1, (size_t)size, input) == (size_t)size, "cannot read the calls");
    fclose(input);
    return bytes;
}

static void run_calls(const char *from, const char *to)
{
    unsigned char *calls = read_file(from);
    const unsigned char *at = calls;
    const size_t count = (size_t)next(&at);
    blob *blobs = calloc(count + 1, sizeof *blobs);
    FILE *output = fopen(to, "wb");
    require(blobs && output, "cannot open the results");
    for (size_t i = 0; i < count; i++) {
        blobs[i].size = (size_t)next(&at);
        blobs[i].bytes = at;
        at += (blobs[i].size + 7) / 8 * 8;
    }
    for (size_t left = (size_t)next(&at); left > 0; left--) {
        run_call(&at, blobs, output);
    }
    require(fclose(output) == 0, "cannot write the results");
    free(blobs);
    free(calls);
}

int main(int count, char **arguments)
{
    require(count == 3, "usage: driver CALLS RESULTS");
    while (getchar() != EOF) {
        run_calls(arguments[1], arguments[2]);
        putchar(0);
        fflush(stdout);
    }
    return 0;
}
