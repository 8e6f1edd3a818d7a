/* Opens damaged copies of a weights file. usage: mutateWeights weights.bump scratch.bump cases seed. Built with a sanitizer;
 * whatever the bytes are, the engine refuses with a sentence or works. Prints how many were refused. */
#define _POSIX_C_SOURCE 200809L
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ck.h"
#include "crc32.h"
#include "program.h"

static uint64_t next_random(uint64_t *state) {
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *state >> 33;
}

static const uint64_t edges[] = {0,         1,          127,         128,        4095,       4096,
                                 8192,      0x7FFFFFFF, 0x80000000u, 0xFFFFFFFF, UINT64_MAX, UINT64_MAX - 4095,
                                 1ull << 60};

static void mutate(uint8_t *bytes, uint64_t *count, uint64_t *random) {
    static const size_t fields[] = {8, 12, 48, 56, 64, 72, 76, 80, 88, 96};
    uint64_t changes = 1 + next_random(random) % 3;
    for (uint64_t i = 0; i < changes; i++) {
        uint64_t kind = next_random(random) % 4;
        if (kind == 0) {
            bytes[next_random(random) % 128] ^= (uint8_t)(1u << next_random(random) % 8);
        } else if (kind == 1) {
            uint64_t value = edges[next_random(random) % (sizeof edges / sizeof edges[0])];
            memcpy(bytes + fields[next_random(random) % 10], &value, 8);
        } else if (kind == 2) {
            *count = next_random(random) % 2 ? next_random(random) % (*count + 1) : next_random(random) % 300 % (*count + 1);
        } else if (*count > 4096) {
            bytes[4096 + next_random(random) % (*count - 4096)] ^= (uint8_t)next_random(random);
        }
    }
    /* A right checksum lets the later checks be reached. */
    if (next_random(random) % 4 && *count >= 128) {
        uint32_t crc = ck_crc32(bytes + 16, 112);
        memcpy(bytes + 12, &crc, 4);
    }
    if (next_random(random) % 4 && *count >= 128) {
        memcpy(bytes + 48, count, 8);
        uint32_t crc = ck_crc32(bytes + 16, 112);
        memcpy(bytes + 12, &crc, 4);
    }
}

static void use(ck_model *model) {
    ck_error error;
    ck_model_verify(model, &error);
    ck_context *context = NULL;
    if (ck_context_open(model, 1, &context, &error)) return;
    int32_t ids[3] = {1, 2, 3};
    float *logits = malloc(sizeof(float) * 300);
    ck_context_eval(context, CK_PREFILL, ids, 3, logits, 1, &error);
    char text[64];
    int64_t bytes;
    ck_detokenize(model, ids, 3, 1, text, sizeof text, &bytes, &error);
    free(logits);
    ck_context_close(context);
}

int main(int argc, char **argv) {
    if (argc != 5) return 2;
    FILE *file = fopen(argv[1], "rb");
    if (!file) return 2;
    static uint8_t original[1 << 17], bytes[1 << 17];
    uint64_t original_bytes = fread(original, 1, sizeof original, file);
    fclose(file);
    uint64_t random = strtoull(argv[4], NULL, 10);
    long cases = strtol(argv[3], NULL, 10);
    long refused = 0;
    for (long i = 0; i < cases; i++) {
        memcpy(bytes, original, original_bytes);
        uint64_t count = original_bytes;
        mutate(bytes, &count, &random);
        file = fopen(argv[2], "wb");
        if (!file || fwrite(bytes, 1, count, file) != count || fclose(file) != 0) return 2;
        ck_model *model = NULL;
        ck_error error = {""};
        ck_status status = ck_model_open(argv[2], &model, &error);
        if (status) {
            refused++;
            if (model || !error.text[0] || !memchr(error.text, 0, sizeof error.text)) return 3;
        } else {
            use(model);
            ck_model_close(model);
        }
    }
    printf("%ld refused\n", refused);
    return 0;
}
