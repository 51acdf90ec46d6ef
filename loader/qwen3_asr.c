/* SPDX-License-Identifier: MIT
 *
 * The configuration of Qwen3-ASR: config.json of either form, and the keys of a GGUF.
 */
#include "loader/qwen3_asr.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loader/json.h"
#include "loader/source.h"

#define REQUIRED (-1.0)
#define OPTIONAL (-2.0) /* ABSENT where it is not there */
#define ABSENT UINT32_MAX

struct field {
    const char *json, *other; /* in thinker_config, or at the top; `other`: in the -hf form */
    const char *gguf;         /* behind the architecture */
    size_t offset;
    double min, max, fallback;
    bool real;
};

#define AT(member) offsetof(struct qwen3_asr_config, member)
#define WIDTH 1, 1 << 20
#define COUNT 1, 1024
#define TOKEN 0, 1 << 22

static const struct field fields[] = {
    {"text_config.vocab_size", NULL, "vocab_size", AT(vocab_size), 1, 1 << 22, REQUIRED, false},
    {"text_config.hidden_size", NULL, "embedding_length", AT(dim), WIDTH, REQUIRED, false},
    {"text_config.num_hidden_layers", NULL, "block_count", AT(n_layers), COUNT, REQUIRED, false},
    {"text_config.intermediate_size", NULL, "feed_forward_length", AT(feedforward), WIDTH, REQUIRED,
     false},
    {"text_config.num_attention_heads", NULL, "attention.head_count", AT(n_heads), COUNT, REQUIRED,
     false},
    {"text_config.num_key_value_heads", NULL, "attention.head_count_kv", AT(n_kv_heads), COUNT,
     REQUIRED, false},
    {"text_config.head_dim", NULL, "attention.key_length", AT(head_dim), 2, 4096, 128, false},
    {"text_config.max_position_embeddings", NULL, "context_length", AT(context), 1, 1 << 24, 128000,
     false},
    {"text_config.rms_norm_eps", NULL, "attention.layer_norm_rms_epsilon", AT(rms_epsilon), 1e-12,
     1, 1e-6, true},
    {"text_config.rope_theta", "text_config.rope_parameters.rope_theta", "rope.freq_base",
     AT(max_period), 1, 1 << 30, 5000000, true},
    {"audio_token_id", NULL, "audio.token_id", AT(audio_token), TOKEN, OPTIONAL, false},
    {"audio_start_token_id", NULL, "audio.start_token_id", AT(audio_start_token), TOKEN, OPTIONAL,
     false},
    {"audio_end_token_id", NULL, "audio.end_token_id", AT(audio_end_token), TOKEN, OPTIONAL, false},
    {"audio_config.num_mel_bins", NULL, "audio.mel_bin_count", AT(audio.mel_bins), COUNT, 128,
     false},
    {"audio_config.d_model", "audio_config.hidden_size", "audio.embedding_length", AT(audio.dim),
     WIDTH, REQUIRED, false},
    {"audio_config.encoder_layers", "audio_config.num_hidden_layers", "audio.block_count",
     AT(audio.n_layers), COUNT, REQUIRED, false},
    {"audio_config.encoder_attention_heads", "audio_config.num_attention_heads",
     "audio.attention.head_count", AT(audio.n_heads), COUNT, REQUIRED, false},
    {"audio_config.encoder_ffn_dim", "audio_config.intermediate_size", "audio.feed_forward_length",
     AT(audio.feedforward), WIDTH, REQUIRED, false},
    {"audio_config.output_dim", NULL, "audio.output_length", AT(audio.output_dim), WIDTH, REQUIRED,
     false},
    {"audio_config.downsample_hidden_size", NULL, "audio.channel_count", AT(audio.conv_channels),
     WIDTH, 480, false},
    {"audio_config.n_window", NULL, "audio.window", AT(audio.window), WIDTH, 100, false},
    {"audio_config.n_window_infer", NULL, "audio.window_infer", AT(audio.window_infer), WIDTH, 400,
     false},
};

/* What a key must say, where it is there, for the model to be the one that is documented. */
static const struct {
    const char *key, *text; /* NULL: false or null */
} expectations[] = {
    {"text_config.hidden_act", "silu"},     {"text_config.attention_bias", NULL},
    {"text_config.sliding_window", NULL},   {"audio_config.activation_function", "gelu"},
    {"audio_config.scale_embedding", NULL},
};

static const cJSON *thinker(const cJSON *config)
{
    const cJSON *inner = cJSON_GetObjectItemCaseSensitive(config, "thinker_config");
    return cJSON_IsObject(inner) ? inner : config;
}

bool qwen3_asr_is_config(const cJSON *config)
{
    const cJSON *type = cJSON_GetObjectItemCaseSensitive(config, "model_type");
    return cJSON_IsString(type) && !strcmp(type->valuestring, "qwen3_asr");
}

bool qwen3_asr_is(const struct source *source)
{
    const char *architecture;
    if (source->config)
        return qwen3_asr_is_config(source->config);
    return source->gguf && gguf_get_string(source->gguf, "general.architecture", &architecture) &&
           !strcmp(architecture, QWEN3_ASR_ARCHITECTURE);
}

static enum status set_field(const struct log *log, const char *path, const char *key,
                             const struct field *field, double value,
                             struct qwen3_asr_config *config)
{
    char *at = (char *)config + field->offset;
    uint32_t whole = value >= 0 && value <= UINT32_MAX ? (uint32_t)value : 0;
    if (!(value >= field->min && value <= field->max) || (!field->real && (double)whole != value))
        return log_error(log, ERROR_FORMAT, "%s: %s is %g, expected %s%g to %g", path, key, value,
                         field->real ? "" : "a whole number from ", field->min, field->max);
    if (field->real)
        *(float *)(void *)at = (float)value;
    else
        *(uint32_t *)(void *)at = whole;
    return OK;
}

/* Where a key is absent. */
static enum status set_fallback(const struct log *log, const char *path, const char *key,
                                const struct field *field, struct qwen3_asr_config *config)
{
    if (field->fallback == REQUIRED)
        return log_error(log, ERROR_FORMAT, "%s: %s is absent", path, key);
    if (field->fallback != OPTIONAL)
        return set_field(log, path, key, field, field->fallback, config);
    *(uint32_t *)(void *)((char *)config + field->offset) = ABSENT;
    return OK;
}

static enum status check_expectations(const struct log *log, const char *path, const cJSON *root)
{
    for (size_t i = 0; i < COUNT_OF(expectations); i++) {
        const cJSON *item = json_find(root, expectations[i].key);
        const char *text = expectations[i].text;
        bool right =
            text ? cJSON_IsString(item) && !strcmp(item->valuestring, text) : cJSON_IsFalse(item);
        if (item && !right)
            return log_error(log, ERROR_UNSUPPORTED, "%s: %s is not %s: no Qwen3-ASR as known",
                             path, expectations[i].key, text ? text : "false");
    }
    return OK;
}

static bool is_tied(const struct source *source, const cJSON *root)
{
    const cJSON *said[] = {json_find(root, "text_config.tie_word_embeddings"),
                           json_find(root, "tie_word_embeddings"),
                           json_find(source->config, "tie_word_embeddings")};
    for (size_t i = 0; i < COUNT_OF(said); i++)
        if (cJSON_IsBool(said[i]))
            return cJSON_IsTrue(said[i]);
    return !source_find(source, "thinker.lm_head.weight");
}

static enum status read_json(const struct log *log, const struct source *source,
                             struct qwen3_asr_config *config)
{
    const cJSON *root = thinker(source->config);
    const char *path = source->config_path;
    enum status status = OK;

    if (json_find(root, "classify_num"))
        return log_error(log, ERROR_UNSUPPORTED,
                         "%s: the forced aligner of Qwen3-ASR is not supported", path);
    for (size_t i = 0; i < COUNT_OF(fields) && !status; i++) {
        const cJSON *item = json_find(root, fields[i].json);
        if (!item && fields[i].other)
            item = json_find(root, fields[i].other);
        if (!item)
            status = set_fallback(log, path, fields[i].json, &fields[i], config);
        else if (cJSON_IsNumber(item))
            status = set_field(log, path, fields[i].json, &fields[i], item->valuedouble, config);
        else
            status = log_error(log, ERROR_FORMAT, "%s: %s is no number", path, fields[i].json);
    }
    if (!status)
        status = check_expectations(log, path, root);
    config->tied = is_tied(source, root);
    return status;
}

static const char *full_key(char *key, size_t size, const char *name)
{
    snprintf(key, size, QWEN3_ASR_ARCHITECTURE ".%s", name);
    return key;
}

static enum status read_gguf(const struct log *log, const struct source *source,
                             struct qwen3_asr_config *config)
{
    const struct gguf *gguf = source->gguf;
    char key[128];
    const char *name = QWEN3_ASR_ARCHITECTURE;

    for (size_t i = 0; i < COUNT_OF(fields); i++) {
        uint64_t number = 0;
        double value = 0;
        enum status status;
        full_key(key, sizeof(key), fields[i].gguf);
        bool right =
            fields[i].real ? gguf_get_f64(gguf, key, &value) : gguf_get_u64(gguf, key, &number);
        if (!gguf_find(gguf, key))
            status = set_fallback(log, gguf->path, key, &fields[i], config);
        else if (right)
            status = set_field(log, gguf->path, key, &fields[i],
                               fields[i].real ? value : (double)number, config);
        else
            status = log_error(log, ERROR_FORMAT, "%s: key %s is of another type", gguf->path, key);
        if (status)
            return status;
    }
    if (!gguf_get_bool(gguf, full_key(key, sizeof(key), "tied_embeddings"), &config->tied))
        return log_error(log, ERROR_FORMAT, "%s: key %s is absent or no bool", gguf->path, key);
    gguf_get_string(gguf, "general.name", &name);
    snprintf(config->name, sizeof(config->name), "%s", name);
    return OK;
}

static enum status check(const struct log *log, const char *path,
                         const struct qwen3_asr_config *config)
{
    if (config->n_heads % config->n_kv_heads)
        return log_error(log, ERROR_FORMAT,
                         "%s: %" PRIu32 " heads are no multiple of the %" PRIu32
                         " heads of keys and values",
                         path, config->n_heads, config->n_kv_heads);
    if (config->audio.dim % config->audio.n_heads)
        return log_error(log, ERROR_FORMAT,
                         "%s: the encoder's width %" PRIu32 " is no multiple of its %" PRIu32
                         " heads",
                         path, config->audio.dim, config->audio.n_heads);
    if (config->audio.output_dim != config->dim)
        return log_error(log, ERROR_FORMAT,
                         "%s: the encoder gives %" PRIu32 " numbers, the decoder takes %" PRIu32,
                         path, config->audio.output_dim, config->dim);
    return OK;
}

enum status qwen3_asr_read_config(const struct log *log, const struct source *source,
                                  struct qwen3_asr_config *out)
{
    struct qwen3_asr_config config = {0};
    const char *path = source->config_path ? source->config_path : source_path(source);

    enum status status =
        source->config ? read_json(log, source, &config) : read_gguf(log, source, &config);
    if (!status && source->config)
        path_name(source_path(source), QWEN3_ASR_ARCHITECTURE, config.name, sizeof(config.name));
    if (!status)
        status = check(log, path, &config);
    if (!status)
        *out = config;
    return status;
}

/* support_languages of config.json. */
static enum status write_languages(const struct log *log, struct gguf_writer *writer,
                                   const struct source *source)
{
    const cJSON *list = json_find(source->config, "support_languages"), *item;
    uint64_t n = 0;
    enum status status = OK;

    if (!cJSON_IsArray(list) || !list->child)
        return OK;
    const char **languages = malloc((size_t)cJSON_GetArraySize(list) * sizeof(*languages));
    if (!languages)
        return log_error(log, ERROR_MEMORY, "%s: out of memory", source->config_path);
    cJSON_ArrayForEach(item, list)
    {
        if (!cJSON_IsString(item))
            status = log_error(log, ERROR_FORMAT, "%s: support_languages[%" PRIu64 "] is no string",
                               source->config_path, n);
        languages[n++] = item->valuestring;
    }
    if (!status)
        status = gguf_write_array(writer, QWEN3_ASR_ARCHITECTURE ".languages", GGUF_STRING,
                                  languages, n);
    free(languages);
    return status;
}

enum status qwen3_asr_write_config(const struct log *log, struct gguf_writer *writer,
                                   const struct source *source,
                                   const struct qwen3_asr_config *config)
{
    char key[128];
    const struct gguf_value *languages =
        source->gguf ? gguf_find(source->gguf, QWEN3_ASR_ARCHITECTURE ".languages") : NULL;

    gguf_write_string(writer, "general.architecture", QWEN3_ASR_ARCHITECTURE);
    gguf_write_string(writer, "general.type", "model");
    gguf_write_string(writer, "general.name", config->name);
    for (size_t i = 0; i < COUNT_OF(fields); i++) {
        const void *at = (const char *)config + fields[i].offset;
        full_key(key, sizeof(key), fields[i].gguf);
        if (fields[i].real)
            gguf_write_f32(writer, key, *(const float *)at);
        else if (*(const uint32_t *)at != ABSENT)
            gguf_write_u32(writer, key, *(const uint32_t *)at);
    }
    gguf_write_bool(writer, full_key(key, sizeof(key), "tied_embeddings"), config->tied);
    return languages ? gguf_write_value(writer, languages) : write_languages(log, writer, source);
}
