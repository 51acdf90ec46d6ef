/* SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#include "loader/stt_web.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loader/config_fields.h"
#include "loader/json.h"
#include "loader/mimi_names.h"
#include "loader/source.h"

#define MAX_CONFIG_BYTES (1u << 20)

/* The port's keys, and those of docs/gguf.md that say the same. */
static const char *const keys[][2] = {
    {"stt.embedding_length", "embedding_length"},
    {"stt.attention.head_count", "attention.head_count"},
    {"stt.block_count", "block_count"},
    {"stt.context_length", "context_length"},
    {"stt.rope.freq_base", "rope.freq_base"},
    {"stt.vocab_size", "vocab_size"},
};

/* mimi_config.json in the directory of Mimi's file. */
static enum status read_mimi_config(struct source *source, const char *mimi)
{
    const char *slash = strrchr(mimi, '/');
    char *directory = slash ? strndup(mimi, (size_t)(slash - mimi) + 1) : strdup("."), *text = NULL;
    size_t size;
    enum status status = OK;

    char *path = directory ? path_join(directory, "mimi_config.json") : NULL;
    free(directory);
    if (!path)
        return log_error(&source->log, ERROR_MEMORY, "%s: out of memory", source->path);
    if (!path_exists(path)) {
        free(path);
        return OK;
    }
    source->mimi_config_path = path;
    status = file_load(&source->log, path, MAX_CONFIG_BYTES, &text, &size);
    if (!status)
        status = json_parse(&source->log, path, text, size, &source->mimi_config);
    free(text);
    return status;
}

/* Whether the tensors from `first` on are Mimi's, under Kyutai's names. */
static enum status check_mimi(const struct source *source, uint32_t first, const char *path)
{
    for (uint32_t i = first; i < source->n_tensors; i++)
        if (!strcmp(source->tensors[i].name, "mimi.encoder.model.0.conv.conv.weight"))
            return OK;
    return log_error(&source->log, ERROR_FORMAT, "%s: holds no Mimi", path);
}

/* The published file beside is in the form of transformers. */
static enum status rename_mimi(struct source *source, uint32_t first)
{
    uint64_t n_heads = 8;
    bool renamed = false;

    for (uint32_t i = first; i < source->n_tensors; i++)
        renamed = renamed || mimi_is_renamed(source->tensors[i].name);
    if (!renamed)
        return OK;
    const cJSON *heads = json_find(source->mimi_config, "transformer.num_heads");
    if (heads && (!json_u64(heads, &n_heads) || !n_heads || n_heads > 1024))
        return log_error(&source->log, ERROR_FORMAT,
                         "%s: transformer.num_heads is no whole number from 1 to 1024",
                         source->mimi_config_path);
    for (uint32_t i = first; i < source->n_tensors; i++) {
        struct tensor *tensor = &source->tensors[i];
        mimi_rename(tensor, (uint32_t)n_heads);
        if (tensor->rope_heads && (tensor->n_dims != 2 || tensor->dims[0] % (2 * n_heads) ||
                                   tensor->bytes == 0 || !tensor_type_info(tensor->type)))
            return log_error(&source->log, ERROR_FORMAT,
                             "%s: tensor %s has no rows for %" PRIu64 " heads",
                             source_file(source, tensor->file), tensor->name, n_heads);
    }
    return OK;
}

enum status stt_web_attach(struct source *source, const struct source_beside *beside)
{
    enum status status = OK;
    uint32_t first = source->n_tensors;

    if (beside->mimi)
        status = source_add_safetensors(source, beside->mimi, "mimi.", NULL, NULL);
    if (!status && beside->mimi)
        status = read_mimi_config(source, beside->mimi);
    if (!status && beside->mimi)
        status = rename_mimi(source, first);
    if (!status && beside->mimi)
        status = check_mimi(source, first, beside->mimi);
    if (status || !beside->tokenizer)
        return status;
    if (!path_exists(beside->tokenizer))
        return log_error(&source->log, ERROR_IO, "%s: does not exist", beside->tokenizer);
    source->tokenizer_path = strdup(beside->tokenizer);
    return source->tokenizer_path
               ? OK
               : log_error(&source->log, ERROR_MEMORY, "%s: out of memory", source->path);
}

static const struct config_field *find_field(const char *name)
{
    const struct config_fields fields = config_lm_fields();
    for (size_t i = 0; i < fields.count; i++)
        if (!strcmp(fields.fields[i].gguf, name))
            return &fields.fields[i];
    return NULL;
}

static enum status wrong_key(const struct log *log, const struct gguf *gguf, const char *key)
{
    return log_error(log, ERROR_FORMAT, "%s: key %s is absent or no number", gguf->path, key);
}

static enum status read_keys(const struct log *log, const struct gguf *gguf,
                             struct model_config *config)
{
    uint64_t number;

    for (size_t i = 0; i < COUNT_OF(keys); i++) {
        double value;
        if (gguf_get_u64(gguf, keys[i][0], &number))
            value = (double)number;
        else if (!gguf_get_f64(gguf, keys[i][0], &value))
            return wrong_key(log, gguf, keys[i][0]);
        enum status status =
            config_set(log, gguf->path, keys[i][0], find_field(keys[i][1]), value, config);
        if (status)
            return status;
    }
    if (!gguf_get_u64(gguf, "stt.audio_vocab_size", &number) || number < 2)
        return wrong_key(log, gguf, "stt.audio_vocab_size");
    /* The initial token is counted, as it is in the tables. */
    return config_set(log, gguf->path, "stt.audio_vocab_size", find_field("audio.codebook_size"),
                      (double)(number - 1), config);
}

static uint32_t count_codebooks(const struct source *source)
{
    char name[64];
    uint32_t n = 0;
    do
        snprintf(name, sizeof(name), "emb.%" PRIu32 ".weight", n);
    while (source_find(source, name) && ++n < CONFIG_MAX_STREAMS);
    return n;
}

enum status stt_web_read_config(const struct log *log, const struct source *source,
                                struct model_config *config)
{
    const struct gguf *gguf = source->gguf;
    const char *name = config_architecture(MODEL_STT);
    bool has_mimi = source->n_files > 1;

    if (!has_mimi || !source->tokenizer_path)
        return log_error(
            log, ERROR_ARGUMENT,
            "%s: is of the browser port and holds neither Mimi nor a tokenizer: give "
            "Mimi's safetensors file and the SentencePiece model, too (%s%s%s); stapes "
            "quantize makes one file of all (--mimi-file, --tokenizer)",
            gguf->path, has_mimi ? "" : "--mimi", has_mimi || source->tokenizer_path ? "" : ", ",
            source->tokenizer_path ? "" : "--tokenizer");
    enum status status = read_keys(log, gguf, config);
    if (!status)
        status = config_set(log, gguf->path, "the number of tensors emb.*",
                            find_field("audio.codebook_count"), count_codebooks(source), config);
    if (!status)
        status = config_read_mimi_json(log, source, config);
    if (status)
        return status;
    /* What the port does not write is what stt-1b-en_fr has: no depformer, and no delays between
     * codebooks. */
    config->kind = MODEL_STT;
    config->lm.text_padding_id = 3;
    config->lm.extra_heads = CONFIG_FROM_TENSORS;
    config->has_stt = true;
    config->audio_delay_seconds = 0.5;
    gguf_get_string(gguf, "general.name", &name);
    snprintf(config->name, sizeof(config->name), "%s", name);
    return OK;
}
