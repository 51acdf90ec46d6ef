/* SPDX-License-Identifier: MIT
 *
 * Activation-aware scales (AWQ; Lin and others, arXiv 2306.00978): columns of a matrix whose inputs
 * are large are multiplied with s_i > 1 before they are rounded, and what makes the inputs is
 * divided by it: a norm's alpha, the value rows of in_proj (attention is linear in the values), the
 * second half of linear_in (which the activated half is multiplied with). The network stays the
 * same function.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loader/quantize_job.h"

#define EXPONENTS 20 /* 0, 1/20, ..., 19/20 */
#define SAMPLE 128u  /* rows of a matrix that the exponents are tried on */
#define MAX_CONSUMERS 128
#define FLOOR 1e-4 /* of the largest root of the mean square: what never moves has no scale */

/* Rows of the matrix that are tried, and what the exponents cost. */
struct trial {
    enum tensor_type type;
    uint32_t k, rows;
    float *w; /* [rows][k] */
    const struct guide *guide;
    double costs[EXPONENTS];
    bool complete[EXPONENTS];
};

/* s_i = rms_i ^ exponent, with the geometric mean of the largest and the smallest at 1 */
static void make_scales(const struct guide *guide, double exponent, float *scales)
{
    double most = 0, least = INFINITY, largest = 0;
    for (uint32_t i = 0; i < guide->k; i++)
        most = fmax(most, sqrt((double)guide->squares[i]));
    for (uint32_t i = 0; i < guide->k; i++) {
        double rms = fmax(sqrt((double)guide->squares[i]), FLOOR * most);
        double scale = most > 0 ? pow(rms, exponent) : 1;
        least = fmin(least, scale);
        largest = fmax(largest, scale);
        scales[i] = (float)scale;
    }
    for (uint32_t i = 0; i < guide->k; i++)
        scales[i] /= (float)sqrt(least * largest);
}

/* --- The search for an exponent */

/* What rows [first, first + n) cost; room: 4 times [n][k]. */
static double try_rows(const struct trial *trial, const float *scales, const float *weights,
                       uint32_t first, uint32_t n, float *room)
{
    const size_t k = trial->k;
    float *scaled = room, *q = room + n * k, *products = room + 2 * n * k;
    uint8_t *bytes = (uint8_t *)(room + 3 * n * k);
    double costs[GPTQ_MAX_ROWS], sum = 0;
    for (size_t r = 0; r < n; r++) {
        const float *w = trial->w + (first + r) * k;
        for (size_t i = 0; i < k; i++)
            scaled[r * k + i] = w[i] * scales[i];
        tensor_search_f32(trial->type, scaled + r * k, weights, bytes, k);
        tensor_to_f32(trial->type, bytes, q + r * k, k);
        for (size_t i = 0; i < k; i++)
            q[r * k + i] = w[i] - q[r * k + i] / scales[i];
    }
    guide_costs(trial->guide, n, q, products, costs);
    for (uint32_t r = 0; r < n; r++)
        sum += costs[r];
    return sum;
}

static void try_exponent(void *user, uint32_t item)
{
    struct trial *trial = user;
    const size_t k = trial->k;
    float *scales = malloc(k * sizeof(float)), *weights = malloc(k * sizeof(float));
    float *room = malloc(4 * GPTQ_MAX_ROWS * k * sizeof(float));
    trial->complete[item] = scales && weights && room;
    if (trial->complete[item]) {
        double sum = 0;
        make_scales(trial->guide, (double)item / EXPONENTS, scales);
        guide_weights(trial->guide, scales, weights);
        for (uint32_t r = 0; r < trial->rows; r += GPTQ_MAX_ROWS)
            sum += try_rows(trial, scales, weights, r, MIN(GPTQ_MAX_ROWS, trial->rows - r), room);
        trial->costs[item] = sum;
    }
    free(scales);
    free(weights);
    free(room);
}

/* Rows at even distances. */
static enum status read_sample(struct job *job, const struct output *out, struct trial *trial)
{
    const struct tensor *part = job->parts[out->first_part];
    const struct tensor_type_info *from = tensor_type_info(part->type);
    uint8_t *bytes = malloc(trial->k * sizeof(float));
    trial->w = malloc((size_t)trial->rows * trial->k * sizeof(float));
    enum status status =
        bytes && trial->w ? OK : log_error(job->log, ERROR_MEMORY, "out of memory");
    for (uint64_t r = 0; r < trial->rows && !status; r++) {
        status = rows_read(job, part, r * part->dims[0] / trial->rows, 1, bytes);
        if (!status)
            tensor_to_f32(from->type, bytes, trial->w + r * trial->k, trial->k);
    }
    free(bytes);
    return status;
}

/* Adds what one matrix costs with each exponent. */
static enum status try_matrix(struct job *job, const struct output *out, const struct guide *guide,
                              double *costs)
{
    struct trial trial = {
        .type = (enum tensor_type)out->type,
        .k = guide->k,
        .rows = (uint32_t)MIN((uint64_t)SAMPLE, out->dims[0]),
        .guide = guide,
    };
    enum status status = read_sample(job, out, &trial);
    if (!status)
        pool_run(job->pool, try_exponent, &trial, EXPONENTS);
    for (uint32_t i = 0; i < EXPONENTS && !status; i++) {
        if (!trial.complete[i])
            status = log_error(job->log, ERROR_MEMORY, "out of memory");
        costs[i] += trial.costs[i];
    }
    free(trial.w);
    return status;
}

/* --- Matrices with a common input, and what makes it */

struct group {
    struct output *consumers[MAX_CONSUMERS];
    uint32_t n;
    struct output *producer;
    uint64_t first_row; /* of the producer: what makes element 0; a norm has one row */
    bool complete;      /* all of them are written, and could be scaled */
};

static struct output *find_output(struct job *job, const char *name)
{
    for (uint32_t i = 0; i < job->n_outputs; i++)
        if (!strcmp(job->outputs[i].name, name))
            return &job->outputs[i];
    return NULL;
}

/* f16 and bf16 would round what they hold anew; a type with blocks would add to its own error. */
static bool can_scale(const struct job *job, const struct output *out)
{
    const struct tensor_type_info *from = tensor_type_info(job->parts[out->first_part]->type);
    const struct tensor_type_info *to = tensor_type_info(out->type);
    return from->block == 1 && (to->block > 1 || to->type == TENSOR_F32) && out->n_parts == 1;
}

static void add_consumer(struct job *job, struct group *group, const char *name)
{
    struct output *out = find_output(job, name);
    const struct tensor *tensor = source_find(job->source, name);
    if (!out && !tensor)
        return; /* a model without it */
    group->complete = group->complete && out && can_scale(job, out) && out->n_dims == 2 &&
                      group->n < MAX_CONSUMERS;
    if (group->complete)
        group->consumers[group->n++] = out;
}

static bool has_entries(struct job *job, const struct group *group)
{
    const struct output *producer = group->producer;
    uint64_t elements = producer->dims[producer->n_dims - 1];
    for (uint32_t i = 0; i < group->n; i++) {
        const struct statistics_entry *entry =
            statistics_find(job->options->statistics, group->consumers[i]->name);
        if (!entry || entry->count == 0 || entry->k != group->consumers[0]->dims[1])
            return false;
    }
    return group->n > 0 && (producer->n_dims == 2 || elements == group->consumers[0]->dims[1]);
}

/* The best exponent for all of them; 0 leaves them as they are. */
static enum status find_exponent(struct job *job, const struct group *group,
                                 const struct guide *guide, double *exponent)
{
    double costs[EXPONENTS] = {0};
    uint32_t best = 0;
    enum status status = OK;
    *exponent = (double)job->options->awq_exponent;
    if (*exponent > 0)
        return OK;
    for (uint32_t i = 0; i < group->n && !status; i++)
        if (tensor_type_info(group->consumers[i]->type)->block > 1)
            status = try_matrix(job, group->consumers[i], guide, costs);
    for (uint32_t i = 1; i < EXPONENTS; i++)
        if (costs[i] < costs[best])
            best = i;
    *exponent = (double)best / EXPONENTS;
    return status;
}

static float *ones(uint64_t n)
{
    float *scales = malloc(n * sizeof(*scales));
    for (uint64_t i = 0; scales && i < n; i++)
        scales[i] = 1;
    return scales;
}

static enum status scale_group(struct job *job, struct group *group, const struct guide *guide,
                               double exponent)
{
    struct output *producer = group->producer;
    bool complete = true;
    for (uint32_t i = 0; i < group->n && complete; i++) {
        group->consumers[i]->columns = malloc(guide->k * sizeof(float));
        complete = group->consumers[i]->columns != NULL;
        if (complete)
            make_scales(guide, exponent, group->consumers[i]->columns);
    }
    float *inverse = complete ? ones(producer->n_dims == 2 ? producer->dims[0] : guide->k) : NULL;
    if (!inverse)
        return log_error(job->log, ERROR_MEMORY, "out of memory");
    for (uint32_t i = 0; i < guide->k; i++)
        inverse[group->first_row + i] = 1 / group->consumers[0]->columns[i];
    if (producer->n_dims == 2)
        producer->rows = inverse;
    else
        producer->columns = inverse;
    job->summary.scaled_groups++;
    return OK;
}

static enum status plan_group(struct job *job, struct group *group)
{
    const struct quantize_options *options = job->options;
    struct guide *guide = NULL;
    double exponent;

    group->complete = group->complete && group->producer && can_scale(job, group->producer) &&
                      has_entries(job, group);
    if (!group->complete) {
        job->summary.unscaled_groups++;
        return OK;
    }
    enum status status = guide_create(
        job->log, options->statistics,
        statistics_find(options->statistics, group->consumers[0]->name), false, &guide);
    if (!status)
        status = find_exponent(job, group, guide, &exponent);
    if (!status && exponent > 0)
        status = scale_group(job, group, guide, exponent);
    guide_destroy(&guide);
    if (!status && options->progress &&
        !options->progress(options->user, 0, job->total_bytes, group->consumers[0]->name))
        status = ERROR_AGAIN;
    return status;
}

/* `times` is the number of rows of the producer over the number of columns of the consumer, of
 * which the last part makes the input; 0: the producer is a norm. */
static enum status plan_pair(struct job *job, uint32_t layer, const char *producer, uint64_t times,
                             const char *consumer)
{
    struct group group = {.complete = true};
    char name[TENSOR_MAX_NAME];
    snprintf(name, sizeof(name), "transformer.layers.%u.%s", layer, consumer);
    add_consumer(job, &group, name);
    snprintf(name, sizeof(name), "transformer.layers.%u.%s", layer, producer);
    group.producer = find_output(job, name);
    if (times > 0 && group.producer && group.n > 0) {
        uint64_t k = group.consumers[0]->dims[1];
        group.first_row = (times - 1) * k;
        group.complete = group.producer->n_dims == 2 && group.producer->dims[0] == times * k;
    }
    return plan_group(job, &group);
}

static enum status plan_heads(struct job *job)
{
    static const char *const lists[] = {"extra_heads", "depformer_in"};
    struct group group = {.complete = true, .producer = find_output(job, "out_norm.alpha")};
    char name[TENSOR_MAX_NAME];
    add_consumer(job, &group, "text_linear.weight");
    for (size_t list = 0; list < COUNT_OF(lists); list++) {
        for (unsigned i = 0; i < MAX_CONSUMERS; i++) {
            snprintf(name, sizeof(name), "%s.%u.weight", lists[list], i);
            add_consumer(job, &group, name);
        }
    }
    return plan_group(job, &group);
}

enum status awq_plan(struct job *job)
{
    enum status status = OK;
    for (uint32_t i = 0; i < job->config.lm.n_layers && !status; i++) {
        status = plan_pair(job, i, "norm1.alpha", 0, "self_attn.in_proj_weight");
        if (!status)
            status = plan_pair(job, i, "self_attn.in_proj_weight", 3, "self_attn.out_proj.weight");
        if (!status)
            status = plan_pair(job, i, "norm2.alpha", 0, "gating.linear_in.weight");
        if (!status)
            status = plan_pair(job, i, "gating.linear_in.weight", 2, "gating.linear_out.weight");
    }
    return status ? status : plan_heads(job);
}
