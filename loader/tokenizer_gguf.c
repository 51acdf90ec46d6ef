/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "loader/gguf.h"
#include "loader/tokenizer_parts.h"

struct keys {
    const struct gguf_value *tokens, *scores, *types;
};

static enum status find_keys(const struct log *log, const struct gguf *gguf, struct keys *keys)
{
    const char *model = "absent", *wrong = NULL;

    if (!gguf_get_string(gguf, "tokenizer.ggml.model", &model) || strcmp(model, "llama"))
        return log_error(log, ERROR_UNSUPPORTED,
                         "%s: tokenizer.ggml.model is %.60s: only \"llama\" is supported",
                         gguf->path, model);
    keys->tokens = gguf_find(gguf, "tokenizer.ggml.tokens");
    keys->scores = gguf_find(gguf, "tokenizer.ggml.scores");
    keys->types = gguf_find(gguf, "tokenizer.ggml.token_type");
    if (!keys->tokens || !keys->tokens->array || keys->tokens->type != GGUF_STRING)
        return log_error(log, ERROR_FORMAT, "%s: tokenizer.ggml.tokens is no array of strings",
                         gguf->path);
    if (!keys->types || !keys->types->array || keys->types->count != keys->tokens->count)
        wrong = "token_type is no array";
    else if (keys->scores && (!keys->scores->array || keys->scores->type != GGUF_F32 ||
                              keys->scores->count != keys->tokens->count))
        wrong = "scores is no array of f32";
    if (wrong)
        return log_error(log, ERROR_FORMAT, "%s: tokenizer.ggml.%s as long as the tokens",
                         gguf->path, wrong);
    return OK;
}

static void read_flags(const struct gguf *gguf, struct tokenizer *tokenizer)
{
    const char *text;
    gguf_get_bool(gguf, "tokenizer.ggml.add_space_prefix", &tokenizer->add_dummy_prefix);
    gguf_get_bool(gguf, "tokenizer.ggml.remove_extra_whitespaces",
                  &tokenizer->remove_extra_whitespaces);
    if (gguf_get_string(gguf, "tokenizer.ggml.unknown_text", &text) &&
        strlen(text) < sizeof(tokenizer->unknown) && tokenizer_is_text(text, strlen(text)))
        memcpy(tokenizer->unknown, text, strlen(text) + 1);
}

enum status tokenizer_read_gguf(const struct log *log, const struct gguf *gguf,
                                struct tokenizer **out)
{
    struct tokenizer *tokenizer = NULL;
    struct keys keys = {0};

    enum status status = find_keys(log, gguf, &keys);
    if (!status)
        status = tokenizer_create(log, gguf->path, &tokenizer);
    if (status)
        return status;
    read_flags(gguf, tokenizer);
    for (uint64_t i = 0; i < keys.tokens->count && !status; i++) {
        const char *text = gguf_element_string(keys.tokens, i);
        uint64_t type = 0;
        double score = 0;
        gguf_element_u64(keys.types, i, &type);
        if (keys.scores)
            gguf_element_f64(keys.scores, i, &score);
        status = tokenizer_add(log, gguf->path, tokenizer, text, strlen(text), (float)score, type);
    }
    if (!status)
        status = tokenizer_check(log, gguf->path, tokenizer);
    if (status) {
        tokenizer_close(&tokenizer);
        return status;
    }
    *out = tokenizer;
    return OK;
}

static void write_id(struct gguf_writer *writer, const char *key, const struct tokenizer *tokenizer,
                     const char *piece)
{
    for (uint32_t i = 0; i < tokenizer->n_pieces && i < 16; i++)
        if (!strcmp(tokenizer_piece(tokenizer, i), piece)) {
            gguf_write_u32(writer, key, i);
            return;
        }
}

enum status tokenizer_write_gguf(const struct log *log, const struct tokenizer *tokenizer,
                                 struct gguf_writer *writer)
{
    uint32_t n = tokenizer->n_pieces;
    enum status status;

    const char **tokens = malloc(n * sizeof(*tokens));
    float *scores = malloc(n * sizeof(*scores));
    int32_t *types = malloc(n * sizeof(*types));
    if (!tokens || !scores || !types) {
        status = log_error(log, ERROR_MEMORY, "out of memory");
        goto done;
    }
    for (uint32_t i = 0; i < n; i++) {
        tokens[i] = tokenizer_piece(tokenizer, i);
        scores[i] = tokenizer->pieces[i].score;
        types[i] = (int32_t)tokenizer->pieces[i].type;
    }
    gguf_write_string(writer, "tokenizer.ggml.model", "llama");
    gguf_write_array(writer, "tokenizer.ggml.tokens", GGUF_STRING, tokens, n);
    gguf_write_array(writer, "tokenizer.ggml.scores", GGUF_F32, scores, n);
    gguf_write_array(writer, "tokenizer.ggml.token_type", GGUF_I32, types, n);
    write_id(writer, "tokenizer.ggml.unknown_token_id", tokenizer, "<unk>");
    write_id(writer, "tokenizer.ggml.bos_token_id", tokenizer, "<s>");
    write_id(writer, "tokenizer.ggml.eos_token_id", tokenizer, "</s>");
    write_id(writer, "tokenizer.ggml.padding_token_id", tokenizer, "<pad>");
    gguf_write_bool(writer, "tokenizer.ggml.add_space_prefix", tokenizer->add_dummy_prefix);
    gguf_write_bool(writer, "tokenizer.ggml.remove_extra_whitespaces",
                    tokenizer->remove_extra_whitespaces);
    status = gguf_write_string(writer, "tokenizer.ggml.unknown_text", tokenizer->unknown);
done:
    free(types);
    free(scores);
    free(tokens);
    return status;
}
