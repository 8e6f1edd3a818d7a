#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "engine.h"
#include "refuse.h"
#include "sampler.h"
#include "stream.h"

struct ck_generation {
    ck_context *context;
    const ck_model *model;
    ck_sampler *sampler;
    ck_stream *stream;
    float *logits;         /* [vocabulary] */
    int32_t *prompt;       /* [prompt_count], of which prompt_done are in the context */
    int64_t prompt_count;
    int64_t prompt_done;
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

static ck_status check_prompt(const ck_context *context, const int32_t *ids, int64_t count, ck_error *error) {
    const ck_info *info = ck_model_info(ck_context_model(context));
    int64_t position = ck_context_position(context);
    if (info->embedding > 0) {
        return ck_refuse(error, CK_ERROR_ARGUMENT,
                         "%s is an encoder: it gives embeddings and continues no text; accepted: ck embed", info->name);
    }
    if (count < 1 || !ids) {
        return ck_refuse(error, CK_ERROR_ARGUMENT, "the prompt has %" PRId64 " tokens; accepted: 1 or more", count);
    }
    if (count > info->context - position) {
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
    g->ignore_eos = options->ignore_eos;
    g->begins_text = g->model->tokenizer && shows_nothing(g->model, ids, count) &&
                     shows_nothing(g->model, ck_context_ids(g->context), ck_context_position(g->context));
    return CK_OK;
}

ck_status ck_generation_open(ck_context *context, const int32_t *ids, int64_t count,
                             const ck_generation_options *options, ck_generation **out, ck_error *error) {
    if (!out) return ck_refuse(error, CK_ERROR_ARGUMENT, "ck_generation_open: generation is NULL");
    *out = NULL;
    if (!context || !options) {
        return ck_refuse(error, CK_ERROR_ARGUMENT, "ck_generation_open: %s is NULL", context ? "options" : "context");
    }
    ck_status status = check_prompt(context, ids, count, error);
    if (status) return status;
    if (options->tokens < 0) {
        return ck_refuse(error, CK_ERROR_ARGUMENT, "tokens is %" PRId64 "; accepted: 0 (no limit) or more",
                         options->tokens);
    }
    ck_generation *g = calloc(1, sizeof *g);
    if (!g) return ck_refuse(error, CK_ERROR_MEMORY, "no memory for a generation");
    g->context = context;
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

/* Appends what is not yet in the context and fills g->logits. After CK_ERROR_STOPPED it may be called again. */
static ck_status advance(ck_generation *g, ck_error *error) {
    int64_t left = g->prompt_count - g->prompt_done;
    if (left == 0) return ck_context_eval(g->context, CK_DECODE, &g->last, 1, g->logits, 1, error);
    int64_t before = ck_context_position(g->context);
    ck_mode mode = left > 1 ? CK_PREFILL : CK_DECODE;
    ck_status status = ck_context_eval(g->context, mode, g->prompt + g->prompt_done, left, g->logits, 1, error);
    g->prompt_done += ck_context_position(g->context) - before;
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
    int64_t position = ck_context_position(g->context);
    g->last = ck_sampler_next(g->sampler, g->logits, ck_context_ids(g->context), position);
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
    } else if (position == g->model->info.context) {
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
