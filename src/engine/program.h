/* program.h: the seam between the engine and the generated model.c. */
#ifndef CK_PROGRAM_H
#define CK_PROGRAM_H

#include <stddef.h>
#include <stdint.h>

#include "chat_contract.h"
#include "ck.h"

/* What one step of a program works on. Shared by all parts, constant during the step. */
typedef struct ck_step {
    const uint8_t *weights; /* weights region of weights.bump */
    uint8_t *memory;        /* the context's memory: cache, inputs, activations, logits; 64-byte aligned */
    int64_t tokens;         /* tokens in this step, >= 1 */
    int64_t outputs;        /* logits rows in this step, >= 0 */
    struct ck_barrier *barrier;
    struct ck_profile *profile; /* NULL unless the program has sites */
    struct ck_watch *watch;     /* NULL unless the program has canaries */
} ck_step;

/* Threads of a context at most. */
enum { CK_MOST_PARTS = 64 };

/* Every part arrives, then every part goes on; what was written before is visible after. parts = 1 returns at once. */
void ck_wait(struct ck_barrier *barrier, int part);

/* Between two barriers each of several parts may have its work in so many pieces, which the others take where it is late. */
enum { CK_PIECES = 8 };

/* The pieces of all parts. */
static inline int ck_pieces(int parts) {
    return parts > 1 ? CK_PIECES * parts : 1;
}

/* Sets *piece to one of them that no part has claimed since the barrier before: the part's own, then what is left of others.
 * 0: nothing. */
int ck_claim(struct ck_barrier *barrier, int part, int *piece);

/* A program with sites calls these in every part: at the step's start; at the end of each site, which began where the one
 * before ended; and last for the site that is the whole step. One look at the clock each. */
void ck_profile_begin(const ck_step *step, int part);
void ck_profile_lap(const ck_step *step, int part, int site);
void ck_profile_end(const ck_step *step, int part, int site);

/* A program with canaries calls this in every part: before each call of a kernel, counted from 0, and, with their number,
 * at the end. Looks whether the call before kept to its buffers, and lays the guards of buffers that begin here. */
void ck_canary_look(const ck_step *step, int part, int32_t call);

typedef void ck_step_function(const ck_step *step, int part, int parts);

/* What a state keeps of a sequence. */
typedef enum ck_state_kind {
    CK_STATE_WHOLE = 0,    /* bytes that each token changes: no earlier position is in them */
    CK_STATE_POSITIONS = 1 /* bytes of its own for each position */
} ck_state_kind;

/* Bytes that outlive a step, of every sequence, one behind the other. Those of CK_STATE_POSITIONS are `rows` rows of
 * panels of `lanes` positions; a panel is its parts one behind the other, each [count][lanes][bytes]. */
typedef struct ck_state {
    const char *name;
    ck_state_kind kind;
    uint64_t offset; /* into ck_step.memory */
    uint64_t bytes;  /* of one sequence */
    int64_t rows, lanes;
    struct {
        int64_t count, bytes;
    } parts[2];
} ck_state;

/* Offsets are bytes into ck_step.memory. */
typedef struct ck_program {
    uint32_t abi;           /* CK_ABI_VERSION */
    uint8_t weights_id[32]; /* must equal the id in weights.bump */
    const char *name;
    const char *target;
    const char *const *cpu_features; /* required, in /proc/cpuinfo spelling ("avx2", "avx512_vnni"); NULL-terminated */
    uint64_t weights_bytes;
    uint64_t memory_bytes;
    uint64_t state_bytes; /* the first state_bytes of memory are the cache; the rest is rewritten by each step */
    int64_t vocabulary;
    int64_t context;         /* tokens of one sequence */
    int32_t sequence_count;  /* sequences that a context holds */
    int64_t prefill_tokens; /* most tokens of a prefill step */
    int64_t decode_tokens;  /* most tokens of a decode step, each of another sequence */
    int64_t output_rows;    /* most logits rows of a step */
    size_t ids;             /* int32 [tokens] */
    size_t positions;       /* int32 [tokens] */
    size_t sequences;       /* int32 [tokens] */
    size_t output_index;    /* int32 [outputs]: which token of the step each logits row belongs to */
    size_t logits;          /* f32 [outputs, vocabulary] */
    ck_step_function *prefill;
    ck_step_function *decode;
    uint8_t state_id[32]; /* builds with equal ones make the same bytes of states from the same weights and ids */
    const ck_state *states;
    int32_t state_count;
    /* An encoder has these in place of output_index, logits, prefill and decode. */
    size_t types;            /* int32 [tokens] */
    size_t last;             /* int32 [tokens]: the last position, for every token */
    size_t embedding;        /* f32 [embedding_width] */
    int64_t embedding_width; /* 0: no encoder */
    ck_step_function *encode;
    const ck_site *sites; /* of a profile build; else NULL */
    int32_t site_count;
    const struct ck_canaries *canaries; /* of a debug build: of prefill and decode, or of encode; else NULL */
    const ck_chat_contract *chat; /* NULL: no chat template, or one that cannot be said so (chat_contract.h) */
} ck_program;

/* Defined by the generated model.c. */
extern const ck_program ck_model_program;

/* Header of weights.bump, little-endian, 128 bytes. crc32 is the zlib/IEEE one. */
typedef struct ck_bump_header {
    char magic[8];            /* "CKWEIGHT" */
    uint32_t version;         /* 1 */
    uint32_t header_crc32;    /* of bytes 16 .. 127 */
    uint8_t weights_id[32];
    uint64_t file_bytes;
    uint64_t weights_offset;  /* multiple of 4096 */
    uint64_t weights_bytes;
    uint32_t weights_crc32;
    uint32_t tokenizer_crc32;
    uint64_t tokenizer_offset; /* multiple of 4096; 0 with bytes 0: no tokenizer */
    uint64_t tokenizer_bytes;
    uint8_t zero[32];
} ck_bump_header;

#endif
