/* SPDX-License-Identifier: MIT */
#include "loader/config_fields.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "loader/qwen3_asr.h"
#include "loader/source.h"
#include "loader/stt_web.h"

#define LM(member) offsetof(struct model_config, lm.member)
#define DEPFORMER(member) offsetof(struct model_config, lm.depformer.member)
#define MIMI(member) offsetof(struct model_config, mimi.member)

/* The bounds are generous for any model and small enough that no product of two overflows 64 bits.
 */
static const struct config_field lm_fields[] = {
    {"dim", "embedding_length", LM(dim), CONFIG_U32, 2, 65536, 128},
    {"num_heads", "attention.head_count", LM(n_heads), CONFIG_U32, 1, 1024, 8},
    {"num_layers", "block_count", LM(n_layers), CONFIG_U32, 1, 1024, CONFIG_REQUIRED},
    {"context", "context_length", LM(context), CONFIG_U32, 1, 1 << 20, CONFIG_REQUIRED},
    {"max_period", "rope.freq_base", LM(max_period), CONFIG_F32, 1, 1 << 30, 10000},
    {"card", "audio.codebook_size", LM(card), CONFIG_U32, 1, 1 << 20, 1024},
    {"text_card", "vocab_size", LM(text_card), CONFIG_U32, 1, 1 << 22, 32000},
    {"n_q", "audio.codebook_count", LM(n_q), CONFIG_U32, 1, CONFIG_MAX_STREAMS - 1, 8},
    {"dep_q", "audio.generated_count", LM(dep_q), CONFIG_U32, 0, CONFIG_MAX_STREAMS - 1, 8},
    {"existing_text_padding_id", "text_padding_id", LM(text_padding_id), CONFIG_U32, 0, 1 << 22, 3},
    {"extra_heads_num_heads", "extra_heads.count", LM(extra_heads), CONFIG_U32, 0, 64,
     CONFIG_FROM_TENSORS},
    {"extra_heads_dim", "extra_heads.length", LM(extra_heads_dim), CONFIG_U32, 1, 1024, 6},
};

static const struct config_field depformer_fields[] = {
    {"depformer_dim", "depformer.embedding_length", DEPFORMER(dim), CONFIG_U32, 1, 65536, 256},
    {"depformer_num_heads", "depformer.attention.head_count", DEPFORMER(n_heads), CONFIG_U32, 1,
     1024, CONFIG_REQUIRED},
    {"depformer_num_layers", "depformer.block_count", DEPFORMER(n_layers), CONFIG_U32, 1, 1024,
     CONFIG_REQUIRED},
    {"depformer_multi_linear", "depformer.multi_linear", DEPFORMER(multi_linear), CONFIG_BOOL, 0, 1,
     0},
    {"depformer_weights_per_step", "depformer.weights_per_step", DEPFORMER(weights_per_step),
     CONFIG_BOOL, 0, 1, 0},
};

static const struct config_field mimi_fields[] = {
    {"sample_rate", "mimi.sample_rate", MIMI(sample_rate), CONFIG_U32, 1, 1 << 20, CONFIG_REQUIRED},
    {"seanet.n_filters", "mimi.filter_count", MIMI(n_filters), CONFIG_U32, 1, 4096,
     CONFIG_REQUIRED},
    {"seanet.dimension", "mimi.embedding_length", MIMI(dimension), CONFIG_U32, 1, 65536,
     CONFIG_REQUIRED},
    {"seanet.kernel_size", "mimi.kernel_length", MIMI(kernel_size), CONFIG_U32, 1, 1024, 7},
    {"seanet.residual_kernel_size", "mimi.residual_kernel_length", MIMI(residual_kernel_size),
     CONFIG_U32, 1, 1024, 3},
    {"seanet.last_kernel_size", "mimi.last_kernel_length", MIMI(last_kernel_size), CONFIG_U32, 1,
     1024, 7},
    {"seanet.compress", "mimi.compress", MIMI(compress), CONFIG_U32, 1, 4096, 2},
    {"transformer.num_layers", "mimi.block_count", MIMI(n_layers), CONFIG_U32, 1, 1024,
     CONFIG_REQUIRED},
    {"transformer.num_heads", "mimi.attention.head_count", MIMI(n_heads), CONFIG_U32, 1, 1024,
     CONFIG_REQUIRED},
    {"transformer.context", "mimi.context_length", MIMI(context), CONFIG_U32, 2, 1 << 20,
     CONFIG_REQUIRED},
    {"transformer.dim_feedforward", "mimi.feed_forward_length", MIMI(dim_feedforward), CONFIG_U32,
     1, 1 << 20, 2048},
    {"transformer.max_period", "mimi.rope.freq_base", MIMI(max_period), CONFIG_F32, 1, 1 << 30,
     10000},
    {"quantizer.dimension", "mimi.codebook_length", MIMI(codebook_dim), CONFIG_U32, 1, 65536,
     CONFIG_REQUIRED},
    {"quantizer.bins", "mimi.codebook_size", MIMI(bins), CONFIG_U32, 1, 1 << 20, CONFIG_REQUIRED},
    {"quantizer.n_q", "mimi.codebook_count", MIMI(n_q), CONFIG_U32, 1, CONFIG_MAX_STREAMS - 1,
     CONFIG_REQUIRED},
};

struct config_fields config_lm_fields(void)
{
    return (struct config_fields){lm_fields, COUNT_OF(lm_fields)};
}

struct config_fields config_depformer_fields(void)
{
    return (struct config_fields){depformer_fields, COUNT_OF(depformer_fields)};
}

struct config_fields config_mimi_fields(void)
{
    return (struct config_fields){mimi_fields, COUNT_OF(mimi_fields)};
}

enum status config_set(const struct log *log, const char *where, const char *key,
                       const struct config_field *field, double value, struct model_config *config)
{
    char *at = (char *)config + field->offset;
    bool whole = field->kind == CONFIG_F32 || floor(value) == value;
    if (!(value >= field->min && value <= field->max) || !whole)
        return log_error(log, ERROR_FORMAT, "%s: %s is %g, expected %s%" PRIu32 " to %" PRIu32,
                         where, key, value, field->kind == CONFIG_F32 ? "" : "a whole number from ",
                         field->min, field->max);
    switch (field->kind) {
    case CONFIG_U32: *(uint32_t *)(void *)at = (uint32_t)value; break;
    case CONFIG_BOOL: *(bool *)(void *)at = value != 0; break;
    case CONFIG_F32: *(float *)(void *)at = (float)value; break;
    }
    return OK;
}

double config_get(const struct config_field *field, const struct model_config *config)
{
    const char *at = (const char *)config + field->offset;
    switch (field->kind) {
    case CONFIG_U32: return *(const uint32_t *)(const void *)at;
    case CONFIG_BOOL: return *(const bool *)(const void *)at;
    case CONFIG_F32: return *(const float *)(const void *)at;
    }
    return 0;
}

const char *config_architecture(enum model_kind kind)
{
    return kind == MODEL_STT ? "kyutai-stt" : "moshi";
}

static enum status check_heads(const struct log *log, const char *path, const char *what,
                               uint32_t dim, uint32_t heads, uint32_t even)
{
    if (dim % heads || dim / heads % even)
        return log_error(log, ERROR_FORMAT,
                         "%s: %s of width %" PRIu32 " cannot have %" PRIu32 " heads%s", path, what,
                         dim, heads, even == 2 ? " of even width" : "");
    return OK;
}

static enum status check_mimi(const struct log *log, const char *path,
                              const struct mimi_config *mimi)
{
    uint64_t frame = 2; /* the stride of the downsampling */
    for (uint32_t i = 0; i < mimi->n_ratios; i++)
        frame *= mimi->ratios[i];
    if (mimi->sample_rate != 24000 || frame != 1920)
        return log_error(log, ERROR_UNSUPPORTED,
                         "%s: Mimi's frames are %" PRIu64 " samples at %" PRIu32
                         " Hz; only 1920 at 24000 are "
                         "supported",
                         path, frame, mimi->sample_rate);
    if (mimi->n_filters % mimi->compress)
        return log_error(log, ERROR_FORMAT,
                         "%s: Mimi's %" PRIu32 " filters cannot be divided by compress %" PRIu32,
                         path, mimi->n_filters, mimi->compress);
    return check_heads(log, path, "Mimi's transformer", mimi->dimension, mimi->n_heads, 2);
}

static enum status check_depformer(const struct log *log, const char *path,
                                   const struct lm_config *lm)
{
    const struct depformer_config *depformer = &lm->depformer;
    if (depformer->n_schedule && depformer->n_schedule != lm->dep_q)
        return log_error(log, ERROR_FORMAT,
                         "%s: the depformer's schedule has %" PRIu32 " entries for %" PRIu32
                         " codebooks",
                         path, depformer->n_schedule, lm->dep_q);
    for (uint32_t i = 0; i < depformer->n_schedule; i++)
        if (depformer->schedule[i] >= lm->dep_q)
            return log_error(log, ERROR_FORMAT,
                             "%s: the depformer's schedule names weights %" PRIu32 " of %" PRIu32,
                             path, depformer->schedule[i], lm->dep_q);
    return check_heads(log, path, "the depformer", depformer->dim, depformer->n_heads, 1);
}

static enum status check_lm(const struct log *log, const char *path,
                            const struct model_config *config)
{
    const struct lm_config *lm = &config->lm;
    if (lm->dep_q > lm->n_q)
        return log_error(log, ERROR_FORMAT, "%s: %" PRIu32 " generated codebooks of %" PRIu32, path,
                         lm->dep_q, lm->n_q);
    uint32_t codes = MAX(lm->dep_q, lm->n_q - lm->dep_q);
    if (codes > config->mimi.n_q)
        return log_error(log, ERROR_FORMAT,
                         "%s: the model wants %" PRIu32 " codebooks, Mimi has %" PRIu32, path,
                         codes, config->mimi.n_q);
    if (lm->card != config->mimi.bins)
        return log_error(log, ERROR_FORMAT,
                         "%s: the model's codebooks have %" PRIu32 " entries, Mimi's %" PRIu32,
                         path, lm->card, config->mimi.bins);
    if (lm->text_padding_id >= lm->text_card)
        return log_error(log, ERROR_FORMAT,
                         "%s: the text padding %" PRIu32 " is none of the %" PRIu32 " tokens", path,
                         lm->text_padding_id, lm->text_card);
    enum status status = check_heads(log, path, "the transformer", lm->dim, lm->n_heads, 2);
    if (!status && lm->dep_q)
        status = check_depformer(log, path, lm);
    return status;
}

/* Checkpoints of the same name come with and without them (KYUTAI.md 0). */
static void count_extra_heads(const struct source *source, struct lm_config *lm)
{
    if (lm->extra_heads != CONFIG_FROM_TENSORS)
        return;
    for (lm->extra_heads = 0; lm->extra_heads < 64; lm->extra_heads++) {
        char name[64];
        snprintf(name, sizeof(name), "extra_heads.%" PRIu32 ".weight", lm->extra_heads);
        const struct tensor *tensor = source_find(source, name);
        if (!tensor)
            break;
        if (tensor->n_dims == 2 && tensor->dims[0] && tensor->dims[0] <= 1024)
            lm->extra_heads_dim = (uint32_t)tensor->dims[0];
    }
}

/* A model with more layers, codebooks or heads than its configuration says would run, and be wrong.
 */
static enum status check_surplus(const struct log *log, const char *path,
                                 const struct source *source, const struct model_config *config)
{
    const struct lm_config *lm = &config->lm;
    const struct {
        const char *what, *before;
        uint32_t count;
        const char *behind;
    } lists[] = {
        {"layers", "transformer.layers.", lm->n_layers, ".norm1.alpha"},
        {"codebooks", "emb.", lm->n_q, ".weight"},
        {"extra heads", "extra_heads.", lm->extra_heads, ".weight"},
        {"generated codebooks", "linears.", lm->dep_q, ".weight"},
        {"depformer inputs", "depformer_in.",
         lm->depformer.multi_linear ? lm->dep_q : MIN(lm->dep_q, 1), ".weight"},
        {"depformer layers", "depformer.layers.", lm->dep_q ? lm->depformer.n_layers : 0,
         ".norm1.alpha"},
        {"Mimi layers", "mimi.encoder_transformer.transformer.layers.", config->mimi.n_layers,
         ".norm1.weight"},
        {"Mimi codebooks", "mimi.quantizer.rvq_rest.vq.layers.", config->mimi.n_q - 1,
         "._codebook.embedding_sum"},
    };
    for (size_t i = 0; i < COUNT_OF(lists); i++) {
        char name[128];
        snprintf(name, sizeof(name), "%s%" PRIu32 "%s", lists[i].before, lists[i].count,
                 lists[i].behind);
        const struct tensor *tensor = source_find(source, name);
        if (tensor)
            return log_error(log, ERROR_FORMAT,
                             "%s: the number of %s is too small: %s has the tensor %s", path,
                             lists[i].what, source_file(source, tensor->file), name);
    }
    return OK;
}

enum status config_read(const struct log *log, const struct source *source,
                        struct model_config *out)
{
    struct model_config config = {0};
    enum status status;

    if (qwen3_asr_is(source))
        return log_error(log, ERROR_UNSUPPORTED,
                         "%s: is Qwen3-ASR, which stapes quantizes but does not run yet",
                         source_path(source));
    switch (source_get_kind(source)) {
    case SOURCE_DIRECTORY: status = config_read_json(log, source, &config); break;
    case SOURCE_GGUF:
        status = stt_web_is(source->gguf) ? stt_web_read_config(log, source, &config)
                                          : config_read_gguf(log, source, &config);
        break;
    default:
        return log_error(
            log, ERROR_UNSUPPORTED,
            "%s: a safetensors file alone is no model: give the directory with its config.json",
            source_path(source));
    }
    if (status)
        return status;
    count_extra_heads(source, &config.lm);
    if (!config.lm.extra_heads)
        config.lm.extra_heads_dim = 0;
    config.mimi.frame_samples = 1920; /* checked */
    const char *path = source->config_path ? source->config_path : source_path(source);
    status =
        check_mimi(log, source->mimi_config_path ? source->mimi_config_path : path, &config.mimi);
    if (!status)
        status = check_lm(log, path, &config);
    if (!status)
        status = check_surplus(log, path, source, &config);
    if (status)
        return status;
    *out = config;
    return OK;
}
