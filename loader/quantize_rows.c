/* SPDX-License-Identifier: MIT
 *
 * Matrices that there are statistics for, or that awq scales: whole rows at a time. Tiles begin at
 * the same rows whatever the number of threads, so the result does not depend on it.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loader/quantize_job.h"

#define TILE GPTQ_MAX_ROWS /* rows */

/* Rows as they are read, and as they are written. Everything is [TILE][k]. */
struct tile {
    uint8_t *read, *written, *other;
    float *w;       /* what was read */
    float *scaled;  /* times the scales of awq: what is quantized */
    float *q;       /* what the file says, without the scales */
    float *e;       /* w - q */
    float *room;    /* for products */
    float *targets; /* gptq's */
    uint64_t first; /* row of the tensor */
    uint32_t rows;
    double squares, errors, output_squares, output_errors;
    bool finite, fits;
    float unfit, most;
};

struct rows_job {
    struct job *job;
    const struct output *out;
    const struct tensor_type_info *from, *to;
    uint64_t k, n_rows;
    struct guide *guide; /* of the slice at work; may be NULL */
    float *weights;      /* [k], of the search; NULL: all the same */
    struct tile *tiles;
    uint32_t n_tiles;
};

/* --- One tile */

static void scale_rows(const struct rows_job *rows, struct tile *tile)
{
    const float *columns = rows->out->columns, *row_scales = rows->out->rows;
    for (uint32_t r = 0; r < tile->rows; r++) {
        float scale = row_scales ? row_scales[tile->first + r] : 1;
        for (uint64_t i = 0; i < rows->k; i++) {
            uint64_t at = r * rows->k + i;
            tile->scaled[at] = tile->w[at] * (columns ? columns[i] * scale : scale);
        }
    }
}

/* Decodes what is written, and takes the difference. */
static void decode_rows(const struct rows_job *rows, struct tile *tile, const uint8_t *bytes)
{
    const float *columns = rows->out->columns, *row_scales = rows->out->rows;
    tensor_to_f32(rows->to->type, bytes, tile->q, tile->rows * rows->k);
    for (uint32_t r = 0; r < tile->rows; r++) {
        float scale = row_scales ? row_scales[tile->first + r] : 1;
        for (uint64_t i = 0; i < rows->k; i++) {
            uint64_t at = r * rows->k + i;
            tile->q[at] /= columns ? columns[i] * scale : scale;
            tile->e[at] = tile->w[at] - tile->q[at];
        }
    }
}

static void round_naive(const struct rows_job *rows, struct tile *tile, uint8_t *to)
{
    tensor_from_f32(rows->to->type, tile->scaled, to, tile->rows * rows->k);
}

static void search_rows(const struct rows_job *rows, struct tile *tile, uint8_t *to)
{
    const uint64_t bytes = tensor_row_bytes(rows->to, rows->k);
    for (uint32_t r = 0; r < tile->rows; r++)
        tensor_search_f32(rows->to->type, tile->scaled + r * rows->k, rows->weights, to + r * bytes,
                          rows->k);
}

/* Of each row naive's rounding, where gptq's costs as much. */
static void feed_back_rows(const struct rows_job *rows, struct tile *tile)
{
    const uint64_t bytes = tensor_row_bytes(rows->to, rows->k);
    double fed_back[TILE], naive[TILE];
    gptq_quantize(rows->guide->gptq, rows->to->type, tile->rows, tile->scaled, tile->e,
                  tile->targets, tile->written);
    decode_rows(rows, tile, tile->written);
    guide_costs(rows->guide, tile->rows, tile->e, tile->room, fed_back);
    round_naive(rows, tile, tile->other);
    decode_rows(rows, tile, tile->other);
    guide_costs(rows->guide, tile->rows, tile->e, tile->room, naive);
    for (uint32_t r = 0; r < tile->rows; r++)
        if (!(fed_back[r] < naive[r]))
            memcpy(tile->written + r * bytes, tile->other + r * bytes, bytes);
}

static void sum_tile(const struct rows_job *rows, struct tile *tile)
{
    double costs[TILE];
    for (uint64_t i = 0; i < tile->rows * rows->k; i++) {
        double w = (double)tile->w[i], e = (double)tile->e[i];
        if (tile->finite && !isfinite(w)) {
            tile->finite = false;
            tile->unfit = tile->w[i];
        }
        tile->fits = tile->fits && isfinite(tile->q[i]);
        tile->most = fmaxf(tile->most, fabsf(tile->w[i]));
        tile->squares += w * w;
        tile->errors += e * e;
    }
    if (!rows->guide)
        return;
    guide_costs(rows->guide, tile->rows, tile->w, tile->room, costs);
    for (uint32_t r = 0; r < tile->rows; r++)
        tile->output_squares += costs[r];
    guide_costs(rows->guide, tile->rows, tile->e, tile->room, costs);
    for (uint32_t r = 0; r < tile->rows; r++)
        tile->output_errors += costs[r];
}

static void convert_tile(void *user, uint32_t item)
{
    const struct rows_job *rows = user;
    struct tile *tile = &rows->tiles[item];
    tensor_to_f32(rows->from->type, tile->read, tile->w, tile->rows * rows->k);
    scale_rows(rows, tile);
    tile->finite = tile->fits = true;
    tile->squares = tile->errors = tile->output_squares = tile->output_errors = 0;
    tile->most = 0;
    if (rows->job->options->method == QUANTIZE_NAIVE)
        round_naive(rows, tile, tile->written);
    else if (rows->guide && rows->guide->gptq)
        feed_back_rows(rows, tile);
    else
        search_rows(rows, tile, tile->written);
    decode_rows(rows, tile, tile->written);
    sum_tile(rows, tile);
}

/* --- All of them */

static bool create_tile(struct tile *tile, uint64_t k)
{
    const size_t n = TILE * k;
    *tile = (struct tile){
        .read = malloc(n * sizeof(float)),
        .written = malloc(n * sizeof(float)),
        .other = malloc(n * sizeof(float)),
        .w = malloc(n * sizeof(float)),
        .scaled = malloc(n * sizeof(float)),
        .q = malloc(n * sizeof(float)),
        .e = malloc(n * sizeof(float)),
        .room = malloc(n * sizeof(float)),
        .targets = malloc(n * sizeof(float)),
    };
    return tile->read && tile->written && tile->other && tile->w && tile->scaled && tile->q &&
           tile->e && tile->room && tile->targets;
}

static void destroy_tile(struct tile *tile)
{
    free(tile->read);
    free(tile->written);
    free(tile->other);
    free(tile->w);
    free(tile->scaled);
    free(tile->q);
    free(tile->e);
    free(tile->room);
    free(tile->targets);
}

/* The part that a row of the joined tensor is in; *row becomes its row there. */
static const struct tensor *find_part(const struct rows_job *rows, uint64_t *row)
{
    const struct tensor *const *part = &rows->job->parts[rows->out->first_part];
    while (*row >= tensor_elements(*part) / rows->k)
        *row -= tensor_elements(*part++) / rows->k;
    return *part;
}

enum status rows_read(const struct job *job, const struct tensor *part, uint64_t row, uint64_t n,
                      void *to)
{
    const struct tensor_type_info *type = tensor_type_info(part->type);
    uint64_t bytes = tensor_row_bytes(type, part->dims[part->n_dims - 1]);
    return source_read(job->source, part, row * bytes, to, n * bytes);
}

static enum status read_tile(const struct rows_job *rows, struct tile *tile)
{
    const uint64_t bytes = tensor_row_bytes(rows->from, rows->k);
    enum status status = OK;
    for (uint32_t r = 0; r < tile->rows && !status;) {
        uint64_t row = tile->first + r;
        const struct tensor *part = find_part(rows, &row);
        uint64_t n = MIN(tile->rows - r, tensor_elements(part) / rows->k - row);
        status = rows_read(rows->job, part, row, n, tile->read + r * bytes);
        r += (uint32_t)n;
    }
    return status;
}

static enum status finish_tile(struct rows_job *rows, const struct tile *tile)
{
    struct job *job = rows->job;
    struct quantize_group *group = &job->summary.groups[rows->out->group];
    const char *path = source_path(job->source);
    if (!tile->finite)
        return log_error(job->log, ERROR_FORMAT, "%s: tensor %s holds %g, which is no weight", path,
                         rows->out->name, (double)tile->unfit);
    if (!tile->fits)
        return log_error(job->log, ERROR_FORMAT, "%s: tensor %s holds %g, too large for %s", path,
                         rows->out->name, (double)tile->most, rows->to->name);
    group->squares += tile->squares;
    group->errors += tile->errors;
    group->output_squares += tile->output_squares;
    group->output_errors += tile->output_errors;
    job->done_bytes += tensor_row_bytes(rows->from, tile->rows * rows->k);
    return gguf_append(job->writer, tile->written,
                       tensor_row_bytes(rows->to, tile->rows * rows->k));
}

/* Rows [first, end). */
static enum status convert_rows(struct rows_job *rows, uint64_t first, uint64_t end)
{
    const struct quantize_options *options = rows->job->options;
    enum status status = OK;
    while (first < end && !status) {
        uint32_t n = 0;
        for (; n < rows->n_tiles && first < end && !status; n++) {
            struct tile *tile = &rows->tiles[n];
            tile->first = first;
            tile->rows = (uint32_t)MIN((uint64_t)TILE, end - first);
            first += tile->rows;
            status = read_tile(rows, tile);
        }
        if (status)
            return status;
        pool_run(rows->job->pool, convert_tile, rows, n);
        for (uint32_t i = 0; i < n && !status; i++)
            status = finish_tile(rows, &rows->tiles[i]);
        if (!status && options->progress &&
            !options->progress(options->user, rows->job->done_bytes, rows->job->total_bytes,
                               rows->out->name))
            status = ERROR_AGAIN;
    }
    return status;
}

/* The rows that one entry of the statistics is for. */
static enum status convert_slice(struct rows_job *rows, const struct statistics_entry *entry,
                                 uint64_t first, uint64_t end)
{
    const struct quantize_options *options = rows->job->options;
    enum status status = OK;
    if (entry)
        status = guide_create(rows->job->log, options->statistics, entry,
                              options->method == QUANTIZE_GPTQ, &rows->guide);
    if (!status && entry && options->method == QUANTIZE_GPTQ && entry->gram_count == 0)
        log_write(rows->job->log, LOG_INFO, "%s: there is no Gram matrix: by imatrix", entry->name);
    if (!status && rows->guide && options->method > QUANTIZE_MSE) {
        rows->weights = malloc(rows->k * sizeof(*rows->weights));
        if (rows->weights)
            guide_weights(rows->guide, rows->out->columns, rows->weights);
        else
            status = log_error(rows->job->log, ERROR_MEMORY, "out of memory");
    }
    if (!status)
        status = convert_rows(rows, first, end);
    free(rows->weights);
    rows->weights = NULL;
    guide_destroy(&rows->guide);
    return status;
}

/* NULL also where nothing was seen. */
static const struct statistics_entry *find_entry(const struct quantize_options *options,
                                                 const char *name)
{
    const struct statistics_entry *entry = statistics_find(options->statistics, name);
    return entry && entry->count > 0 ? entry : NULL;
}

static const struct statistics_entry *find_slice(const struct quantize_options *options,
                                                 const char *name, uint32_t slice)
{
    char full[TENSOR_MAX_NAME + 16];
    snprintf(full, sizeof(full), "%s#%" PRIu32, name, slice);
    return find_entry(options, full);
}

static enum status check_entry(const struct job *job, const struct output *out,
                               const struct statistics_entry *entry)
{
    uint64_t k = out->dims[out->n_dims - 1];
    if (entry->k == k)
        return OK;
    return log_error(job->log, ERROR_ARGUMENT,
                     "%s: tensor %s has rows of %" PRIu64
                     " elements, the statistics are of %" PRIu32 ": they are of another model",
                     source_path(job->source), out->name, k, entry->k);
}

/* Those of a depformer that has weights for each codebook lie one below the other. */
static uint32_t count_slices(const struct output *out)
{
    uint64_t k = out->dims[out->n_dims - 1], height = strstr(out->name, ".in_proj") ? 3 * k : k;
    if (out->n_dims != 2 || !strstr(out->name, "depformer.layers.") ||
        !strstr(out->name, ".self_attn.") || out->dims[0] % height)
        return 1;
    return (uint32_t)(out->dims[0] / height);
}

enum status rows_find(const struct job *job, const struct output *out, uint32_t *slices)
{
    const struct quantize_options *options = job->options;
    const struct statistics_entry *entry;
    uint32_t n = count_slices(out);
    enum status status = OK;

    *slices = 0;
    if (!options->statistics)
        return OK;
    entry = find_entry(options, out->name);
    if (entry) {
        *slices = 1;
        return check_entry(job, out, entry);
    }
    for (uint32_t i = 0; i < n && !status; i++) {
        entry = find_slice(options, out->name, i);
        if (entry)
            status = check_entry(job, out, entry);
        if (entry)
            *slices = n;
    }
    return status;
}

bool rows_rounds(const struct job *job, const struct output *out)
{
    return tensor_type_info(out->type)->block > 1 && job->parts[out->first_part]->type != out->type;
}

enum status rows_check(const struct job *job)
{
    const struct quantize_options *options = job->options;
    const char *path = source_path(job->source);
    uint32_t found = 0, rounded = 0, grams = 0;
    enum status status = OK;

    for (uint32_t i = 0; i < job->n_outputs && !status; i++) {
        uint32_t slices;
        status = rows_find(job, &job->outputs[i], &slices);
        rounded += rows_rounds(job, &job->outputs[i]);
        found += slices > 0;
    }
    for (uint32_t i = 0; options->statistics && i < statistics_count(options->statistics); i++)
        grams += statistics_get(options->statistics, i)->gram_count > 0;
    if (status || options->method <= QUANTIZE_MSE)
        return status;
    if (rounded > 0 && found == 0)
        return log_error(job->log, ERROR_ARGUMENT,
                         "%s: the statistics know none of its tensors: they are of another model",
                         path);
    if (options->method == QUANTIZE_GPTQ && grams == 0)
        return log_error(job->log, ERROR_ARGUMENT,
                         "%s: gptq needs Gram matrices, and the statistics have none: gather them "
                         "anew, with Gram matrices",
                         path);
    return OK;
}

static enum status convert_slices(struct rows_job *rows, uint32_t slices)
{
    const struct quantize_options *options = rows->job->options;
    const char *name = rows->out->name;
    enum status status = OK;
    if (slices == 0)
        return convert_slice(rows, NULL, 0, rows->n_rows);
    if (find_entry(options, name))
        return convert_slice(rows, find_entry(options, name), 0, rows->n_rows);
    uint64_t n = rows->n_rows / slices;
    for (uint32_t i = 0; i < slices && !status; i++)
        status = convert_slice(rows, find_slice(options, name, i), i * n, (i + 1) * n);
    return status;
}

enum status rows_write(struct job *job, const struct output *out, uint32_t slices)
{
    uint64_t k = out->dims[out->n_dims - 1], elements = 1;
    for (uint32_t i = 0; i < out->n_dims; i++)
        elements *= out->dims[i];
    struct rows_job rows = {
        .job = job,
        .out = out,
        .from = tensor_type_info(job->parts[out->first_part]->type),
        .to = tensor_type_info(out->type),
        .k = k,
        .n_rows = elements / k,
    };
    uint32_t n = 2 * pool_threads(job->pool);
    rows.tiles = calloc(n, sizeof(*rows.tiles));
    bool complete = rows.tiles != NULL;
    while (complete && rows.n_tiles < n)
        complete = create_tile(&rows.tiles[rows.n_tiles++], k);
    enum status status = complete ? convert_slices(&rows, slices)
                                  : log_error(job->log, ERROR_MEMORY, "out of memory");
    for (uint32_t i = 0; i < rows.n_tiles; i++)
        destroy_tile(&rows.tiles[i]);
    free(rows.tiles);
    return status;
}
