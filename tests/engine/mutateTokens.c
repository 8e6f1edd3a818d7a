/* Loads damaged copies of a file of saved tokens. usage: mutateTokens weights.bump scratch cases seed. Built with a
 * sanitizer; whatever the bytes are, the sequence is loaded whole, or refused with a sentence and then holds what it
 * did before. Prints how many were refused. */
#define _POSIX_C_SOURCE 200809L
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ck.h"
#include "crc32.h"

enum { VOCABULARY = 300, SAVED = 22, HELD = 13, HEADER = 128 };

static uint64_t next_random(uint64_t *state) {
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *state >> 33;
}

static const uint64_t edges[] = {0, 1, 13, 21, 23, 64, 65, 0x7FFFFFFF, 0xFFFFFFFF, UINT64_MAX, 1ull << 62};

static void mutate(uint8_t *bytes, uint64_t *count, uint64_t *random) {
    static const size_t fields[] = {8, 12, 16, 48, 80, 84, 88, 96, 104, 120};
    uint64_t changes = 1 + next_random(random) % 3;
    for (uint64_t i = 0; i < changes; i++) {
        uint64_t kind = next_random(random) % 4;
        if (kind == 0) {
            bytes[next_random(random) % HEADER] ^= (uint8_t)(1u << next_random(random) % 8);
        } else if (kind == 1) {
            uint64_t value = edges[next_random(random) % (sizeof edges / sizeof edges[0])];
            memcpy(bytes + fields[next_random(random) % 10], &value, 8);
        } else if (kind == 2) {
            uint64_t most = next_random(random) % 2 || *count < 300 ? *count : 300;
            *count = next_random(random) % (most + 1);
        } else if (*count > HEADER) {
            bytes[HEADER + next_random(random) % (*count - HEADER)] ^= (uint8_t)next_random(random);
        }
    }
    /* Right sizes and checksums let the later checks be reached. */
    if (next_random(random) % 2 && *count >= HEADER) memcpy(bytes + 88, count, 8);
    if (next_random(random) % 4 && *count >= HEADER) {
        uint32_t crc = ck_crc32(bytes + HEADER, *count - HEADER);
        memcpy(bytes + 84, &crc, 4);
        crc = ck_crc32(bytes + 16, HEADER - 16);
        memcpy(bytes + 12, &crc, 4);
    }
}

static int evaluate(ck_context *context, const int32_t *ids, int64_t count, float *logits) {
    ck_error error;
    return ck_context_eval(context, CK_PREFILL, ids, count, logits, 1, &error) == CK_OK;
}

int main(int argc, char **argv) {
    if (argc != 5) return 2;
    ck_error error = {""};
    ck_model *model = NULL;
    ck_context *context = NULL;
    if (ck_model_open(argv[1], &model, &error) || ck_context_open(model, 2, &context, &error)) return 2;
    int32_t ids[SAVED + 1];
    for (int i = 0; i <= SAVED; i++) ids[i] = (i * 37 + 11) % VOCABULARY;
    static float expected[VOCABULARY], logits[VOCABULARY];
    if (!evaluate(context, ids, SAVED, logits) || ck_sequence_save(context, 0, argv[2], &error)) return 2;
    FILE *file = fopen(argv[2], "rb");
    static uint8_t original[1 << 17], bytes[1 << 17];
    uint64_t original_bytes = file ? fread(original, 1, sizeof original, file) : 0;
    if (!file || fclose(file) != 0) return 2;
    if (ck_sequence_rewind(context, 0, 0, &error) || !evaluate(context, ids + 1, HELD, expected)) return 2;
    uint64_t random = strtoull(argv[4], NULL, 10);
    long cases = strtol(argv[3], NULL, 10);
    long refused = 0;
    for (long i = 0; i < cases; i++) {
        memcpy(bytes, original, original_bytes);
        uint64_t count = original_bytes;
        mutate(bytes, &count, &random);
        file = fopen(argv[2], "wb");
        if (!file || fwrite(bytes, 1, count, file) != count || fclose(file) != 0) return 2;
        error.text[0] = 0;
        if (ck_sequence_load(context, 0, argv[2], &error)) {
            refused++;
            if (!error.text[0] || !memchr(error.text, 0, sizeof error.text)) return 3;
            if (ck_context_position(context) != HELD) return 4;
        } else {
            if (ck_context_position(context) > 64) return 5;
            if (ck_sequence_rewind(context, 0, 0, &error) || !evaluate(context, ids + 1, HELD, logits)) return 6;
        }
        /* The last token again, from what is held of those before it. */
        if (ck_sequence_rewind(context, 0, HELD - 1, &error) || !evaluate(context, ids + HELD, 1, logits)) return 7;
        if (memcmp(logits, expected, sizeof expected) != 0) return 8;
    }
    printf("%ld refused\n", refused);
    ck_context_close(context);
    ck_model_close(model);
    return 0;
}
