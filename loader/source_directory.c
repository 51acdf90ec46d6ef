/* SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#include "loader/source.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loader/json.h"
#include "loader/qwen3_asr.h"
#include "loader/safetensors.h"

#define MAX_CONFIG_BYTES (1u << 20)
#define MAX_INDEX_BYTES (16u << 20)

/* Names where config.json has none (loaders.py). */
#define LM_NAME "model.safetensors"
#define MIMI_NAME "tokenizer-e351c8d8-checkpoint125.safetensors"
#define TOKENIZER_NAME "tokenizer_spm_32k_3.model"

/* The first Moshi repositories came without a config.json: loaders.py's _lm_kwargs. */
static const char first_moshi[] =
    "{\"dim\": 4096, \"text_card\": 32000, \"existing_text_padding_id\": 3, \"n_q\": 16, "
    "\"dep_q\": 8, \"card\": 2048,"
    " \"num_heads\": 32, \"num_layers\": 32, \"hidden_scale\": 4.125, \"causal\": true, "
    "\"layer_scale\": null,"
    " \"context\": 3000, \"max_period\": 10000, \"gating\": \"silu\", \"norm\": \"rms_norm_f32\","
    " \"positional_embedding\": \"rope\", \"depformer_dim\": 1024, \"depformer_dim_feedforward\": "
    "4224,"
    " \"depformer_num_heads\": 16, \"depformer_num_layers\": 6, \"depformer_layer_scale\": null,"
    " \"depformer_multi_linear\": true, \"depformer_context\": 8, \"depformer_max_period\": 10000,"
    " \"depformer_gating\": \"silu\", \"depformer_pos_emb\": \"none\", "
    "\"depformer_weights_per_step\": true,"
    " \"delays\": [0, 0, 1, 1, 1, 1, 1, 1, 1, 0, 1, 1, 1, 1, 1, 1, 1], \"model_type\": \"moshi\"}";

static enum status out_of_memory(const struct source *source)
{
    return log_error(&source->log, ERROR_MEMORY, "%s: out of memory", source->path);
}

static enum status load_json(const struct source *source, const char *path, uint64_t limit,
                             cJSON **out)
{
    char *text = NULL;
    size_t size;
    enum status status = file_load(&source->log, path, limit, &text, &size);
    if (status)
        return status;
    status = json_parse(&source->log, path, text, size, out);
    free(text);
    if (!status && !cJSON_IsObject(*out)) {
        cJSON_Delete(*out);
        *out = NULL;
        status = log_error(&source->log, ERROR_FORMAT, "%s: no JSON object", path);
    }
    return status;
}

static bool is_plain(const char *name)
{
    if (!*name || *name == '/' || strstr(name, "://"))
        return false;
    for (const char *at = name; at; at = strchr(at, '/') ? strchr(at, '/') + 1 : NULL)
        if (!strncmp(at, "..", 2) && (at[2] == '/' || !at[2]))
            return false;
    return true;
}

/* The path that a key of config.json (NULL: none) names. Upstream allows
 * hf://owner/repository/file: what was downloaded of that is the file. *out is NULL if the key is
 * absent and there is no fallback. */
static enum status named_path(const struct source *source, const char *key, const char *fallback,
                              char **out)
{
    const cJSON *item = key ? cJSON_GetObjectItemCaseSensitive(source->config, key) : NULL;
    const char *name = fallback;

    *out = NULL;
    if (item && !cJSON_IsNull(item)) {
        if (!cJSON_IsString(item))
            return log_error(&source->log, ERROR_FORMAT, "%s: %s is no string", source->config_path,
                             key);
        name = item->valuestring;
        if (!strncmp(name, "hf://", 5))
            name = strrchr(name, '/') + 1;
    }
    if (!name)
        return OK;
    if (!is_plain(name))
        return log_error(&source->log, ERROR_FORMAT,
                         "%s: %s is \"%.200s\", which is no file of this directory",
                         source->config_path, key, name);
    *out = path_join(source->path, name);
    return *out ? OK : out_of_memory(source);
}

static enum status missing(const struct source *source, const char *key, const char *path)
{
    if (!key)
        return log_error(&source->log, ERROR_IO, "%s: does not exist, nor an index of shards",
                         path);
    return log_error(&source->log, ERROR_IO, "%s: does not exist (%s of %s)", path, key,
                     source->config_path);
}

struct shard {
    const cJSON *map;
    const char *name;
};

static bool in_shard(const void *user, const struct tensor *tensor)
{
    const struct shard *shard = user;
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(shard->map, tensor->name);
    return item && !strcmp(item->valuestring, shard->name);
}

static bool has_file(const struct source *source, const char *path)
{
    for (uint32_t i = 0; i < source->n_files; i++)
        if (!strcmp(source->files[i].path, path))
            return true;
    return false;
}

static enum status add_shards(struct source *source, const char *index_path, const char *prefix)
{
    cJSON *index = NULL;
    const cJSON *item;
    uint32_t before = source->n_tensors;

    enum status status = load_json(source, index_path, MAX_INDEX_BYTES, &index);
    if (status)
        return status;
    const cJSON *map = cJSON_GetObjectItemCaseSensitive(index, "weight_map");
    if (!cJSON_IsObject(map)) {
        status = log_error(&source->log, ERROR_FORMAT, "%s: no weight_map", index_path);
        goto done;
    }
    cJSON_ArrayForEach(item, map)
    {
        if (!cJSON_IsString(item) || !is_plain(item->valuestring)) {
            status =
                log_error(&source->log, ERROR_FORMAT,
                          "%s: tensor %.200s: no file of this directory", index_path, item->string);
            goto done;
        }
    }
    cJSON_ArrayForEach(item, map)
    {
        char *path = path_join(source->path, item->valuestring);
        if (!path) {
            status = out_of_memory(source);
        } else if (!has_file(source, path)) {
            struct shard shard = {map, item->valuestring};
            status = path_exists(path)
                         ? source_add_safetensors(source, path, prefix, in_shard, &shard)
                         : log_error(&source->log, ERROR_IO,
                                     "%s: does not exist (weight_map of %s)", path, index_path);
        }
        free(path);
        if (status)
            goto done;
    }
    int expected = cJSON_GetArraySize(map);
    if (source->n_tensors - before != (uint32_t)expected)
        status = log_error(&source->log, ERROR_FORMAT,
                           "%s: lists %d tensors, the files hold %" PRIu32 " of them", index_path,
                           expected, source->n_tensors - before);
done:
    cJSON_Delete(index);
    return status;
}

/* A safetensors file, or where it is absent the shards that FILE.index.json lists. */
static enum status add_weights(struct source *source, const char *key, const char *fallback,
                               const char *prefix)
{
    char *path = NULL, *index_path = NULL;

    enum status status = named_path(source, key, fallback, &path);
    if (status)
        return status;
    if (path_exists(path)) {
        status = source_add_safetensors(source, path, prefix, NULL, NULL);
        goto done;
    }
    size_t size = strlen(path) + sizeof(".index.json");
    index_path = malloc(size);
    if (!index_path) {
        status = out_of_memory(source);
        goto done;
    }
    snprintf(index_path, size, "%s.index.json", path);
    status = path_exists(index_path) ? add_shards(source, index_path, prefix)
                                     : missing(source, key, path);
done:
    free(index_path);
    free(path);
    return status;
}

static enum status load_config(struct source *source)
{
    source->config_path = path_join(source->path, "config.json");
    if (!source->config_path)
        return out_of_memory(source);
    if (path_exists(source->config_path))
        return load_json(source, source->config_path, MAX_CONFIG_BYTES, &source->config);
    char *mimi = path_join(source->path, MIMI_NAME);
    bool first = mimi && path_exists(mimi);
    free(mimi);
    if (!first)
        return log_error(&source->log, ERROR_IO,
                         "%s: does not exist: a checkpoint directory has one", source->config_path);
    log_write(&source->log, LOG_WARNING,
              "%s: does not exist: taken for the first Moshi, which came without",
              source->config_path);
    return json_parse(&source->log, source->config_path, first_moshi, sizeof(first_moshi) - 1,
                      &source->config);
}

/* The tokenizer is read where it is needed (loader/tokenizer_bpe.h). */
static enum status open_qwen3_asr(struct source *source)
{
    enum status status = add_weights(source, NULL, LM_NAME, "");
    for (uint32_t i = 0; i < source->n_tensors; i++)
        qwen3_asr_rename(source->tensors[i].name);
    return status;
}

enum status source_open_directory(struct source *source)
{
    enum status status = load_config(source);
    if (status)
        return status;
    if (qwen3_asr_is_config(source->config))
        return open_qwen3_asr(source);
    status = named_path(source, "mimi_config_name", NULL, &source->mimi_config_path);
    if (!status && source->mimi_config_path && !path_exists(source->mimi_config_path))
        status = missing(source, "mimi_config_name", source->mimi_config_path);
    if (!status && source->mimi_config_path)
        status =
            load_json(source, source->mimi_config_path, MAX_CONFIG_BYTES, &source->mimi_config);
    if (!status)
        status = named_path(source, "tokenizer_name", TOKENIZER_NAME, &source->tokenizer_path);
    if (!status && !path_exists(source->tokenizer_path))
        status = missing(source, "tokenizer_name", source->tokenizer_path);
    if (!status)
        status = add_weights(source, "moshi_name", LM_NAME, "");
    if (!status)
        status = add_weights(source, "mimi_name", MIMI_NAME, "mimi.");
    return status;
}

void source_free_json(struct source *source)
{
    cJSON_Delete(source->config);
    cJSON_Delete(source->mimi_config);
}
