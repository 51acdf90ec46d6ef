/* SPDX-License-Identifier: MIT */
#include "bench/host.h"
#include "bench/synthetic.h"
#include "loader/config.h"
#include "loader/gguf.h"
#include "loader/tokenizer_parts.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK_ELEMENTS 65536u /* a multiple of every block */

struct job {
    const struct synthetic *model;
    const struct log *log;
    struct gguf_writer *writer;
    struct synthetic_list lm, mimi;
    uint32_t n_codes; /* codebooks that the model reads */
    enum tensor_type type, mimi_type;
    float *values;  /* [CHUNK_ELEMENTS] */
    uint8_t *bytes; /* as many f32 */
};

static void fill_config(const struct job *job, struct model_config *c)
{
    const struct synthetic *p = job->model;
    const struct synthetic_mimi *m = synthetic_mimi(p);
    *c = (struct model_config){
        .kind = p->audio_delay_seconds > 0 ? MODEL_STT : MODEL_MOSHI,
        .mimi = {.sample_rate = 24000,
                 .frame_samples = 1920,
                 .n_filters = m->n_filters,
                 .dimension = m->dimension,
                 .kernel_size = 7,
                 .residual_kernel_size = 3,
                 .last_kernel_size = 3,
                 .compress = 2,
                 .n_ratios = 4,
                 .ratios = {4, 5, 6, 8},
                 .n_layers = m->n_layers,
                 .n_heads = m->n_heads,
                 .context = m->context,
                 .dim_feedforward = m->feedforward,
                 .max_period = 10000,
                 .codebook_dim = m->codebook_dim,
                 .bins = m->bins,
                 .n_q = job->n_codes},
        .lm = {.dim = p->dim,
               .n_heads = p->n_heads,
               .n_layers = p->n_layers,
               .context = p->context,
               .max_period = (float)p->max_period,
               .card = m->bins,
               .text_card = p->text_card,
               .n_q = p->n_q,
               .dep_q = p->dep_q,
               .extra_heads = p->extra_heads,
               .extra_heads_dim = p->extra_heads ? 6 : 0,
               .text_padding_id = 3,
               .depformer = {.dim = p->depformer_dim,
                             .n_heads = p->depformer_heads,
                             .n_layers = p->depformer_layers,
                             .multi_linear = true,
                             .weights_per_step = true}},
        .has_stt = p->audio_delay_seconds > 0,
        .audio_delay_seconds = p->audio_delay_seconds,
        .audio_silence_prefix_seconds = synthetic_prefix_seconds(p),
    };
    snprintf(c->name, sizeof(c->name), "%s, random weights", p->name);
    for (uint32_t k = 0; k < p->n_q; k++)
        c->lm.delays[1 + k] = synthetic_delay(p, k);
}

/* Of Mimi's file: what encoding reads. */
static bool is_read(const struct job *job, const struct synthetic_tensor *tensor)
{
    static const char rest[] = "quantizer.rvq_rest.vq.layers.";
    const char *name = tensor->name;
    if (strstr(name, "decoder.") || strstr(name, ".output_proj.") || strstr(name, "._initialized"))
        return false;
    return strncmp(name, rest, sizeof(rest) - 1) ||
           strtoul(name + sizeof(rest) - 1, NULL, 10) + 1 < job->n_codes;
}

static enum tensor_type choose_type(const struct synthetic_tensor *tensor, enum tensor_type wanted)
{
    if (tensor->fill != SYNTHETIC_WEIGHT)
        return TENSOR_F32;
    return tensor->dims[tensor->n_dims - 1] % tensor_type_info(wanted)->block ? TENSOR_F16 : wanted;
}

static enum status declare(struct job *job, const struct synthetic_list *list, const char *prefix,
                           enum tensor_type wanted)
{
    enum status status = OK;
    for (size_t i = 0; i < list->count && !status; i++) {
        const struct synthetic_tensor *tensor = &list->tensors[i];
        char name[TENSOR_MAX_NAME];
        snprintf(name, sizeof(name), "%s%s", prefix, tensor->name);
        if (list == &job->lm || is_read(job, tensor))
            status = gguf_declare(job->writer, name, choose_type(tensor, wanted), tensor->n_dims,
                                  tensor->dims);
    }
    return status;
}

static void random_words(uint64_t *state, uint64_t mask, uint64_t set, uint8_t *out, size_t bytes)
{
    for (size_t i = 0; i < bytes; i += sizeof(uint64_t)) {
        const uint64_t word = (host_random(state) & mask) | set;
        memcpy(out + i, &word, MIN(bytes - i, sizeof(word)));
    }
}

/* Blocks that q8_0 and q4_0 share the form of: an f16 scale, then integers. */
static void random_blocks(uint64_t *state, float scale, uint32_t block_bytes, uint8_t *out,
                          size_t bytes)
{
    uint16_t half;
    tensor_from_f32(TENSOR_F16, &scale, &half, 1);
    for (size_t i = 0; i < bytes; i += block_bytes) {
        memcpy(out + i, &half, sizeof(half));
        random_words(state, UINT64_MAX, 0, out + i + sizeof(half), block_bytes - sizeof(half));
    }
}

/* Weights of a language model straight in their type, none larger than 1 / sqrt(k): a random sign
 * and mantissa below one exponent, or random integers under one scale. */
static void random_weights(enum tensor_type type, uint64_t k, uint64_t *state, uint8_t *out,
                           size_t bytes)
{
    int exponent; /* bound >= 2^exponent */
    const float bound = 1 / sqrtf((float)k);
    frexpf(bound, &exponent);
    exponent -= 2;
    const uint64_t f16 = (uint64_t)(exponent + 15) << 10, bf16 = (uint64_t)(exponent + 127) << 7,
                   f32 = (uint64_t)(exponent + 127) << 23;
    switch (type) {
    case TENSOR_Q4_0: random_blocks(state, bound / 8, 18, out, bytes); break;
    case TENSOR_Q8_0: random_blocks(state, bound / 128, 34, out, bytes); break;
    case TENSOR_F16:
        random_words(state, 0x83ff83ff83ff83ffu, f16 * 0x0001000100010001u, out, bytes);
        break;
    case TENSOR_BF16:
        random_words(state, 0x807f807f807f807fu, bf16 * 0x0001000100010001u, out, bytes);
        break;
    default: random_words(state, 0x807fffff807fffffu, f32 * 0x0000000100000001u, out, bytes);
    }
}

static enum status write_tensor(struct job *job, const struct synthetic_tensor *tensor,
                                enum tensor_type type, bool straight, uint64_t state)
{
    const struct tensor_type_info *info = tensor_type_info(type);
    const uint64_t elements = synthetic_elements(tensor);
    enum status status = OK;
    for (uint64_t at = 0; at < elements && !status; at += CHUNK_ELEMENTS) {
        const size_t n = (size_t)MIN(elements - at, CHUNK_ELEMENTS);
        const size_t bytes = (size_t)tensor_row_bytes(info, n);
        if (straight && tensor->fill == SYNTHETIC_WEIGHT) {
            random_weights(type, elements / tensor->dims[0], &state, job->bytes, bytes);
        } else {
            synthetic_values(tensor, &state, at, job->values, n);
            tensor_from_f32(type, job->values, job->bytes, n);
        }
        status = gguf_append(job->writer, job->bytes, bytes);
    }
    return status;
}

static enum status write_tensors(struct job *job, uint64_t seed)
{
    enum status status = OK;
    for (size_t i = 0; i < job->lm.count && !status; i++) {
        const struct synthetic_tensor *tensor = &job->lm.tensors[i];
        status =
            write_tensor(job, tensor, choose_type(tensor, job->type), true, seed * 1000003 + i);
    }
    for (size_t i = 0; i < job->mimi.count && !status; i++) {
        const struct synthetic_tensor *tensor = &job->mimi.tensors[i];
        if (is_read(job, tensor))
            status = write_tensor(job, tensor, choose_type(tensor, job->mimi_type), false,
                                  (seed + 1) * 1000003 + i);
    }
    return status;
}

static enum status write_tokenizer(struct job *job)
{
    size_t bytes;
    struct tokenizer *tokenizer = NULL;
    uint8_t *model = synthetic_tokenizer(job->model->text_card, &bytes);
    if (!model)
        return log_error(job->log, ERROR_MEMORY, "out of memory");
    enum status status = tokenizer_parse(job->log, model, bytes, &tokenizer);
    if (!status)
        status = tokenizer_write_gguf(job->log, tokenizer, job->writer);
    tokenizer_close(&tokenizer);
    free(model);
    return status;
}

static enum status write_file(struct job *job, const char *path, uint64_t seed)
{
    struct model_config config;
    fill_config(job, &config);
    enum status status = gguf_writer_create(job->log, path, &job->writer);
    if (!status)
        status = config_write(job->writer, &config);
    if (!status)
        status = write_tokenizer(job);
    if (!status)
        status = declare(job, &job->lm, "", job->type);
    if (!status)
        status = declare(job, &job->mimi, "mimi.", job->mimi_type);
    if (!status)
        status = gguf_writer_begin(job->writer);
    if (!status)
        status = write_tensors(job, seed);
    if (!status)
        status = gguf_writer_end(job->writer);
    gguf_writer_destroy(&job->writer);
    return status;
}

enum status synthetic_write_gguf(const struct log *log, const char *path,
                                 const struct synthetic *model, enum tensor_type type,
                                 enum tensor_type mimi_type, uint64_t seed)
{
    struct job job = {.model = model,
                      .log = log,
                      .n_codes = MAX(model->dep_q, model->n_q - model->dep_q),
                      .type = type,
                      .mimi_type = mimi_type,
                      .values = malloc(CHUNK_ELEMENTS * sizeof(float)),
                      .bytes = malloc(CHUNK_ELEMENTS * sizeof(float))};
    enum status status = OK;
    if (!job.values || !job.bytes || !synthetic_list_lm(model, &job.lm) ||
        !synthetic_list_mimi(synthetic_mimi(model), &job.mimi))
        status = log_error(log, ERROR_MEMORY, "out of memory");
    if (!status)
        status = write_file(&job, path, seed);
    free(job.lm.tensors);
    free(job.mimi.tensors);
    free(job.values);
    free(job.bytes);
    return status;
}
