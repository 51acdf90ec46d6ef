/* SPDX-License-Identifier: MIT
 *
 * Which type a tensor takes, and in which group it is counted.
 */
#define _POSIX_C_SOURCE 200809L
#include "loader/quantize_job.h"

#include <fnmatch.h>
#include <inttypes.h>
#include <string.h>

enum kind {
    EMBEDDINGS,
    ATTENTION,
    FEED_FORWARD,
    HEADS,
    DEPFORMER,
    ENCODER,
    MIMI,
    CODEBOOKS,
    VECTORS
};

static const char *const kind_names[] = {
    [EMBEDDINGS] = "embeddings",
    [ATTENTION] = "attention",
    [FEED_FORWARD] = "feed-forward",
    [HEADS] = "output heads",
    [DEPFORMER] = "depformer",
    [ENCODER] = "audio encoder",
    [MIMI] = "mimi",
    [CODEBOOKS] = "mimi codebooks",
    [VECTORS] = "norms, biases",
};

/* By the beginning of the name, of those that are not just layers of a transformer. */
static const struct {
    const char *start;
    enum kind kind;
} kinds[] = {
    {"mimi.", MIMI},
    {"emb.", EMBEDDINGS},
    {"text_emb.", EMBEDDINGS},
    {"depformer_emb.", EMBEDDINGS},
    {"depformer_text_emb.", EMBEDDINGS},
    {"text_linear.", HEADS},
    {"linears.", HEADS},
    {"extra_heads.", HEADS},
    {"depformer", DEPFORMER},
    {QWEN3_ASR_ENCODER, ENCODER},
    {"thinker.model.embed_tokens.", EMBEDDINGS},
    {"thinker.lm_head.", HEADS},
};

/* Matrices, and the convolutions of the encoders. Whatever is not is f32. */
static bool takes_type(const struct output *out)
{
    uint32_t wide = 0;
    for (uint32_t i = 0; i < out->n_dims; i++)
        wide += out->dims[i] > 1;
    return wide >= 2 && (out->n_dims == 2 || starts_with(out->name, "mimi.") ||
                         starts_with(out->name, QWEN3_ASR_ENCODER));
}

static enum kind kind_of(const struct output *out)
{
    if (strstr(out->name, "._codebook."))
        return CODEBOOKS;
    if (!takes_type(out))
        return VECTORS;
    for (size_t i = 0; i < COUNT_OF(kinds); i++)
        if (starts_with(out->name, kinds[i].start))
            return kinds[i].kind;
    return strstr(out->name, ".self_attn.") ? ATTENTION : FEED_FORWARD;
}

static const struct tensor_type_info *wanted_type(struct job *job, const struct output *out,
                                                  enum kind kind)
{
    const struct quantize_options *options = job->options;
    const struct tensor_type_info *type = options->type;
    const struct tensor_type_info *own =
        tensor_type_info(job->parts[out->first_part]->type); /* all parts have the same */

    if (kind == EMBEDDINGS && options->embeddings)
        type = options->embeddings;
    else if (kind == HEADS && options->output_head)
        type = options->output_head;
    else if (kind == ENCODER && options->encoder)
        type = options->encoder;
    else if (kind == MIMI && options->mimi)
        type = options->mimi;
    else if (kind == MIMI && type->type != TENSOR_F32)
        type = own;
    for (size_t i = 0; i < options->n_rules; i++) {
        if (fnmatch(options->rules[i].pattern, out->name, 0))
            continue;
        job->rule_used[i] = true;
        type = options->rules[i].type;
    }
    return type;
}

/* As llama.cpp does for the k-quants; what has no blocks fits always. */
static enum tensor_type smaller_block(enum tensor_type type)
{
    switch (type) {
    case TENSOR_Q4_K: return TENSOR_Q5_0;
    case TENSOR_Q6_K: return TENSOR_Q8_0;
    default: return TENSOR_F16;
    }
}

const struct tensor_type_info *quantize_fitting_type(const struct tensor_type_info *type,
                                                     uint64_t row)
{
    while (row % type->block)
        type = tensor_type_info(smaller_block(type->type));
    return type;
}

static const struct tensor_type_info *fitting_type(const struct job *job, const struct output *out,
                                                   const struct tensor_type_info *wanted)
{
    uint64_t row = out->dims[out->n_dims - 1];
    const struct tensor_type_info *type = quantize_fitting_type(wanted, row);
    if (type != wanted)
        log_write(job->log, LOG_INFO,
                  "%s: rows of %" PRIu64 " elements are no multiple of %s's %" PRIu32 ": %s",
                  out->name, row, wanted->name, wanted->block, type->name);
    return type;
}

static bool is_too_small(const struct job *job, enum kind kind, const struct tensor_type_info *type)
{
    const struct tensor_type_info *least = tensor_type_info(TENSOR_Q8_0);
    return kind == ENCODER && !job->options->encoder &&
           (uint64_t)type->bytes * least->block < (uint64_t)least->bytes * type->block;
}

static uint32_t find_group(struct quantize_summary *summary, enum kind kind, uint32_t type)
{
    for (uint32_t i = 0; i < summary->n_groups; i++)
        if (summary->groups[i].order == kind && summary->groups[i].type == type)
            return i;
    summary->groups[summary->n_groups] =
        (struct quantize_group){.name = kind_names[kind], .order = kind, .type = type};
    return summary->n_groups++;
}

enum status job_choose_type(struct job *job, struct output *out)
{
    enum kind kind = kind_of(out);
    bool fallback = false, raised = false;
    out->type = TENSOR_F32;
    if (kind != CODEBOOKS && kind != VECTORS) {
        const struct tensor_type_info *wanted = wanted_type(job, out, kind);
        raised = is_too_small(job, kind, wanted);
        if (raised)
            wanted = tensor_type_info(TENSOR_Q8_0);
        out->type = fitting_type(job, out, wanted)->type;
        fallback = (enum tensor_type)out->type != wanted->type;
    }
    if (job->summary.n_groups == QUANTIZE_MAX_GROUPS)
        return log_error(job->log, ERROR_UNSUPPORTED, "more than %d groups of tensors",
                         QUANTIZE_MAX_GROUPS);
    out->group = find_group(&job->summary, kind, out->type);
    job->summary.groups[out->group].fallbacks += fallback;
    job->summary.groups[out->group].raised += raised && !fallback;
    return OK;
}

bool job_in_scope(struct job *job, const char *name)
{
    const struct quantize_options *options = job->options;
    bool found = options->n_scopes == 0;
    for (size_t i = 0; i < options->n_scopes; i++) {
        if (fnmatch(options->scopes[i], name, 0))
            continue;
        job->scope_used[i] = true;
        found = true;
    }
    return found;
}

void job_warn(const struct job *job)
{
    for (size_t i = 0; i < job->options->n_rules; i++)
        if (!job->rule_used[i])
            log_write(job->log, LOG_WARNING, "%s matches no tensor that takes a type",
                      job->options->rules[i].pattern);
    for (size_t i = 0; i < job->options->n_scopes; i++)
        if (!job->scope_used[i])
            log_write(job->log, LOG_WARNING, "%s matches no tensor", job->options->scopes[i]);
}
