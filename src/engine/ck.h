/* ck.h: the public interface of a built model (libmodel.so and ./model are made of it).
 *
 * A ck_model is the mapped weights and tokenizer: immutable after open, shareable between threads and contexts. A
 * ck_context is one independent run: cache, arena and worker threads. It holds one sequence of tokens, or as many as
 * the model was built for. Calls on one context must not overlap; any number of contexts may run at once. Nothing is
 * allocated after open, except by ck_sequence_save and by a generation that makes room in a full context. Every
 * function that can fail returns a ck_status and writes one sentence to `error` (which may be NULL). There is no
 * global mutable state.
 */
#ifndef CK_H
#define CK_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define CK_ABI_VERSION 3

typedef enum ck_status {
    CK_OK = 0,
    CK_ERROR_FILE = 1,      /* a file cannot be opened, mapped or written */
    CK_ERROR_FORMAT = 2,    /* not a file of this kind, damaged, or of another model or version */
    CK_ERROR_CPU = 3,       /* this CPU lacks an instruction set that the model was compiled for */
    CK_ERROR_MEMORY = 4,    /* the system refused memory or threads */
    CK_ERROR_ARGUMENT = 5,  /* an argument out of its stated range */
    CK_ERROR_CONTEXT = 6,   /* more tokens than the context holds */
    CK_ERROR_TOKENIZER = 7, /* the model has no tokenizer, or its tables are damaged */
    CK_ERROR_STOPPED = 8,   /* ck_context_stop was called */
    CK_ERROR_OVERRUN = 9    /* debug builds: a call wrote beyond a buffer */
} ck_status;

typedef struct ck_error {
    char text[512]; /* one sentence, zero-terminated UTF-8 */
} ck_error;

typedef struct ck_model ck_model;
typedef struct ck_context ck_context;
typedef struct ck_generation ck_generation;

typedef struct ck_info {
    const char *name;       /* model name of the checkpoint */
    const char *target;     /* target it was compiled for, e.g. "x86-64-v4+avx512vnni" */
    int64_t vocabulary;     /* width of a logits row */
    int64_t context;        /* tokens that one sequence holds */
    int64_t sequences;      /* that one context holds */
    int64_t prefill_tokens; /* tokens per prefill step */
    int64_t output_rows;    /* logits rows per step */
    uint64_t weights_bytes; /* mapped */
    uint64_t context_bytes; /* reserved per context: cache and arena */
    int32_t has_tokenizer;
    int32_t bos; /* -1: none */
    int32_t eos; /* -1: none */
    int64_t embedding; /* width of what an encoder gives for a text; 0: the model continues text */
} ck_info;

/* Opens the weights file that was written with this library. */
ck_status ck_model_open(const char *weights_path, ck_model **model, ck_error *error);
void ck_model_close(ck_model *model);
const ck_info *ck_model_info(const ck_model *model);
/* Reads the whole file once and compares its checksums. */
ck_status ck_model_verify(const ck_model *model, ck_error *error);

/* threads: 1..64, the caller's included. */
ck_status ck_context_open(const ck_model *model, int32_t threads, ck_context **context, ck_error *error);
void ck_context_close(ck_context *context);

typedef enum ck_mode { CK_PREFILL = 0, CK_DECODE = 1 } ck_mode;

/* Appends `count` ids at the current position. `logits` receives f32 rows [rows, vocabulary] of the last `rows` tokens;
 * rows is 0 (logits may be NULL) .. count. CK_PREFILL takes the ids in blocks, CK_DECODE one at a time; both give the same
 * bits. On an error nothing was appended, except after CK_ERROR_STOPPED, where the position says how many were. */
ck_status ck_context_eval(ck_context *context, ck_mode mode, const int32_t *ids, int64_t count, float *logits,
                          int64_t rows, ck_error *error);
/* Encoders only, which hold no tokens: the embedding [ck_info.embedding] of `count` >= 1 ids, a vector of length 1. An
 * encoder refuses ck_context_eval and ck_generation_open. */
ck_status ck_context_embed(ck_context *context, const int32_t *ids, int64_t count, float *embedding, ck_error *error);
/* Tokens that sequence 0 holds. */
int64_t ck_context_position(const ck_context *context);
/* ck_sequence_rewind of sequence 0. */
ck_status ck_context_rewind(ck_context *context, int64_t position, ck_error *error);

/* Tokens in their order, each appended to its sequence behind what that holds. */
typedef struct ck_batch {
    const int32_t *ids;       /* [count] */
    const int32_t *sequences; /* [count], 0 .. ck_info.sequences - 1; NULL: all of `sequence` */
    int32_t sequence;
    int64_t count;
    const int64_t *outputs; /* [rows], ascending: which tokens of the batch have a logits row; NULL: the last `rows` */
    int64_t rows;
} ck_batch;

/* ck_context_eval of several sequences: `logits` receives [rows, vocabulary]. A CK_DECODE step takes a token of each of
 * several sequences. A token gives the same bits alone and beside others. */
ck_status ck_context_eval_batch(ck_context *context, ck_mode mode, const ck_batch *batch, float *logits,
                                ck_error *error);
/* Tokens that the sequence holds; -1: there is no such sequence. */
int64_t ck_sequence_position(const ck_context *context, int32_t sequence);
/* Forgets every token from `position` on; position is 0 .. ck_sequence_position. A model with recurrent state goes back only
 * to checkpoints, of which it keeps four per sequence: those that ck_sequence_checkpoint took, and the ends of calls that
 * appended several tokens to it; and to 0. */
ck_status ck_sequence_rewind(ck_context *context, int32_t sequence, int64_t position, ck_error *error);
/* Keeps what the sequence holds now, so that ck_sequence_rewind can go back to here. A model without recurrent state needs
 * none. The oldest of four gives way to another, and all behind a position to which the sequence goes back. */
ck_status ck_sequence_checkpoint(ck_context *context, int32_t sequence, ck_error *error);
/* ck_sequence_checkpoint of sequence 0. */
ck_status ck_context_checkpoint(ck_context *context, ck_error *error);
/* The last position up to `position` to which the sequence can go back; -1: there is no such sequence. */
int64_t ck_sequence_restorable(const ck_context *context, int32_t sequence, int64_t position);
/* Rewinds the sequence to the longest prefix that it shares with `ids` and can go back to, and sets *kept to its tokens. For a prompt give all ids but the last, whose logits are still to be computed. */
ck_status ck_sequence_match(ck_context *context, int32_t sequence, const int32_t *ids, int64_t count, int64_t *kept,
                            ck_error *error);
/* Sequence `to` then holds the first `tokens` tokens of `from`, 0 .. ck_sequence_position(from), and nothing else; of a
 * model with recurrent state those to which `from` could go back. */
ck_status ck_sequence_copy(ck_context *context, int32_t from, int32_t to, int64_t tokens, ck_error *error);
/* Writes the tokens of a sequence and what was computed of them. The file is written beside `path` and renamed. */
ck_status ck_sequence_save(const ck_context *context, int32_t sequence, const char *path, ck_error *error);
/* The sequence then holds what was saved by a context of the same weights and the same kind of build, of any size
 * and number of threads; it goes on with the same bits. On an error it holds what it did before. */
ck_status ck_sequence_load(ck_context *context, int32_t sequence, const char *path, ck_error *error);
/* From any thread: makes the running call return CK_ERROR_STOPPED soon. The next call runs normally. */
void ck_context_stop(ck_context *context);
/* Copies `bytes` of the context's memory at `offset` (layout.json) to `out`: for parity and inspection. */
ck_status ck_context_peek(const ck_context *context, uint64_t offset, uint64_t bytes, void *out, ck_error *error);

/* A profile build (`ck build --profile`) counts what each site of its program costs: every kernel call, and every place
 * where threads wait for each other. In other builds there are no sites, and the functions below give CK_ERROR_ARGUMENT. */
typedef struct ck_site {
    const char *mode;   /* "prefill" or "decode" */
    const char *layer;  /* the part of the step that is repeated: "layer", "layer_2", ...; "" outside */
    const char *kernel; /* "wait": until every thread is here; "step": the whole step */
    const char *value;  /* what the call makes, or the call behind the wait makes, in the model's own names */
} ck_site;

/* Sums of one site and one thread. */
typedef struct ck_counter {
    uint64_t calls; /* a repeated site counts each round, and a claimed one each piece */
    uint64_t nanoseconds;
    uint64_t cycles; /* of sites that are a whole step, where ck_context_profile_hardware says NULL; else 0 */
    uint64_t instructions;
    uint64_t cache_misses;
} ck_counter;

/* One passage of one thread through a site. */
typedef struct ck_event {
    int64_t start; /* nanoseconds of a steady clock that all threads share */
    int64_t nanoseconds;
    int64_t site;
} ck_event;

/* The number of sites, and where they lie: as long as the library is loaded. 0: no profile build. */
int32_t ck_model_sites(const ck_model *model, const ck_site **sites);
/* Copies the counters [sites] of a thread; thread is 0 .. threads - 1, site_count what ck_model_sites gives. */
ck_status ck_context_profile(const ck_context *context, int32_t thread, ck_counter *counters, int32_t site_count,
                             ck_error *error);
/* Copies the thread's first `capacity` events in order of their ends, sets *count to how many are kept, and *dropped to how
 * many came when the buffer was full. */
ck_status ck_context_profile_events(const ck_context *context, int32_t thread, ck_event *events, int64_t capacity,
                                    int64_t *count, int64_t *dropped, ck_error *error);
/* Begins anew: counters at 0, no events. */
ck_status ck_context_profile_reset(ck_context *context, ck_error *error);
/* NULL where the system counts cycles, instructions and cache misses; else why it does not. After the first step. */
const char *ck_context_profile_hardware(const ck_context *context);

/* flags for ck_tokenize */
#define CK_ADD_SPECIAL 1   /* add BOS/EOS as the checkpoint asks */
#define CK_PARSE_SPECIAL 2 /* special tokens written in the text become their ids; else they are text */

/* Writes at most `capacity` ids and sets *count to the number that the text has (call again if it is larger). Text need
 * not be valid UTF-8. */
ck_status ck_tokenize(const ck_model *model, const char *text, int64_t bytes, int32_t flags, int32_t *ids,
                      int64_t capacity, int64_t *count, ck_error *error);
#define CK_CONTINUES 4 /* of ck_tokenize_parts: other text stands before this one, so it is not the start of a text */
/* The ids of a text in parts, one behind another: part i ends at byte ends[i], the last one where the text ends. Special
 * tokens written in part i become their ids where special[i] is 1, else they are text; words go over the ends of parts.
 * flags: CK_ADD_SPECIAL, CK_CONTINUES. As ck_tokenize otherwise. */
ck_status ck_tokenize_parts(const ck_model *model, const char *text, const int64_t *ends, const int32_t *special,
                            int32_t parts, int32_t flags, int32_t *ids, int64_t capacity, int64_t *count,
                            ck_error *error);
/* Writes at most `capacity` bytes (no terminator) and sets *bytes to the number that the ids have.
 * special: 1 writes special tokens as text, 0 leaves them out. */
ck_status ck_detokenize(const ck_model *model, const int32_t *ids, int64_t count, int32_t special, char *text,
                        int64_t capacity, int64_t *bytes, ck_error *error);

typedef struct ck_sampling {
    float temperature;    /* 0: greedy (largest logit, lowest id on a tie) */
    int32_t top_k;        /* 0: off */
    float top_p;          /* 1: off */
    float min_p;          /* 0: off */
    float repeat_penalty; /* 1: off; divides positive and multiplies negative logits of ids seen in the window */
    int32_t repeat_window;/* tokens looked back; 0: off */
    uint64_t seed;        /* same seed, same text */
} ck_sampling;

/* What happens where a token does not fit the context. */
typedef enum ck_overflow {
    CK_OVERFLOW_REFUSE = 0, /* a prompt is refused; a generation ends with CK_FINISH_CONTEXT */
    /* The older half of the tokens behind the first `keep` is dropped, as often as needed, and the newer half
     * computed again at its new positions: the text goes on exactly as after a prompt of the tokens that are left.
     * Costs a prefill of half a context each time. */
    CK_OVERFLOW_SHIFT = 1
} ck_overflow;

typedef struct ck_generation_options {
    ck_sampling sampling;
    int64_t tokens;           /* at most this many; 0: until a stop or a full context */
    const char *const *stops; /* text that ends the generation and is not returned; may be NULL */
    int32_t stop_count;       /* at most 16, each at most 256 bytes */
    int32_t ignore_eos;       /* 1: end-of-text tokens do not end it */
    int32_t sequence;         /* the sequence to continue */
    int32_t overflow;         /* ck_overflow */
    int64_t keep;             /* CK_OVERFLOW_SHIFT: first tokens that are never dropped; less than the context */
} ck_generation_options;

typedef enum ck_finish {
    CK_RUNNING = 0,
    CK_FINISH_EOS = 1,
    CK_FINISH_LENGTH = 2,
    CK_FINISH_STOP = 3,
    CK_FINISH_CONTEXT = 4
} ck_finish;

typedef struct ck_piece {
    int32_t id;        /* token, or -1 where the generation only finishes or a long token's text goes on */
    int32_t finish;    /* ck_finish */
    int64_t bytes;     /* of text: whole UTF-8 characters that can no longer be part of a stop; may be 0 */
    char text[1024];
} ck_piece;

/* Starts a generation after `count` >= 1 new prompt ids (appended to the context by the first ck_generation_next).
 * Copies what it needs of ids and options. Works without a tokenizer: pieces then carry ids and no text. */
ck_status ck_generation_open(ck_context *context, const int32_t *ids, int64_t count,
                             const ck_generation_options *options, ck_generation **generation, ck_error *error);
/* One token. After piece->finish is not CK_RUNNING there are no further pieces. Incomplete UTF-8 at the end becomes U+FFFD. */
ck_status ck_generation_next(ck_generation *generation, ck_piece *piece, ck_error *error);
void ck_generation_close(ck_generation *generation);

#ifdef __cplusplus
}
#endif
#endif
