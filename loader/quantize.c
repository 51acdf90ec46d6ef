/* SPDX-License-Identifier: MIT */
#include "loader/quantize_job.h"

#include <cblas.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n >= m && !strcmp(text + n - m, end);
}

/* Codebooks beyond those that the model reads would only take room. */
static bool is_unused_codebook(const struct job *job, const char *name)
{
    static const char prefix[] = "mimi.quantizer.rvq_rest.vq.layers.";
    return starts_with(name, prefix) &&
           strtoul(name + sizeof(prefix) - 1, NULL, 10) + 1 >= job->config.mimi.n_q;
}

static bool is_needed(const struct job *job, const char *name)
{
    static const char *const needed[] = {
        "emb.",
        "text_emb.",
        "text_linear.",
        "transformer.",
        "out_norm.",
        "extra_heads.",
        "linears.",
        "depformer.",
        "depformer_in.",
        "depformer_emb.",
        "depformer_text_emb.",
        "depformer_norms.",
        "mimi.encoder.",
        "mimi.encoder_transformer.",
        "mimi.downsample.",
        "mimi.quantizer.",
    };
    if (job->is_qwen3_asr)
        return qwen3_asr_needs(&job->qwen3_asr, name);
    if (starts_with(name, "mimi.quantizer.") &&
        (strstr(name, ".output_proj.") || ends_with(name, "._initialized") ||
         is_unused_codebook(job, name)))
        return false;
    for (size_t i = 0; i < COUNT_OF(needed); i++)
        if (starts_with(name, needed[i]))
            return true;
    return false;
}

/* The I of "x.in_projs.I.weight" or "x.out_projs.I.weight", -1 for other names. *stem is the length
 * of "x", *joined what the joined tensor has behind it. */
static long part_index(const char *name, size_t *stem, const char **joined)
{
    static const char *const forms[][2] = {{".in_projs.", ".in_proj_weight"},
                                           {".out_projs.", ".out_proj.weight"}};
    for (size_t i = 0; i < COUNT_OF(forms); i++) {
        const char *at = strstr(name, forms[i][0]);
        char *end;
        if (!at)
            continue;
        const char *digits = at + strlen(forms[i][0]);
        long index = strtol(digits, &end, 10);
        *stem = (size_t)(at - name);
        *joined = forms[i][1];
        bool plain = (*digits >= '1' && *digits <= '9') || (digits[0] == '0' && digits[1] == '.');
        return plain && !strcmp(end, ".weight") ? index : -1;
    }
    return -1;
}

static enum status join_parts(struct job *job, const struct tensor *first, size_t stem,
                              const char *joined, struct output *out)
{
    const char *form = starts_with(joined, ".in") ? "in_projs" : "out_projs";
    char name[TENSOR_MAX_NAME + 64];

    snprintf(name, sizeof(name), "%.*s%s", (int)stem, first->name, joined);
    if (strlen(name) >= sizeof(out->name))
        return log_error(job->log, ERROR_FORMAT, "%s: tensor %s: the name is too long",
                         source_path(job->source), first->name);
    if (source_find(job->source, name))
        return log_error(job->log, ERROR_FORMAT, "%s: both %s and %s are there",
                         source_path(job->source), name, first->name);
    memcpy(out->name, name, strlen(name) + 1);
    while (true) {
        snprintf(name, sizeof(name), "%.*s.%s.%" PRIu32 ".weight", (int)stem, first->name, form,
                 out->n_parts);
        const struct tensor *part = source_find(job->source, name);
        if (!part)
            return OK;
        if (first->n_dims != 2 || part->n_dims != 2 || part->dims[1] != first->dims[1] ||
            part->type != first->type)
            return log_error(job->log, ERROR_FORMAT, "%s: tensors %s and %s cannot be joined",
                             source_path(job->source), first->name, part->name);
        job->parts[job->n_parts++] = part;
        out->n_parts++;
        out->dims[0] += part->dims[0];
    }
}

static enum status add_output(struct job *job, const struct tensor *tensor)
{
    const struct tensor_type_info *type = tensor_type_info(tensor->type);
    struct output *out = &job->outputs[job->n_outputs];
    const char *joined = NULL;
    size_t stem = 0;
    enum status status = OK;

    long index = part_index(tensor->name, &stem, &joined);
    if (!is_needed(job, tensor->name) || index > 0) /* written with part 0 */
        return OK;
    if (!type || !type->converts || !tensor->bytes)
        return log_error(job->log, ERROR_UNSUPPORTED, "%s: tensor %s is %s, which is not read",
                         source_file(job->source, tensor->file), tensor->name,
                         !tensor->bytes ? "empty"
                         : type         ? type->name
                                        : "of an unknown type");
    *out = (struct output){.first_part = job->n_parts, .n_parts = 1, .n_dims = tensor->n_dims};
    memcpy(out->name, tensor->name, sizeof(out->name));
    memcpy(out->dims, tensor->dims, sizeof(out->dims));
    job->parts[job->n_parts++] = tensor;
    if (index == 0)
        status = join_parts(job, tensor, stem, joined, out);
    if (status || !job_in_scope(job, out->name))
        return status;
    status = job_choose_type(job, out);
    for (uint32_t i = 0; i < out->n_parts; i++)
        job->total_bytes += job->parts[out->first_part + i]->bytes;
    job->n_outputs++;
    return status;
}

static enum status write_tokenizer(struct job *job)
{
    const struct gguf *gguf = source_gguf(job->source);
    enum status status = OK;

    if (job->bpe)
        return bpe_write_gguf(job->bpe, job->writer);
    if (!gguf || !gguf_find(gguf, "tokenizer.ggml.tokens"))
        return tokenizer_write_gguf(job->log, job->tokenizer, job->writer);
    for (uint32_t i = 0; i < gguf->n_values && !status; i++) /* whatever other keys it has */
        if (starts_with(gguf->values[i].key, "tokenizer.ggml."))
            status = gguf_write_value(job->writer, &gguf->values[i]);
    return status;
}

/* ggml's numbers of "mostly this type" (enum llama_ftype) */
static uint32_t file_type(enum tensor_type type)
{
    switch (type) {
    case TENSOR_F16: return 1;
    case TENSOR_Q4_0: return 2;
    case TENSOR_Q4_1: return 3;
    case TENSOR_Q8_0: return 7;
    case TENSOR_Q5_0: return 8;
    case TENSOR_Q5_1: return 9;
    case TENSOR_Q4_K: return 14;
    case TENSOR_Q6_K: return 18;
    case TENSOR_BF16: return 32;
    default: return 0;
    }
}

static enum status write_header(struct job *job)
{
    enum status status = job->is_qwen3_asr ? qwen3_asr_write_config(job->log, job->writer,
                                                                    job->source, &job->qwen3_asr)
                                           : config_write(job->writer, &job->config);
    if (status)
        return status;
    gguf_write_u32(job->writer, "general.file_type", file_type(job->options->type->type));
    gguf_write_u32(job->writer, "general.quantization_version", 2);
    status = write_tokenizer(job);
    for (uint32_t i = 0; i < job->n_outputs && !status; i++) {
        const struct output *out = &job->outputs[i];
        status = gguf_declare(job->writer, out->name, out->type, out->n_dims, out->dims);
    }
    if (!status)
        status = gguf_writer_begin(job->writer);
    return status;
}

static enum status plan_outputs(struct job *job)
{
    uint32_t n = source_count(job->source);
    enum status status = OK;

    job->outputs = calloc(n + 1, sizeof(*job->outputs));
    job->parts = calloc(n + 1, sizeof(*job->parts));
    job->rule_used = calloc(job->options->n_rules + 1, sizeof(bool));
    job->scope_used = calloc(job->options->n_scopes + 1, sizeof(bool));
    if (!job->outputs || !job->parts || !job->rule_used || !job->scope_used)
        return log_error(job->log, ERROR_MEMORY, "%s: out of memory", source_path(job->source));
    for (uint32_t i = 0; i < n && !status; i++)
        status = add_output(job, source_tensor(job->source, i));
    if (status)
        return status;
    job_warn(job);
    if (job->n_outputs == 0)
        return log_error(job->log, ERROR_ARGUMENT, "%s: no tensor is left to write",
                         source_path(job->source));
    return OK;
}

/* The tokens that a prompt and a transcript need. */
static const char *const qwen3_asr_tokens[] = {
    "<|endoftext|>", "<|im_start|>",  "<|im_end|>", "<|audio_start|>",
    "<|audio_end|>", "<|audio_pad|>", "<asr_text>",
};

static enum status open_qwen3_asr(struct job *job)
{
    const struct gguf *gguf = source_gguf(job->source);
    const char *path = source_path(job->source);

    if (job->options->mimi)
        return log_error(job->log, ERROR_ARGUMENT, "%s: Qwen3-ASR has no Mimi", path);
    enum status status = qwen3_asr_read_config(job->log, job->source, &job->qwen3_asr);
    if (!status)
        status = qwen3_asr_check_complete(job->log, job->source, &job->qwen3_asr);
    if (status)
        return status;
    if (!gguf)
        return bpe_open(job->log, path, job->qwen3_asr.vocab_size, qwen3_asr_tokens,
                        COUNT_OF(qwen3_asr_tokens), &job->bpe);
    const struct gguf_value *tokens = gguf_find(gguf, "tokenizer.ggml.tokens");
    if (!tokens || tokens->type != GGUF_STRING || tokens->count != job->qwen3_asr.vocab_size)
        return log_error(job->log, ERROR_FORMAT,
                         "%s: tokenizer.ggml.tokens is absent, no list of texts or of another "
                         "length than the vocabulary",
                         path);
    return OK;
}

static enum status open_source(struct job *job, const char *from)
{
    enum status status = source_open_beside(job->log, from, &job->options->beside, &job->source);
    if (!status && qwen3_asr_is(job->source)) {
        job->is_qwen3_asr = true;
        return open_qwen3_asr(job);
    }
    if (!status && job->options->encoder)
        status =
            log_error(job->log, ERROR_ARGUMENT,
                      "%s: has no audio encoder but Mimi, which has an option of its own", from);
    if (!status)
        status = config_read(job->log, job->source, &job->config);
    if (!status)
        status = config_check_complete(job->log, job->source, &job->config);
    if (!status)
        status = tokenizer_open(job->log, job->source, &job->tokenizer);
    if (!status)
        job->config.mimi.n_q = MAX(job->config.lm.dep_q, job->config.lm.n_q - job->config.lm.dep_q);
    return status;
}

/* Replacing it would work, but who names the input for the output has mistaken one for the other.
 */
static enum status check_target(const struct job *job)
{
    for (uint32_t i = 0; i < gguf_writer_files(job->writer); i++) {
        const char *path = gguf_writer_path(job->writer, i);
        const struct statistics *statistics = job->options->statistics;
        if (source_is(job->source, path) || (job->bpe && bpe_is(job->bpe, path)) ||
            (statistics && statistics_is(statistics, path)))
            return log_error(job->log, ERROR_ARGUMENT, "%s: is the input, and cannot be the output",
                             path);
    }
    return OK;
}

static enum status check_options(const struct log *log, const struct quantize_options *options)
{
    const struct tensor_type_info *types[] = {
        options->type, options->embeddings, options->output_head, options->mimi, options->encoder};
    bool valid = options->type != NULL;
    for (size_t i = 0; i < COUNT_OF(types); i++)
        valid = valid && (!types[i] || types[i]->converts);
    for (size_t i = 0; i < options->n_rules; i++)
        valid = valid && options->rules[i].pattern && options->rules[i].type &&
                options->rules[i].type->converts;
    if (!valid)
        return log_error(log, ERROR_ARGUMENT, "a type that cannot be written");
    if (options->method > QUANTIZE_MSE && !options->statistics)
        return log_error(log, ERROR_ARGUMENT, "the method needs statistics");
    return OK;
}

static void close_job(struct job *job)
{
    converter_destroy(&job->converter);
    pool_destroy(&job->pool);
    gguf_writer_destroy(&job->writer);
    tokenizer_close(&job->tokenizer);
    bpe_close(&job->bpe);
    source_close(&job->source);
    for (uint32_t i = 0; i < job->n_outputs; i++) {
        free(job->outputs[i].columns);
        free(job->outputs[i].rows);
    }
    free(job->outputs);
    free(job->parts);
    free(job->rule_used);
    free(job->scope_used);
}

static int compare_groups(const void *a, const void *b)
{
    const struct quantize_group *x = a, *y = b;
    if (x->order != y->order)
        return x->order < y->order ? -1 : 1;
    return (x->type > y->type) - (x->type < y->type);
}

static void fill_summary(struct job *job, struct quantize_summary *summary)
{
    job->summary.read_bytes = job->done_bytes;
    job->summary.n_files = gguf_writer_files(job->writer);
    job->summary.threads = pool_threads(job->pool);
    qsort(job->summary.groups, job->summary.n_groups, sizeof(job->summary.groups[0]),
          compare_groups);
    *summary = job->summary;
}

enum status quantize_file(const struct log *log, const char *from, const char *to,
                          const struct quantize_options *options, struct quantize_summary *summary)
{
    struct job job = {.log = log, .options = options};
    const int blas_threads = openblas_get_num_threads();

    openblas_set_num_threads(1); /* those of the pool share out the work */
    enum status status = check_options(log, options);
    if (!status)
        status = open_source(&job, from);
    if (!status)
        status = plan_outputs(&job);
    if (!status)
        status = rows_check(&job);
    if (!status)
        status = pool_create(log, options->threads, &job.pool);
    if (!status)
        status = converter_create(&job);
    if (!status)
        status = gguf_writer_create(log, to, &job.writer);
    if (!status)
        gguf_writer_split(job.writer, options->split_max_bytes);
    if (!status)
        status = write_header(&job);
    if (!status)
        status = check_target(&job);
    if (!status && options->method == QUANTIZE_AWQ)
        status = awq_plan(&job);
    for (uint32_t i = 0; i < job.n_outputs && !status; i++)
        status = converter_write(&job, &job.outputs[i]);
    if (!status)
        status = gguf_writer_end(job.writer);
    if (!status && summary)
        fill_summary(&job, summary);
    close_job(&job);
    openblas_set_num_threads(blas_threads);
    return status;
}

enum status quantize_list(const struct log *log, const char *from,
                          const struct quantize_options *options,
                          enum status (*each)(void *user, const struct quantize_tensor *tensor),
                          void *user)
{
    struct job job = {.log = log, .options = options};

    enum status status = check_options(log, options);
    if (!status)
        status = open_source(&job, from);
    if (!status)
        status = plan_outputs(&job);
    for (uint32_t i = 0; i < job.n_outputs && !status; i++) {
        const struct output *out = &job.outputs[i];
        struct quantize_tensor tensor = {
            .name = out->name,
            .type = tensor_type_info(out->type),
            .n_dims = out->n_dims,
            .dims = out->dims,
            .source = job.source,
            .parts = &job.parts[out->first_part],
            .n_parts = out->n_parts,
        };
        uint64_t elements = 1;
        for (uint32_t dim = 0; dim < out->n_dims; dim++)
            elements *= out->dims[dim];
        tensor.bytes = tensor_row_bytes(tensor.type, elements);
        status = each(user, &tensor);
    }
    close_job(&job);
    return status;
}
