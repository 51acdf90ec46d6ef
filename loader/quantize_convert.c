/* SPDX-License-Identifier: MIT
 *
 * Tensors from one type to another: chunks are read in order, converted by all threads, and
 * appended in order. What a chunk holds does not depend on the number of threads, so neither do the
 * sums.
 */
#include "loader/quantize_job.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#define CHUNK 65536 /* elements; a multiple of every block */

struct chunk {
    uint8_t *bytes; /* as read, then as written: CHUNK floats */
    float *values, *back;
    uint64_t n;
    double squares, errors;
    bool finite;       /* the values that were read */
    bool fits;         /* those that are written */
    float unfit, most; /* the first that is not finite; the largest magnitude */
};

struct converter {
    uint32_t n_chunks;
    struct chunk *chunks;
    /* the tensor at work */
    const struct tensor_type_info *from, *to;
    enum quantize_method method;
};

enum status converter_create(struct job *job)
{
    struct converter *converter = calloc(1, sizeof(*converter));
    uint32_t n = 2 * pool_threads(job->pool);
    bool complete = converter != NULL;

    job->converter = converter;
    if (complete) {
        converter->method = MIN(job->options->method, QUANTIZE_MSE);
        converter->chunks = calloc(n, sizeof(*converter->chunks));
        complete = converter->chunks != NULL;
    }
    for (uint32_t i = 0; i < n && complete; i++) {
        struct chunk *chunk = &converter->chunks[converter->n_chunks++];
        chunk->bytes = malloc(CHUNK * sizeof(float));
        chunk->values = malloc(CHUNK * sizeof(float));
        chunk->back = malloc(CHUNK * sizeof(float));
        complete = chunk->bytes && chunk->values && chunk->back;
    }
    return complete ? OK : log_error(job->log, ERROR_MEMORY, "out of memory");
}

void converter_destroy(struct converter **converter)
{
    if (!converter || !*converter)
        return;
    for (uint32_t i = 0; i < (*converter)->n_chunks; i++) {
        free((*converter)->chunks[i].bytes);
        free((*converter)->chunks[i].values);
        free((*converter)->chunks[i].back);
    }
    free((*converter)->chunks);
    free(*converter);
    *converter = NULL;
}

/* What is read and what will be written, as numbers. */
static void compare(struct chunk *chunk, const float *written)
{
    chunk->squares = chunk->errors = 0;
    chunk->finite = chunk->fits = true;
    chunk->most = 0;
    for (uint64_t i = 0; i < chunk->n; i++) {
        double x = (double)chunk->values[i], difference = (double)written[i] - x;
        if (chunk->finite && !isfinite(x)) {
            chunk->finite = false;
            chunk->unfit = chunk->values[i];
        }
        chunk->fits = chunk->fits && isfinite(written[i]);
        chunk->most = fmaxf(chunk->most, fabsf(chunk->values[i]));
        chunk->squares += x * x;
        chunk->errors += difference * difference;
    }
}

static void convert(void *user, uint32_t item)
{
    const struct converter *converter = user;
    struct chunk *chunk = &converter->chunks[item];
    enum tensor_type to = converter->to->type;

    tensor_to_f32(converter->from->type, chunk->bytes, chunk->values, chunk->n);
    if (converter->from == converter->to) { /* stays bit for bit the same */
        compare(chunk, chunk->values);
        return;
    }
    if (converter->method == QUANTIZE_MSE)
        tensor_search_f32(to, chunk->values, NULL, chunk->bytes, chunk->n);
    else
        tensor_from_f32(to, chunk->values, chunk->bytes, chunk->n);
    tensor_to_f32(to, chunk->bytes, chunk->back, chunk->n);
    compare(chunk, chunk->back);
}

static enum status check_chunk(const struct job *job, const struct tensor *tensor,
                               const struct chunk *chunk)
{
    const char *path = source_file(job->source, tensor->file);
    if (!chunk->finite)
        return log_error(job->log, ERROR_FORMAT, "%s: tensor %s holds %g, which is no weight", path,
                         tensor->name, (double)chunk->unfit);
    if (!chunk->fits)
        return log_error(job->log, ERROR_FORMAT, "%s: tensor %s holds %g, too large for %s", path,
                         tensor->name, (double)chunk->most, job->converter->to->name);
    return OK;
}

/* Elements [at, at + n) of a tensor, at most what the chunks hold. */
static enum status convert_batch(struct job *job, const struct tensor *tensor, uint64_t at,
                                 uint64_t n, struct quantize_group *group)
{
    struct converter *converter = job->converter;
    uint32_t n_chunks = (uint32_t)((n + CHUNK - 1) / CHUNK);
    enum status status = OK;

    for (uint32_t i = 0; i < n_chunks && !status; i++) {
        uint64_t first = at + (uint64_t)i * CHUNK;
        struct chunk *chunk = &converter->chunks[i];
        chunk->n = MIN((uint64_t)CHUNK, at + n - first);
        status = source_read(job->source, tensor, tensor_row_bytes(converter->from, first),
                             chunk->bytes, tensor_row_bytes(converter->from, chunk->n));
    }
    if (status)
        return status;
    pool_run(job->pool, convert, converter, n_chunks);
    for (uint32_t i = 0; i < n_chunks && !status; i++) {
        const struct chunk *chunk = &converter->chunks[i];
        status = check_chunk(job, tensor, chunk);
        group->squares += chunk->squares;
        group->errors += chunk->errors;
        if (!status)
            status =
                gguf_append(job->writer, chunk->bytes, tensor_row_bytes(converter->to, chunk->n));
    }
    return status;
}

static enum status write_part(struct job *job, const struct tensor *part,
                              struct quantize_group *group)
{
    const struct quantize_options *options = job->options;
    const uint64_t most = (uint64_t)job->converter->n_chunks * CHUNK;
    uint64_t elements = tensor_elements(part);

    job->converter->from = tensor_type_info(part->type);
    for (uint64_t at = 0; at < elements; at += most) {
        uint64_t n = MIN(most, elements - at);
        enum status status = convert_batch(job, part, at, n, group);
        if (status)
            return status;
        job->done_bytes += tensor_row_bytes(job->converter->from, n);
        if (options->progress &&
            !options->progress(options->user, job->done_bytes, job->total_bytes, part->name))
            return ERROR_AGAIN;
    }
    return OK;
}

static enum status write_parts(struct job *job, const struct output *out)
{
    enum status status = OK;
    job->converter->to = tensor_type_info(out->type);
    for (uint32_t i = 0; i < out->n_parts && !status; i++)
        status = write_part(job, job->parts[out->first_part + i], &job->summary.groups[out->group]);
    return status;
}

enum status converter_write(struct job *job, const struct output *out)
{
    struct quantize_group *group = &job->summary.groups[out->group];
    const bool rounds = rows_rounds(job, out);
    uint64_t elements = 1;
    uint32_t slices = 0;

    enum status status = rounds ? rows_find(job, out, &slices) : OK;
    if (!status && (slices > 0 || out->columns || out->rows))
        status = rows_write(job, out, slices);
    else if (!status)
        status = write_parts(job, out);
    if (status)
        return status;
    group->unguided += rounds && slices == 0 && job->options->method > QUANTIZE_MSE;
    for (uint32_t i = 0; i < out->n_dims; i++)
        elements *= out->dims[i];
    group->tensors++;
    group->elements += elements;
    group->bytes += tensor_row_bytes(tensor_type_info(out->type), elements);
    return OK;
}
