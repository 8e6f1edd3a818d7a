/* ck_tokenize, ck_tokenize_parts and ck_detokenize: the argument checks before the tokenizer. */
#include <inttypes.h>

#include "engine.h"
#include "refuse.h"

static ck_status need_tokenizer(const ck_model *model, ck_error *error) {
    if (model->tokenizer) return CK_OK;
    return ck_refuse(error, CK_ERROR_TOKENIZER, "%s has no tokenizer; give token ids instead of text",
                     model->info.name);
}

ck_status ck_tokenize(const ck_model *model, const char *text, int64_t bytes, int32_t flags, int32_t *ids,
                      int64_t capacity, int64_t *count, ck_error *error) {
    ck_status status = need_tokenizer(model, error);
    if (status) return status;
    if (bytes < 0 || (bytes > 0 && !text)) {
        return ck_refuse(error, CK_ERROR_ARGUMENT, "ck_tokenize: text of %" PRId64 " bytes; accepted: 0 or more",
                         bytes);
    }
    if (capacity < 0 || (capacity > 0 && !ids) || !count) {
        return ck_refuse(error, CK_ERROR_ARGUMENT, "ck_tokenize: room for %" PRId64 " ids; accepted: 0 or more",
                         capacity);
    }
    if (flags & ~(CK_ADD_SPECIAL | CK_PARSE_SPECIAL)) {
        return ck_refuse(error, CK_ERROR_ARGUMENT, "ck_tokenize: flags are %" PRId32 "; accepted: 0 to 3", flags);
    }
    return ck_tokenizer_encode(model->tokenizer, text ? text : "", bytes, flags, ids, capacity, count, error);
}

ck_status ck_tokenize_parts(const ck_model *model, const char *text, const int64_t *ends, const int32_t *special,
                            int32_t parts, int32_t flags, int32_t *ids, int64_t capacity, int64_t *count,
                            ck_error *error) {
    ck_status status = need_tokenizer(model, error);
    if (status) return status;
    if (parts < 0 || (parts > 0 && (!text || !ends || !special))) {
        return ck_refuse(error, CK_ERROR_ARGUMENT, "ck_tokenize_parts: %" PRId32 " parts; accepted: 0 or more", parts);
    }
    if (capacity < 0 || (capacity > 0 && !ids) || !count) {
        return ck_refuse(error, CK_ERROR_ARGUMENT, "ck_tokenize_parts: room for %" PRId64 " ids; accepted: 0 or more",
                         capacity);
    }
    const ck_parts all = {ends, special, parts};
    return ck_tokenizer_encode_parts(model->tokenizer, text, &all, flags, ids, capacity, count, error);
}

ck_status ck_detokenize(const ck_model *model, const int32_t *ids, int64_t count, int32_t special, char *text,
                        int64_t capacity, int64_t *bytes, ck_error *error) {
    ck_status status = need_tokenizer(model, error);
    if (status) return status;
    if (count < 0 || (count > 0 && !ids)) {
        return ck_refuse(error, CK_ERROR_ARGUMENT, "ck_detokenize: %" PRId64 " ids; accepted: 0 or more", count);
    }
    if (capacity < 0 || (capacity > 0 && !text) || !bytes) {
        return ck_refuse(error, CK_ERROR_ARGUMENT, "ck_detokenize: room for %" PRId64 " bytes; accepted: 0 or more",
                         capacity);
    }
    int64_t vocabulary = ck_tokenizer_vocabulary(model->tokenizer);
    for (int64_t i = 0; i < count; i++) {
        if (ids[i] < 0 || ids[i] >= vocabulary) {
            return ck_refuse(error, CK_ERROR_ARGUMENT,
                             "token id %" PRId32 " at position %" PRId64 " has no text; accepted: 0 to %" PRId64,
                             ids[i], i, vocabulary - 1);
        }
    }
    return ck_tokenizer_decode(model->tokenizer, ids, count, special, text, capacity, bytes, error);
}
