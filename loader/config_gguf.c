/* SPDX-License-Identifier: MIT */
#include "loader/config_fields.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "loader/gguf.h"

struct keys {
    const struct log *log;
    const struct gguf *gguf;
    const char *architecture;
    char full[256]; /* the key last made */
};

static const char *full_key(struct keys *keys, const char *key)
{
    snprintf(keys->full, sizeof(keys->full), "%s.%s", keys->architecture, key);
    return keys->full;
}

static enum status wrong_type(const struct keys *keys, const char *expected)
{
    bool there = gguf_find(keys->gguf, keys->full) != NULL;
    return log_error(keys->log, ERROR_FORMAT, "%s: key %s is %s, expected %s", keys->gguf->path,
                     keys->full, there ? "of another type" : "absent", expected);
}

static enum status read_fields(struct keys *keys, struct config_fields fields,
                               struct model_config *config)
{
    for (size_t i = 0; i < fields.count; i++) {
        const struct config_field *field = &fields.fields[i];
        const char *key = full_key(keys, field->gguf);
        uint64_t number;
        double value = 0;
        bool flag;
        if (field->fallback == CONFIG_FROM_TENSORS && !gguf_find(keys->gguf, key)) {
            config->lm.extra_heads = CONFIG_FROM_TENSORS;
            continue;
        }
        switch (field->kind) {
        case CONFIG_U32:
            if (!gguf_get_u64(keys->gguf, key, &number))
                return wrong_type(keys, "a whole number");
            value = (double)number;
            break;
        case CONFIG_BOOL:
            if (!gguf_get_bool(keys->gguf, key, &flag))
                return wrong_type(keys, "a bool");
            value = flag;
            break;
        case CONFIG_F32:
            if (!gguf_get_f64(keys->gguf, key, &value))
                return wrong_type(keys, "a float");
            break;
        }
        enum status status = config_set(keys->log, keys->gguf->path, key, field, value, config);
        if (status)
            return status;
    }
    return OK;
}

static enum status read_list(struct keys *keys, const char *name, uint32_t max, uint32_t limit,
                             uint32_t *out, uint32_t *count)
{
    const char *key = full_key(keys, name);
    const struct gguf_value *value = gguf_find(keys->gguf, key);
    if (!value || !value->array)
        return wrong_type(keys, "an array");
    if (value->count > max)
        return log_error(keys->log, ERROR_FORMAT,
                         "%s: key %s has %" PRIu64 " elements, the limit is %" PRIu32,
                         keys->gguf->path, key, value->count, max);
    for (uint32_t i = 0; i < value->count; i++) {
        uint64_t number;
        if (!gguf_element_u64(value, i, &number) || number > limit)
            return log_error(keys->log, ERROR_FORMAT,
                             "%s: key %s: element %" PRIu32 " is no whole number up to %" PRIu32,
                             keys->gguf->path, key, i, limit);
        out[i] = (uint32_t)number;
    }
    *count = (uint32_t)value->count;
    return OK;
}

static enum status read_seconds(struct keys *keys, const char *name, double *out)
{
    const char *key = full_key(keys, name);
    if (!gguf_get_f64(keys->gguf, key, out))
        return wrong_type(keys, "a float");
    if (!(*out >= 0 && *out <= 60))
        return log_error(keys->log, ERROR_FORMAT, "%s: key %s is %g, expected 0 to 60",
                         keys->gguf->path, key, *out);
    return OK;
}

static enum status read_depformer(struct keys *keys, struct model_config *config)
{
    struct depformer_config *depformer = &config->lm.depformer;
    uint64_t width = 0;

    enum status status = read_fields(keys, config_depformer_fields(), config);
    if (status)
        return status;
    if (gguf_find(keys->gguf, full_key(keys, "depformer.norm")) &&
        !gguf_get_bool(keys->gguf, keys->full, &depformer->norm))
        return wrong_type(keys, "a bool");
    if (gguf_find(keys->gguf, full_key(keys, "depformer.feed_forward_length")) &&
        (!gguf_get_u64(keys->gguf, keys->full, &width) || width > 1 << 24))
        return wrong_type(keys, "a whole number up to 16777216");
    depformer->feedforward = (uint32_t)width;
    if (!gguf_find(keys->gguf, full_key(keys, "depformer.schedule")))
        return OK;
    return read_list(keys, "depformer.schedule", CONFIG_MAX_STREAMS, CONFIG_MAX_STREAMS,
                     depformer->schedule, &depformer->n_schedule);
}

static enum status read_architecture(struct keys *keys, struct model_config *config)
{
    if (!gguf_get_string(keys->gguf, "general.architecture", &keys->architecture))
        return log_error(keys->log, ERROR_FORMAT, "%s: no general.architecture", keys->gguf->path);
    if (!strcmp(keys->architecture, config_architecture(MODEL_STT)))
        config->kind = MODEL_STT;
    else if (!strcmp(keys->architecture, config_architecture(MODEL_MOSHI)))
        config->kind = MODEL_MOSHI;
    else
        return log_error(
            keys->log, ERROR_UNSUPPORTED,
            "%s: general.architecture is \"%.100s\": only \"%s\" and \"%s\" are supported",
            keys->gguf->path, keys->architecture, config_architecture(MODEL_STT),
            config_architecture(MODEL_MOSHI));
    const char *name = config_architecture(config->kind);
    gguf_get_string(keys->gguf, "general.name", &name);
    snprintf(config->name, sizeof(config->name), "%s", name);
    return OK;
}

enum status config_read_gguf(const struct log *log, const struct source *source,
                             struct model_config *config)
{
    struct keys keys = {.log = log, .gguf = source_gguf(source)};
    uint32_t n_delays = 0;

    enum status status = read_architecture(&keys, config);
    if (!status)
        status = read_fields(&keys, config_lm_fields(), config);
    if (!status)
        status = read_fields(&keys, config_mimi_fields(), config);
    if (!status)
        status = read_list(&keys, "audio.delays", CONFIG_MAX_STREAMS, 1024, config->lm.delays,
                           &n_delays);
    if (!status && n_delays != 1 + config->lm.n_q)
        status = log_error(log, ERROR_FORMAT,
                           "%s: key %s.audio.delays has %" PRIu32 " elements, expected %" PRIu32,
                           keys.gguf->path, keys.architecture, n_delays, 1 + config->lm.n_q);
    if (!status)
        status = read_list(&keys, "mimi.ratios", CONFIG_MAX_RATIOS, 64, config->mimi.ratios,
                           &config->mimi.n_ratios);
    if (!status && config->lm.dep_q)
        status = read_depformer(&keys, config);
    if (status)
        return status;
    config->has_stt = gguf_find(keys.gguf, full_key(&keys, "stt.audio_delay_seconds")) != NULL;
    if (config->has_stt) {
        status = read_seconds(&keys, "stt.audio_delay_seconds", &config->audio_delay_seconds);
        if (!status)
            status = read_seconds(&keys, "stt.audio_silence_prefix_seconds",
                                  &config->audio_silence_prefix_seconds);
    }
    return status;
}

static void write_fields(struct gguf_writer *writer, struct keys *keys, struct config_fields fields,
                         const struct model_config *config)
{
    for (size_t i = 0; i < fields.count; i++) {
        const struct config_field *field = &fields.fields[i];
        const char *key = full_key(keys, field->gguf);
        double value = config_get(field, config);
        if (!config->lm.extra_heads && !strcmp(field->gguf, "extra_heads.length"))
            value = 6; /* of nothing; a length of 0 would not be read back */
        switch (field->kind) {
        case CONFIG_U32: gguf_write_u32(writer, key, (uint32_t)value); break;
        case CONFIG_BOOL: gguf_write_bool(writer, key, value != 0); break;
        case CONFIG_F32: gguf_write_f32(writer, key, (float)value); break;
        }
    }
}

enum status config_write(struct gguf_writer *writer, const struct model_config *config)
{
    struct keys keys = {.architecture = config_architecture(config->kind)};
    const struct depformer_config *depformer = &config->lm.depformer;

    gguf_write_string(writer, "general.architecture", keys.architecture);
    gguf_write_string(writer, "general.type", "model");
    gguf_write_string(writer, "general.name", config->name);
    write_fields(writer, &keys, config_lm_fields(), config);
    enum status status = gguf_write_array(writer, full_key(&keys, "audio.delays"), GGUF_U32,
                                          config->lm.delays, 1 + config->lm.n_q);
    write_fields(writer, &keys, config_mimi_fields(), config);
    status = gguf_write_array(writer, full_key(&keys, "mimi.ratios"), GGUF_U32, config->mimi.ratios,
                              config->mimi.n_ratios);
    if (config->lm.dep_q) {
        write_fields(writer, &keys, config_depformer_fields(), config);
        gguf_write_bool(writer, full_key(&keys, "depformer.norm"), depformer->norm);
        status = gguf_write_u32(writer, full_key(&keys, "depformer.feed_forward_length"),
                                depformer->feedforward);
        if (depformer->n_schedule)
            status = gguf_write_array(writer, full_key(&keys, "depformer.schedule"), GGUF_U32,
                                      depformer->schedule, depformer->n_schedule);
    }
    if (config->has_stt) {
        gguf_write_f64(writer, full_key(&keys, "stt.audio_delay_seconds"),
                       config->audio_delay_seconds);
        status = gguf_write_f64(writer, full_key(&keys, "stt.audio_silence_prefix_seconds"),
                                config->audio_silence_prefix_seconds);
    }
    return status;
}
