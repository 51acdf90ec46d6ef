/* SPDX-License-Identifier: MIT */
#include "loader/config_fields.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "loader/json.h"
#include "loader/source.h"

struct json_file {
    const struct log *log;
    const char *path;
    const cJSON *root;
};

static const char *describe(const cJSON *item, char *text, size_t size)
{
    if (!item)
        snprintf(text, size, "absent");
    else if (cJSON_IsNumber(item))
        snprintf(text, size, "%.9g", item->valuedouble);
    else if (cJSON_IsString(item))
        snprintf(text, size, "\"%.100s\"", item->valuestring);
    else if (cJSON_IsBool(item))
        snprintf(text, size, "%s", cJSON_IsTrue(item) ? "true" : "false");
    else
        snprintf(text, size, cJSON_IsArray(item) ? "an array" : "an object");
    return text;
}

static enum status read_fields(const struct json_file *file, struct config_fields fields,
                               struct model_config *config)
{
    char text[128];
    for (size_t i = 0; i < fields.count; i++) {
        const struct config_field *field = &fields.fields[i];
        const cJSON *item = json_find(file->root, field->json);
        double value = field->fallback;
        if (!item && field->fallback == CONFIG_FROM_TENSORS) {
            config->lm.extra_heads = CONFIG_FROM_TENSORS;
            continue;
        }
        if (!item && field->fallback == CONFIG_REQUIRED)
            return log_error(file->log, ERROR_FORMAT, "%s: %s is absent", file->path, field->json);
        if (item && (field->kind == CONFIG_BOOL ? !cJSON_IsBool(item) : !cJSON_IsNumber(item)))
            return log_error(file->log, ERROR_FORMAT, "%s: %s is %s, expected %s", file->path,
                             field->json, describe(item, text, sizeof(text)),
                             field->kind == CONFIG_BOOL ? "true or false" : "a number");
        if (item)
            value = field->kind == CONFIG_BOOL ? cJSON_IsTrue(item) : item->valuedouble;
        enum status status = config_set(file->log, file->path, field->json, field, value, config);
        if (status)
            return status;
    }
    return OK;
}

static enum status read_list(const struct json_file *file, const char *key, uint32_t max,
                             uint32_t limit, uint32_t *out, uint32_t *count)
{
    char text[128];
    const cJSON *list = json_find(file->root, key), *item;
    uint64_t value;
    if (!cJSON_IsArray(list))
        return log_error(file->log, ERROR_FORMAT, "%s: %s is %s, expected an array", file->path,
                         key, describe(list, text, sizeof(text)));
    uint32_t n = 0;
    cJSON_ArrayForEach(item, list)
    {
        if (n == max)
            return log_error(file->log, ERROR_FORMAT, "%s: %s has more than %" PRIu32 " elements",
                             file->path, key, max);
        if (!json_u64(item, &value) || value > limit)
            return log_error(file->log, ERROR_FORMAT,
                             "%s: %s[%" PRIu32 "] is %s, expected a whole number up to %" PRIu32,
                             file->path, key, n, describe(item, text, sizeof(text)), limit);
        out[n++] = (uint32_t)value;
    }
    *count = n;
    return OK;
}

/* What a key must say for the model to be one that is implemented. */
struct expectation {
    const char *key;
    enum {
        TEXT,
        NUMBER,
        TRUE,
        NOTHING,
        SOMETHING
    } kind; /* NOTHING: false, null, 0, empty, absent */
    const char *text;
    double number;
    bool needed; /* upstream's default is another */
};

static const struct expectation lm_expectations[] = {
    {"gating", TEXT, "silu", 0, true},
    {"norm", TEXT, "rms_norm_f32", 0, true},
    {"positional_embedding", TEXT, "rope", 0, true},
    {"causal", TRUE, NULL, 0, false},
    {"layer_scale", NOTHING, NULL, 0, false},
    {"cross_attention", NOTHING, NULL, 0, false},
    {"norm_emb", NOTHING, NULL, 0, false},
    {"bias_proj", NOTHING, NULL, 0, false},
    {"demux_second_stream", NOTHING, NULL, 0, false},
    {"demux_second_text_stream", NOTHING, NULL, 0, false},
    {"kv_repeat", NUMBER, NULL, 1, false},
    {"existing_text_end_padding_id", NUMBER, NULL, 0, false},
    {"conditioners", NOTHING, NULL, 0, false},
    {"fuser.sum", NOTHING, NULL, 0, false},
    {"fuser.prepend", NOTHING, NULL, 0, false},
    {"fuser.cross", NOTHING, NULL, 0, false},
    {"quantize", NOTHING, NULL, 0, false},
    {"lora", NOTHING, NULL, 0, false},
    {"lora_name", NOTHING, NULL, 0, false},
    {"tts_config", NOTHING, NULL, 0, false},
};

static const struct expectation depformer_expectations[] = {
    {"depformer_pos_emb", TEXT, "none", 0, true},
    {"depformer_gating", TEXT, "silu", 0, false},
    {"depformer_layer_scale", NOTHING, NULL, 0, false},
    {"depformer_kv_repeat", NUMBER, NULL, 1, false},
    {"depformer_low_rank_embeddings", NOTHING, NULL, 0, false},
};

static const struct expectation mimi_expectations[] = {
    {"channels", NUMBER, NULL, 1, false},
    {"frame_rate", NUMBER, NULL, 12.5, false},
    {"seanet.channels", NUMBER, NULL, 1, false},
    {"seanet.causal", TRUE, NULL, 0, true},
    {"seanet.n_residual_layers", NUMBER, NULL, 1, true},
    {"seanet.activation", TEXT, "ELU", 0, false},
    {"seanet.norm", TEXT, "none", 0, false},
    {"seanet.pad_mode", TEXT, "constant", 0, false},
    {"seanet.true_skip", TRUE, NULL, 0, false},
    {"transformer.causal", TRUE, NULL, 0, true},
    {"transformer.conv_layout", TRUE, NULL, 0, true},
    {"transformer.layer_scale", SOMETHING, NULL, 0, true},
    {"transformer.gating", TEXT, "none", 0, false},
    {"transformer.norm", TEXT, "layer_norm", 0, false},
    {"transformer.positional_embedding", TEXT, "rope", 0, true},
    {"transformer.cross_attention", NOTHING, NULL, 0, false},
    {"transformer.kv_repeat", NUMBER, NULL, 1, false},
    {"quantizer.n_q_semantic", NUMBER, NULL, 1, false},
};

static bool is_nothing(const cJSON *item)
{
    if (cJSON_IsNumber(item))
        return item->valuedouble == 0;
    if (cJSON_IsString(item))
        return !*item->valuestring;
    return !cJSON_IsTrue(item) && !item->child;
}

static bool is_met(const struct expectation *expectation, const cJSON *item)
{
    if (!item)
        return !expectation->needed;
    switch (expectation->kind) {
    case TEXT: return cJSON_IsString(item) && !strcmp(item->valuestring, expectation->text);
    case NUMBER: return cJSON_IsNumber(item) && item->valuedouble == expectation->number;
    case TRUE: return cJSON_IsTrue(item);
    case NOTHING: return is_nothing(item);
    case SOMETHING: return !is_nothing(item);
    }
    return false;
}

static enum status check_expectations(const struct json_file *file,
                                      const struct expectation *expectations, size_t count)
{
    char text[128], expected[64];
    for (size_t i = 0; i < count; i++) {
        const struct expectation *expectation = &expectations[i];
        const cJSON *item = json_find(file->root, expectation->key);
        if (is_met(expectation, item))
            continue;
        switch (expectation->kind) {
        case TEXT: snprintf(expected, sizeof(expected), "only \"%s\" is", expectation->text); break;
        case NUMBER: snprintf(expected, sizeof(expected), "only %g is", expectation->number); break;
        case TRUE: snprintf(expected, sizeof(expected), "only true is"); break;
        case NOTHING: snprintf(expected, sizeof(expected), "such models are not"); break;
        case SOMETHING: snprintf(expected, sizeof(expected), "models without it are not"); break;
        }
        return log_error(file->log, ERROR_UNSUPPORTED, "%s: %s is %s: %s supported", file->path,
                         expectation->key, describe(item, text, sizeof(text)), expected);
    }
    return OK;
}

/* The hidden width of a gate (KYUTAI.md 3.3). */
static uint32_t gate_width(uint32_t dim, double feedforward)
{
    uint64_t whole = (uint64_t)feedforward;
    return (uint32_t)(whole == 4ull * dim ? 21ull * dim / 8 : 2 * whole / 3);
}

static enum status read_scale(const struct json_file *file, double *out)
{
    char text[128];
    const cJSON *item = json_find(file->root, "hidden_scale");
    if (item && !(cJSON_IsNumber(item) && item->valuedouble > 0 && item->valuedouble <= 1024))
        return log_error(file->log, ERROR_FORMAT,
                         "%s: hidden_scale is %s, expected more than 0 and up to 1024", file->path,
                         describe(item, text, sizeof(text)));
    *out = item ? item->valuedouble : 4;
    return OK;
}

static enum status read_depformer(const struct json_file *file, struct model_config *config)
{
    struct depformer_config *depformer = &config->lm.depformer;
    double scale, value;
    char text[128];

    enum status status = read_fields(file, config_depformer_fields(), config);
    if (!status)
        status = check_expectations(file, depformer_expectations, COUNT_OF(depformer_expectations));
    if (!status)
        status = read_scale(file, &scale);
    if (!status && json_find(file->root, "depformer_weights_per_step_schedule"))
        status = read_list(file, "depformer_weights_per_step_schedule", CONFIG_MAX_STREAMS,
                           CONFIG_MAX_STREAMS, depformer->schedule, &depformer->n_schedule);
    if (status)
        return status;
    const cJSON *width = json_find(file->root, "depformer_dim_feedforward"), *item;
    const cJSON *first = cJSON_IsArray(width) ? width->child : width;
    for (item = first; item && first != width; item = item->next)
        if (!cJSON_IsNumber(item) || item->valuedouble != first->valuedouble)
            return log_error(
                file->log, ERROR_UNSUPPORTED,
                "%s: depformer_dim_feedforward differs from step to step: such models are "
                "not supported",
                file->path);
    value = first ? first->valuedouble : scale * depformer->dim;
    if (first && !(cJSON_IsNumber(first) && value >= 2 && value <= 1 << 24))
        return log_error(file->log, ERROR_FORMAT, "%s: depformer_dim_feedforward is %s", file->path,
                         describe(first, text, sizeof(text)));
    depformer->feedforward = gate_width(depformer->dim, value);
    const cJSON *norm = json_find(file->root, "depformer_norm");
    if (norm && !(cJSON_IsString(norm) && !strcmp(norm->valuestring, "rms_norm_f32")))
        return log_error(file->log, ERROR_UNSUPPORTED,
                         "%s: depformer_norm is %s: only \"rms_norm_f32\" is supported", file->path,
                         describe(norm, text, sizeof(text)));
    depformer->norm = norm != NULL;
    return OK;
}

/* H itself comes from the tensors; a scale that gives another is worth an error. */
static enum status check_scale(const struct json_file *file, const struct source *source,
                               uint32_t dim)
{
    const char *name = "transformer.layers.0.gating.linear_out.weight";
    const struct tensor *tensor = source_find(source, name);
    double scale;

    enum status status = read_scale(file, &scale);
    if (status || !tensor || tensor->n_dims != 2)
        return status;
    uint32_t width = gate_width(dim, scale * dim);
    if (tensor->dims[1] != width)
        return log_error(
            file->log, ERROR_FORMAT,
            "%s: hidden_scale %g makes gates of %" PRIu32 ", tensor %s of %s has %" PRIu64,
            file->path, scale, width, name, source_file(source, tensor->file), tensor->dims[1]);
    return OK;
}

static enum status read_lm(const struct json_file *file, const struct source *source,
                           struct model_config *config)
{
    uint32_t n_delays = 0;
    char text[128];

    enum status status = check_expectations(file, lm_expectations, COUNT_OF(lm_expectations));
    if (!status)
        status = read_fields(file, config_lm_fields(), config);
    if (!status)
        status = read_list(file, "delays", CONFIG_MAX_STREAMS, 1024, config->lm.delays, &n_delays);
    if (!status)
        status = check_scale(file, source, config->lm.dim);
    if (status)
        return status;
    if (n_delays != 1 + config->lm.n_q)
        return log_error(file->log, ERROR_FORMAT,
                         "%s: delays has %" PRIu32 " elements, expected 1 + n_q = %" PRIu32,
                         file->path, n_delays, 1 + config->lm.n_q);
    const cJSON *card = json_find(file->root, "text_card_out");
    if (card && !(cJSON_IsNumber(card) && card->valuedouble == config->lm.text_card))
        return log_error(file->log, ERROR_UNSUPPORTED,
                         "%s: text_card_out is %s: only text_card's %" PRIu32 " is supported",
                         file->path, describe(card, text, sizeof(text)), config->lm.text_card);
    return config->lm.dep_q ? read_depformer(file, config) : OK;
}

static enum status read_seconds(const struct json_file *file, const char *key, double fallback,
                                double *out)
{
    char text[128];
    const cJSON *item = json_find(file->root, key);
    if (item && !(cJSON_IsNumber(item) && item->valuedouble >= 0 && item->valuedouble <= 60))
        return log_error(file->log, ERROR_FORMAT, "%s: %s is %s, expected 0 to 60", file->path, key,
                         describe(item, text, sizeof(text)));
    *out = item ? item->valuedouble : fallback;
    return OK;
}

/* The fallbacks are those of delayed-streams-modeling's scripts. */
static enum status read_stt(const struct json_file *file, struct model_config *config)
{
    const cJSON *stt = json_find(file->root, "stt_config");
    config->has_stt = cJSON_IsObject(stt) && stt->child;
    if (!config->has_stt)
        return OK;
    enum status status =
        read_seconds(file, "stt_config.audio_delay_seconds", 5.0, &config->audio_delay_seconds);
    if (!status)
        status = read_seconds(file, "stt_config.audio_silence_prefix_seconds", 1.0,
                              &config->audio_silence_prefix_seconds);
    return status;
}

static enum status read_kind(const struct json_file *file, struct model_config *config)
{
    char text[128];
    const cJSON *type = json_find(file->root, "model_type");
    if (!type)
        config->kind = config->has_stt ? MODEL_STT : MODEL_MOSHI;
    else if (cJSON_IsString(type) && !strcmp(type->valuestring, "stt"))
        config->kind = MODEL_STT;
    else if (cJSON_IsString(type) && !strcmp(type->valuestring, "moshi"))
        config->kind = MODEL_MOSHI;
    else
        return log_error(file->log, ERROR_UNSUPPORTED,
                         "%s: model_type is %s: only \"stt\" and \"moshi\" are supported",
                         file->path, describe(type, text, sizeof(text)));
    return OK;
}

static enum status check_width(const struct json_file *file, const cJSON *item, const char *key,
                               uint32_t expected)
{
    char text[128];
    if (item && !(cJSON_IsNumber(item) && item->valuedouble == expected))
        return log_error(file->log, ERROR_UNSUPPORTED,
                         "%s: %s is %s: only seanet.dimension's %" PRIu32 " is supported",
                         file->path, key, describe(item, text, sizeof(text)), expected);
    return OK;
}

static enum status read_mimi(const struct json_file *file, struct model_config *config)
{
    static const char *const widths[] = {"transformer.d_model", "transformer.input_dimension",
                                         "quantizer.input_dimension"};
    struct mimi_config *mimi = &config->mimi;
    uint32_t ratios[CONFIG_MAX_RATIOS];

    enum status status = check_expectations(file, mimi_expectations, COUNT_OF(mimi_expectations));
    if (!status)
        status = read_fields(file, config_mimi_fields(), config);
    if (!status)
        status = read_list(file, "seanet.ratios", CONFIG_MAX_RATIOS, 64, ratios, &mimi->n_ratios);
    for (size_t i = 0; i < COUNT_OF(widths) && !status; i++)
        status = check_width(file, json_find(file->root, widths[i]), widths[i], mimi->dimension);
    const cJSON *outputs = json_find(file->root, "transformer.output_dimensions");
    if (!status && cJSON_IsArray(outputs))
        status =
            check_width(file, outputs->child, "transformer.output_dimensions", mimi->dimension);
    if (status)
        return status;
    for (uint32_t i = 0; i < mimi->n_ratios; i++) /* the file has the decoder's order */
        mimi->ratios[i] = ratios[mimi->n_ratios - 1 - i];
    return OK;
}

static const struct mimi_config real_mimi = {
    .sample_rate = 24000,
    .n_filters = 64,
    .dimension = 512,
    .kernel_size = 7,
    .residual_kernel_size = 3,
    .last_kernel_size = 3,
    .compress = 2,
    .n_ratios = 4,
    .ratios = {4, 5, 6, 8},
    .n_layers = 8,
    .n_heads = 8,
    .context = 250,
    .dim_feedforward = 2048,
    .max_period = 10000,
    .codebook_dim = 256,
    .bins = 2048,
    .n_q = 32,
};

enum status config_read_mimi_json(const struct log *log, const struct source *source,
                                  struct model_config *config)
{
    struct json_file mimi = {log, source->mimi_config_path, source->mimi_config};

    config->mimi = real_mimi;
    return source->mimi_config ? read_mimi(&mimi, config) : OK;
}

enum status config_read_json(const struct log *log, const struct source *source,
                             struct model_config *config)
{
    struct json_file file = {log, source->config_path, source->config};

    enum status status = read_stt(&file, config);
    if (!status)
        status = read_kind(&file, config);
    if (!status)
        status = read_lm(&file, source, config);
    if (!status)
        status = config_read_mimi_json(log, source, config);
    if (!status)
        path_name(source_path(source), config_architecture(config->kind), config->name,
                  sizeof(config->name));
    return status;
}
