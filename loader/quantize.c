/* SPDX-License-Identifier: MIT */
#include "loader/quantize.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loader/config.h"
#include "loader/gguf.h"
#include "loader/tokenizer_parts.h"

#define CHUNK_BYTES (1u << 20) /* of f32 */

/* A tensor to be written: one of the source's, or several joined along the first dimension. */
struct output {
    char name[TENSOR_MAX_NAME];
    uint32_t type;
    uint32_t first_part, n_parts;
    uint32_t n_dims;
    uint64_t dims[TENSOR_MAX_DIMS];
};

struct job {
    const struct log *log;
    const struct quantize_progress *progress;
    struct source *source;
    struct model_config config;
    struct tokenizer *tokenizer;
    struct gguf_writer *writer;
    enum tensor_type type;
    struct output *outputs; /* at most one a tensor of the source, as the parts */
    const struct tensor **parts;
    uint32_t n_outputs, n_parts;
    uint64_t done_bytes, total_bytes;
    uint8_t *bytes; /* CHUNK_BYTES each */
    float *floats;
};

static bool starts_with(const char *text, const char *start)
{
    return !strncmp(text, start, strlen(start));
}

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

/* Matrices of the LM take the type asked for; norms and vectors f32; Mimi, which runs in f32, keeps
 * what it has. */
static void choose_type(const struct job *job, struct output *out)
{
    const struct tensor_type_info *wanted = tensor_type_info(job->type);
    bool matrix = out->n_dims == 2 && out->dims[0] > 1 && out->dims[1] > 1;

    out->type = TENSOR_F32;
    if (job->type == TENSOR_F32)
        return;
    if (starts_with(out->name, "mimi.")) {
        out->type = job->parts[out->first_part]->type;
    } else if (matrix && out->dims[1] % wanted->block == 0) {
        out->type = job->type;
    } else if (matrix) {
        out->type = TENSOR_F16;
        log_write(job->log, LOG_INFO,
                  "%s: %" PRIu64 " columns are no multiple of %s's %" PRIu32 ": f16", out->name,
                  out->dims[1], wanted->name, wanted->block);
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
    if (!type || !type->runs || !tensor->bytes)
        return log_error(job->log, ERROR_UNSUPPORTED,
                         "%s: tensor %s is %s, expected f32, f16, bf16, q8_0 or q4_0",
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
    if (!status)
        choose_type(job, out);
    for (uint32_t i = 0; i < out->n_parts; i++)
        job->total_bytes += job->parts[out->first_part + i]->bytes;
    job->n_outputs++;
    return status;
}

static enum status check_values(const struct job *job, const struct tensor *tensor, uint32_t to,
                                uint64_t n)
{
    for (uint64_t i = 0; i < n; i++) {
        float value = job->floats[i];
        bool fits =
            to == TENSOR_F16 ? !isfinite(value) || fabsf(value) < 65520.0f : isfinite(value);
        if (!fits)
            return log_error(job->log, ERROR_FORMAT, "%s: tensor %s holds %g, which %s does not",
                             source_file(job->source, tensor->file), tensor->name, (double)value,
                             tensor_type_info(to)->name);
    }
    return OK;
}

/* `n` elements from element `at` on, whole blocks of both types. */
static enum status convert_chunk(struct job *job, const struct tensor *tensor, uint32_t to,
                                 uint64_t at, uint64_t n)
{
    const struct tensor_type_info *from_type = tensor_type_info(tensor->type),
                                  *to_type = tensor_type_info(to);
    uint64_t bytes = tensor_row_bytes(from_type, n);

    enum status status =
        source_read(job->source, tensor, tensor_row_bytes(from_type, at), job->bytes, bytes);
    if (!status && tensor->type != to) { /* the same type stays bit for bit the same */
        tensor_to_f32(from_type->type, job->bytes, job->floats, n);
        if (to == TENSOR_F16 || to_type->block > 1)
            status = check_values(job, tensor, to, n);
        if (!status)
            tensor_from_f32(to_type->type, job->floats, job->bytes, n);
    }
    if (!status)
        status = gguf_append(job->writer, job->bytes, tensor_row_bytes(to_type, n));
    if (status)
        return status;
    job->done_bytes += bytes;
    if (job->progress && job->progress->report &&
        !job->progress->report(job->progress->user, job->done_bytes, job->total_bytes,
                               tensor->name))
        return ERROR_AGAIN;
    return OK;
}

static enum status write_output(struct job *job, const struct output *out)
{
    const uint64_t most = CHUNK_BYTES / sizeof(float); /* a multiple of every block */
    for (uint32_t i = 0; i < out->n_parts; i++) {
        const struct tensor *part = job->parts[out->first_part + i];
        uint64_t elements = tensor_elements(part);
        for (uint64_t at = 0; at < elements; at += most) {
            enum status status = convert_chunk(job, part, out->type, at, MIN(most, elements - at));
            if (status)
                return status;
        }
    }
    return OK;
}

static enum status write_tokenizer(struct job *job)
{
    const struct gguf *gguf = source_gguf(job->source);
    enum status status = OK;

    if (!gguf)
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
    case TENSOR_Q8_0: return 7;
    case TENSOR_BF16: return 32;
    default: return 0;
    }
}

static enum status write_header(struct job *job)
{
    config_write(job->writer, &job->config);
    gguf_write_u32(job->writer, "general.file_type", file_type(job->type));
    gguf_write_u32(job->writer, "general.quantization_version", 2);
    enum status status = write_tokenizer(job);
    for (uint32_t i = 0; i < job->n_outputs && !status; i++) {
        const struct output *out = &job->outputs[i];
        status = gguf_declare(job->writer, out->name, out->type, out->n_dims, out->dims);
    }
    return status ? status : gguf_writer_begin(job->writer);
}

static enum status plan_outputs(struct job *job)
{
    uint32_t n = source_count(job->source);
    enum status status = OK;

    job->outputs = calloc(n + 1, sizeof(*job->outputs));
    job->parts = calloc(n + 1, sizeof(*job->parts));
    job->bytes = malloc(CHUNK_BYTES);
    job->floats = malloc(CHUNK_BYTES);
    if (!job->outputs || !job->parts || !job->bytes || !job->floats)
        return log_error(job->log, ERROR_MEMORY, "%s: out of memory", source_path(job->source));
    for (uint32_t i = 0; i < n && !status; i++)
        status = add_output(job, source_tensor(job->source, i));
    return status;
}

static enum status open_source(struct job *job, const char *from)
{
    enum status status = source_open(job->log, from, &job->source);
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

enum status quantize_file(const struct log *log, const char *from, const char *to,
                          enum tensor_type type, const struct quantize_progress *progress)
{
    struct job job = {.log = log, .progress = progress, .type = type};
    const struct tensor_type_info *info = tensor_type_info(type);

    if (!info || !info->runs)
        return log_error(log, ERROR_ARGUMENT, "the types are f32, f16, bf16, q8_0 and q4_0");
    enum status status = open_source(&job, from);
    if (!status)
        status = plan_outputs(&job);
    if (!status)
        status = gguf_writer_create(log, to, &job.writer);
    if (!status)
        status = write_header(&job);
    for (uint32_t i = 0; i < job.n_outputs && !status; i++)
        status = write_output(&job, &job.outputs[i]);
    if (!status)
        status = gguf_writer_end(job.writer);
    gguf_writer_destroy(&job.writer);
    tokenizer_close(&job.tokenizer);
    source_close(&job.source);
    free(job.outputs);
    free(job.parts);
    free(job.bytes);
    free(job.floats);
    return status;
}
