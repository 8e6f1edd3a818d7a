#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "engine.h"
#include "refuse.h"
#include "sampler.h"
#include "stream.h"

struct ck_generation {
    ck_context *context;
    int32_t sequence;
    const ck_model *model;
    ck_sampler *sampler;
    ck_stream *stream;
    float *logits;         /* [vocabulary] */
    int32_t *prompt;       /* [prompt_count], of which prompt_done are in the context */
    int64_t prompt_count;
    int64_t prompt_done;
    int64_t keep;          /* tokens that make no room when the context is full; -1: it ends then */
    int64_t tokens;        /* still to come; -1: no limit */
    int32_t last;          /* sampled and not yet in the context */
    int32_t ignore_eos;
    int begins_text;       /* nothing that could be seen came before: the next token begins the text */
    ck_finish finish;      /* why no more tokens come; CK_RUNNING: they do */
    int is_over;           /* the finish was told */
};

/* 1 where these ids show nothing, so that a token after them begins the text and loses SentencePiece's first space. */
static int shows_nothing(const ck_model *model, const int32_t *ids, int64_t count) {
    int64_t vocabulary = ck_tokenizer_vocabulary(model->tokenizer);
    for (int64_t i = 0; i < count; i++) {
        if (ids[i] < vocabulary && ck_tokenizer_piece(model->tokenizer, ids[i], 0, NULL, 0) > 0) return 0;
    }
    return 1;
}

static ck_status check_prompt(const ck_context *context, const int32_t *ids, int64_t count,
                              const ck_generation_options *options, ck_error *error) {
    const ck_info *info = ck_model_info(ck_context_model(context));
    if (info->embedding > 0) {
        return ck_refuse(error, CK_ERROR_ARGUMENT,
                         "%s is an encoder: it gives embeddings and continues no text; accepted: ck embed", info->name);
    }
    const int64_t position = ck_sequence_position(context, options->sequence);
    if (position < 0) {
        return ck_refuse(error, CK_ERROR_ARGUMENT, "sequence is %" PRId32 "; accepted: 0 to %" PRId64,
                         options->sequence, info->sequences - 1);
    }
    if (count < 1 || !ids) {
        return ck_refuse(error, CK_ERROR_ARGUMENT, "the prompt has %" PRId64 " tokens; accepted: 1 or more", count);
    }
    if (count > info->context - position && options->overflow == CK_OVERFLOW_REFUSE) {
        return ck_refuse(error, CK_ERROR_CONTEXT,
                         "a prompt of %" PRId64 " tokens after the %" PRId64
                         " held does not fit the context; accepted: at most %" PRId64
                         " in all (build with a larger --context)",
                         count, position, info->context);
    }
    for (int64_t i = 0; i < count; i++) {
        if (ids[i] < 0 || ids[i] >= info->vocabulary) {
            return ck_refuse(error, CK_ERROR_ARGUMENT,
                             "token id %" PRId32 " at position %" PRId64
                             " is outside the vocabulary; accepted: 0 to %" PRId64,
                             ids[i], position + i, info->vocabulary - 1);
        }
    }
    return CK_OK;
}

static ck_status check_limits(const ck_info *info, const ck_generation_options *options, ck_error *error) {
    if (options->tokens < 0) {
        return ck_refuse(error, CK_ERROR_ARGUMENT, "tokens is %" PRId64 "; accepted: 0 (no limit) or more",
                         options->tokens);
    }
    if (options->overflow != CK_OVERFLOW_REFUSE && options->overflow != CK_OVERFLOW_SHIFT) {
        return ck_refuse(error, CK_ERROR_ARGUMENT, "overflow is %" PRId32 "; accepted: 0 (refuse) or 1 (shift)",
                         options->overflow);
    }
    if (options->keep < 0 || options->keep >= info->context) {
        return ck_refuse(error, CK_ERROR_ARGUMENT, "keep is %" PRId64 "; accepted: 0 to %" PRId64
                         ", less than the context", options->keep, info->context - 1);
    }
    return CK_OK;
}

static ck_status fill(ck_generation *g, const int32_t *ids, int64_t count, const ck_generation_options *options,
                      ck_error *error) {
    ck_status status = ck_sampler_open(&options->sampling, g->model->info.vocabulary, &g->sampler, error);
    if (!status) status = ck_stream_open(options->stops, options->stop_count, &g->stream, error);
    if (status) return status;
    g->logits = malloc((size_t)g->model->info.vocabulary * sizeof *g->logits);
    g->prompt = malloc((size_t)count * sizeof *g->prompt);
    if (!g->logits || !g->prompt) return ck_refuse(error, CK_ERROR_MEMORY, "no memory for a generation");
    memcpy(g->prompt, ids, (size_t)count * sizeof *ids);
    g->prompt_count = count;
    g->tokens = options->tokens > 0 ? options->tokens : -1;
    g->keep = options->overflow == CK_OVERFLOW_SHIFT ? options->keep : -1;
    g->ignore_eos = options->ignore_eos;
    const int64_t held = ck_sequence_position(g->context, g->sequence);
    g->begins_text = g->model->tokenizer && shows_nothing(g->model, ids, count) &&
                     shows_nothing(g->model, ck_sequence_ids(g->context, g->sequence), held);
    return CK_OK;
}

ck_status ck_generation_open(ck_context *context, const int32_t *ids, int64_t count,
                             const ck_generation_options *options, ck_generation **out, ck_error *error) {
    if (!out) return ck_refuse(error, CK_ERROR_ARGUMENT, "ck_generation_open: generation is NULL");
    *out = NULL;
    if (!context || !options) {
        return ck_refuse(error, CK_ERROR_ARGUMENT, "ck_generation_open: %s is NULL", context ? "options" : "context");
    }
    ck_status status = check_limits(ck_model_info(ck_context_model(context)), options, error);
    if (!status) status = check_prompt(context, ids, count, options, error);
    if (status) return status;
    ck_generation *g = calloc(1, sizeof *g);
    if (!g) return ck_refuse(error, CK_ERROR_MEMORY, "no memory for a generation");
    g->context = context;
    g->sequence = options->sequence;
    g->model = ck_context_model(context);
    status = fill(g, ids, count, options, error);
    if (status) {
        ck_generation_close(g);
        return status;
    }
    *out = g;
    return CK_OK;
}

void ck_generation_close(ck_generation *g) {
    if (!g) return;
    ck_sampler_close(g->sampler);
    ck_stream_close(g->stream);
    free(g->logits);
    free(g->prompt);
    free(g);
}

/* Appends ids and fills g->logits with those of the last. */
static ck_status eval(ck_generation *g, const int32_t *ids, int64_t count, ck_error *error) {
    const ck_batch batch = {.ids = ids, .sequence = g->sequence, .count = count, .rows = 1};
    return ck_context_eval_batch(g->context, count > 1 ? CK_PREFILL : CK_DECODE, &batch, g->logits, error);
}

/* Tokens of a text that are left when it has to fit: the first `keep`, and of the others the newer half, again and
 * again. */
static int64_t fitting_tokens(int64_t tokens, int64_t keep, int64_t context) {
    while (tokens > context) tokens -= (tokens - keep + 1) / 2;
    return tokens;
}

/* Makes room for `next` [count]. What is dropped changes the positions of all that follows it, and with them every byte
 * that was computed of it; so the sequence goes back to the kept tokens, and the rest becomes a prompt. */
static ck_status shift(ck_generation *g, const int32_t *next, int64_t count, ck_error *error) {
    const int64_t held = ck_sequence_position(g->context, g->sequence);
    const int64_t left = fitting_tokens(held + count, g->keep, g->model->info.context);
    const int64_t dropped = held + count - left;
    const int64_t kept = ck_sequence_restorable(g->context, g->sequence, g->keep < held ? g->keep : held);
    int32_t *text = malloc((size_t)(held + count) * sizeof *text);
    if (!text) return ck_refuse(error, CK_ERROR_MEMORY, "no memory to shift a context of %" PRId64 " tokens", held);
    memcpy(text, ck_sequence_ids(g->context, g->sequence), (size_t)held * sizeof *text);
    memcpy(text + held, next, (size_t)count * sizeof *text);
    memmove(text + g->keep, text + g->keep + dropped, (size_t)(left - g->keep) * sizeof *text);
    ck_sequence_rewind(g->context, g->sequence, kept, NULL);
    free(g->prompt);
    g->prompt = text;
    g->prompt_count = left;
    g->prompt_done = kept;
    return CK_OK;
}

/* Appends what is not yet in the sequence and fills g->logits. After CK_ERROR_STOPPED it may be called again. */
static ck_status advance(ck_generation *g, ck_error *error) {
    const int32_t *next = g->prompt + g->prompt_done;
    int64_t left = g->prompt_count - g->prompt_done;
    if (left == 0) {
        next = &g->last;
        left = 1;
    }
    const int64_t before = ck_sequence_position(g->context, g->sequence);
    if (g->keep >= 0 && left > g->model->info.context - before) {
        ck_status status = shift(g, next, left, error);
        return status ? status : advance(g, error);
    }
    const int is_last = next == &g->last;
    ck_status status = eval(g, next, left, error);
    if (!is_last) g->prompt_done += ck_sequence_position(g->context, g->sequence) - before;
    return status;
}

/* Adds the token's bytes to the stream. *stopped: they complete a stop string. */
static ck_status add_text(ck_generation *g, int32_t id, int *stopped, ck_error *error) {
    *stopped = 0;
    const ck_tokenizer *tokenizer = g->model->tokenizer;
    /* A model's head may be wider than its tokenizer; such ids have no text. */
    if (!tokenizer || id >= ck_tokenizer_vocabulary(tokenizer)) return CK_OK;
    int64_t bytes = ck_tokenizer_piece(tokenizer, id, 0, NULL, 0);
    if (bytes <= 0) return CK_OK;
    char *room = ck_stream_reserve(g->stream, bytes);
    if (!room) return ck_refuse(error, CK_ERROR_MEMORY, "no memory for a token of %" PRId64 " bytes", bytes);
    if (g->begins_text) {
        int64_t capacity = bytes;
        ck_status status = ck_tokenizer_decode(tokenizer, &id, 1, 0, room, capacity, &bytes, error);
        if (status) return status;
        if (bytes > capacity) bytes = capacity;
        g->begins_text = 0;
    } else {
        ck_tokenizer_piece(tokenizer, id, 0, room, bytes);
    }
    *stopped = ck_stream_add(g->stream, bytes);
    return CK_OK;
}

static int ends_text(const ck_generation *g, int32_t id) {
    const ck_tokenizer *tokenizer = g->model->tokenizer;
    return tokenizer && !g->ignore_eos && id < ck_tokenizer_vocabulary(tokenizer) && ck_tokenizer_is_end(tokenizer, id);
}

/* One token more: evaluates, samples, and decides whether it was the last. */
static ck_status next_token(ck_generation *g, ck_error *error) {
    ck_status status = advance(g, error);
    if (status) return status;
    const int64_t position = ck_sequence_position(g->context, g->sequence);
    g->last = ck_sampler_next(g->sampler, g->logits, ck_sequence_ids(g->context, g->sequence), position);
    if (g->tokens > 0) g->tokens--;
    if (ends_text(g, g->last)) {
        g->finish = CK_FINISH_EOS;
        return CK_OK;
    }
    int stopped;
    status = add_text(g, g->last, &stopped, error);
    if (status) return status;
    if (stopped) {
        g->finish = CK_FINISH_STOP;
    } else if (g->tokens == 0) {
        g->finish = CK_FINISH_LENGTH;
    } else if (position == g->model->info.context && g->keep < 0) {
        g->finish = CK_FINISH_CONTEXT;
    }
    return CK_OK;
}

ck_status ck_generation_next(ck_generation *g, ck_piece *piece, ck_error *error) {
    if (!g || !piece) {
        return ck_refuse(error, CK_ERROR_ARGUMENT, "ck_generation_next: %s is NULL", g ? "piece" : "generation");
    }
    if (g->is_over) return ck_refuse(error, CK_ERROR_ARGUMENT, "the generation has finished; open another one");
    piece->id = -1;
    piece->finish = CK_RUNNING;
    piece->bytes = 0;
    /* A token longer than a piece is given out over several pieces before the next token. */
    if (g->finish == CK_RUNNING && ck_stream_ready(g->stream) == 0) {
        ck_status status = next_token(g, error);
        if (status) return status;
        piece->id = g->last;
        if (g->finish != CK_RUNNING) ck_stream_end(g->stream);
    }
    piece->bytes = ck_stream_take(g->stream, piece->text, (int64_t)sizeof piece->text);
    if (g->finish != CK_RUNNING && ck_stream_ready(g->stream) == 0) {
        piece->finish = (int32_t)g->finish;
        g->is_over = 1;
    }
    return CK_OK;
}
