/* SPDX-License-Identifier: MIT
 *
 * Which tensors a Qwen3-ASR model has, and what they are called.
 */
#include "loader/qwen3_asr.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* What a dimension is, for struct shape. */
enum dim {
    NONE,
    ONE,
    TAPS, /* of the 3 x 3 convolutions */
    VOCAB,
    DIM,
    FEEDFORWARD,
    QUERIES,
    KEYS,
    HEAD,
    AUDIO,
    AUDIO_FEEDFORWARD,
    AUDIO_OUT,
    CHANNELS,
    CONVOLVED, /* channels x mel bins after three strides of 2 */
};

struct shape {
    const char *name; /* of a layer: what stands behind the number */
    enum dim dims[TENSOR_MAX_DIMS];
};

#define LAYERS "thinker.model.layers."
#define AUDIO_LAYERS QWEN3_ASR_ENCODER "layers."

static const struct shape globals[] = {
    {"thinker.model.embed_tokens.weight", {VOCAB, DIM}},
    {"thinker.model.norm.weight", {DIM}},
    {QWEN3_ASR_ENCODER "conv2d1.weight", {CHANNELS, ONE, TAPS, TAPS}},
    {QWEN3_ASR_ENCODER "conv2d1.bias", {CHANNELS}},
    {QWEN3_ASR_ENCODER "conv2d2.weight", {CHANNELS, CHANNELS, TAPS, TAPS}},
    {QWEN3_ASR_ENCODER "conv2d2.bias", {CHANNELS}},
    {QWEN3_ASR_ENCODER "conv2d3.weight", {CHANNELS, CHANNELS, TAPS, TAPS}},
    {QWEN3_ASR_ENCODER "conv2d3.bias", {CHANNELS}},
    {QWEN3_ASR_ENCODER "conv_out.weight", {AUDIO, CONVOLVED}},
    {QWEN3_ASR_ENCODER "ln_post.weight", {AUDIO}},
    {QWEN3_ASR_ENCODER "ln_post.bias", {AUDIO}},
    {QWEN3_ASR_ENCODER "proj1.weight", {AUDIO, AUDIO}},
    {QWEN3_ASR_ENCODER "proj1.bias", {AUDIO}},
    {QWEN3_ASR_ENCODER "proj2.weight", {AUDIO_OUT, AUDIO}},
    {QWEN3_ASR_ENCODER "proj2.bias", {AUDIO_OUT}},
};

static const struct shape head = {"thinker.lm_head.weight", {VOCAB, DIM}};

static const struct shape layer[] = {
    {"input_layernorm.weight", {DIM}},
    {"post_attention_layernorm.weight", {DIM}},
    {"self_attn.q_proj.weight", {QUERIES, DIM}},
    {"self_attn.k_proj.weight", {KEYS, DIM}},
    {"self_attn.v_proj.weight", {KEYS, DIM}},
    {"self_attn.o_proj.weight", {DIM, QUERIES}},
    {"self_attn.q_norm.weight", {HEAD}},
    {"self_attn.k_norm.weight", {HEAD}},
    {"mlp.gate_proj.weight", {FEEDFORWARD, DIM}},
    {"mlp.up_proj.weight", {FEEDFORWARD, DIM}},
    {"mlp.down_proj.weight", {DIM, FEEDFORWARD}},
};

static const struct shape audio_layer[] = {
    {"self_attn_layer_norm.weight", {AUDIO}},      {"self_attn_layer_norm.bias", {AUDIO}},
    {"self_attn.q_proj.weight", {AUDIO, AUDIO}},   {"self_attn.q_proj.bias", {AUDIO}},
    {"self_attn.k_proj.weight", {AUDIO, AUDIO}},   {"self_attn.k_proj.bias", {AUDIO}},
    {"self_attn.v_proj.weight", {AUDIO, AUDIO}},   {"self_attn.v_proj.bias", {AUDIO}},
    {"self_attn.out_proj.weight", {AUDIO, AUDIO}}, {"self_attn.out_proj.bias", {AUDIO}},
    {"fc1.weight", {AUDIO_FEEDFORWARD, AUDIO}},    {"fc1.bias", {AUDIO_FEEDFORWARD}},
    {"fc2.weight", {AUDIO, AUDIO_FEEDFORWARD}},    {"fc2.bias", {AUDIO}},
    {"final_layer_norm.weight", {AUDIO}},          {"final_layer_norm.bias", {AUDIO}},
};

/* A stride of 2 with a padding of 1 leaves (n + 1) / 2. */
static uint64_t halve(uint64_t n, int times)
{
    return times ? halve((n + 1) / 2, times - 1) : n;
}

static uint64_t dim_value(const struct qwen3_asr_config *c, enum dim dim)
{
    switch (dim) {
    case NONE: return 0;
    case ONE: return 1;
    case TAPS: return 3;
    case VOCAB: return c->vocab_size;
    case DIM: return c->dim;
    case FEEDFORWARD: return c->feedforward;
    case QUERIES: return (uint64_t)c->n_heads * c->head_dim;
    case KEYS: return (uint64_t)c->n_kv_heads * c->head_dim;
    case HEAD: return c->head_dim;
    case AUDIO: return c->audio.dim;
    case AUDIO_FEEDFORWARD: return c->audio.feedforward;
    case AUDIO_OUT: return c->audio.output_dim;
    case CHANNELS: return c->audio.conv_channels;
    case CONVOLVED: return c->audio.conv_channels * halve(c->audio.mel_bins, 3);
    }
    return 0;
}

static bool replace_start(char *name, const char *from, const char *to)
{
    char renamed[TENSOR_MAX_NAME];
    if (!starts_with(name, from))
        return false;
    int n = snprintf(renamed, sizeof(renamed), "%s%s", to, name + strlen(from));
    if (n > 0 && (size_t)n < sizeof(renamed))
        memcpy(name, renamed, (size_t)n + 1);
    return true;
}

void qwen3_asr_rename(char *name)
{
    static const char *const starts[][2] = {
        {"model.language_model.", "thinker.model."},
        {"model.audio_tower.", QWEN3_ASR_ENCODER},
        {"model.multi_modal_projector.linear_1.", QWEN3_ASR_ENCODER "proj1."},
        {"model.multi_modal_projector.linear_2.", QWEN3_ASR_ENCODER "proj2."},
        {"lm_head.", "thinker.lm_head."},
    };
    for (size_t i = 0; i < COUNT_OF(starts); i++)
        if (replace_start(name, starts[i][0], starts[i][1]))
            return;
}

static bool is_of_layer(const char *name, const char *start, uint32_t count,
                        const struct shape *shapes, size_t n_shapes)
{
    for (uint32_t i = 0; i < count; i++) {
        char number[TENSOR_MAX_NAME];
        snprintf(number, sizeof(number), "%s%" PRIu32 ".", start, i);
        if (!starts_with(name, number))
            continue;
        for (size_t k = 0; k < n_shapes; k++)
            if (!strcmp(name + strlen(number), shapes[k].name))
                return true;
        return false;
    }
    return false;
}

bool qwen3_asr_needs(const struct qwen3_asr_config *config, const char *name)
{
    for (size_t i = 0; i < COUNT_OF(globals); i++)
        if (!strcmp(name, globals[i].name))
            return true;
    if (!strcmp(name, head.name))
        return !config->tied;
    return is_of_layer(name, LAYERS, config->n_layers, layer, COUNT_OF(layer)) ||
           is_of_layer(name, AUDIO_LAYERS, config->audio.n_layers, audio_layer,
                       COUNT_OF(audio_layer));
}

struct check {
    const struct log *log;
    const struct source *source;
    const struct qwen3_asr_config *config;
};

static enum status check_tensor(const struct check *check, const char *name,
                                const struct shape *shape)
{
    const struct tensor *tensor = source_find(check->source, name);
    uint32_t n = 0;

    if (!tensor)
        return log_error(check->log, ERROR_FORMAT, "%s: tensor %s is missing",
                         source_path(check->source), name);
    const char *path = source_file(check->source, tensor->file);
    while (n < TENSOR_MAX_DIMS && shape->dims[n] != NONE)
        n++;
    if (tensor->n_dims != n)
        return log_error(check->log, ERROR_FORMAT,
                         "%s: tensor %s has %" PRIu32 " dimensions, expected %" PRIu32, path, name,
                         tensor->n_dims, n);
    for (uint32_t i = 0; i < n; i++) {
        uint64_t expected = dim_value(check->config, shape->dims[i]);
        if (tensor->dims[i] != expected)
            return log_error(check->log, ERROR_FORMAT,
                             "%s: tensor %s: dimension %" PRIu32 " is %" PRIu64
                             ", the configuration says %" PRIu64,
                             path, name, i, tensor->dims[i], expected);
    }
    return OK;
}

static enum status check_layers(const struct check *check, const char *start, uint32_t count,
                                const struct shape *shapes, size_t n_shapes)
{
    char name[TENSOR_MAX_NAME];
    for (uint32_t i = 0; i < count; i++)
        for (size_t k = 0; k < n_shapes; k++) {
            snprintf(name, sizeof(name), "%s%" PRIu32 ".%s", start, i, shapes[k].name);
            enum status status = check_tensor(check, name, &shapes[k]);
            if (status)
                return status;
        }
    snprintf(name, sizeof(name), "%s%" PRIu32 ".%s", start, count, shapes[0].name);
    const struct tensor *surplus = source_find(check->source, name);
    if (surplus)
        return log_error(check->log, ERROR_FORMAT,
                         "%s: tensor %s is of a layer beyond the configuration's %" PRIu32,
                         source_file(check->source, surplus->file), name, count);
    return OK;
}

enum status qwen3_asr_check_complete(const struct log *log, const struct source *source,
                                     const struct qwen3_asr_config *config)
{
    const struct check check = {log, source, config};
    enum status status = OK;

    for (size_t i = 0; i < COUNT_OF(globals) && !status; i++)
        status = check_tensor(&check, globals[i].name, &globals[i]);
    if (!status && !config->tied)
        status = check_tensor(&check, head.name, &head);
    if (!status)
        status = check_layers(&check, LAYERS, config->n_layers, layer, COUNT_OF(layer));
    if (!status)
        status = check_layers(&check, AUDIO_LAYERS, config->audio.n_layers, audio_layer,
                              COUNT_OF(audio_layer));
    return status;
}
