/* SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#include "tools/autoquant/mix.h"

#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SAMPLE (1u << 20) /* weights of a matrix that are looked at, about */

/* One row at a time. */
struct measure {
    const struct log *log;
    const struct autoquant_search *search;
    const struct quantize_options *fixed;
    struct statistics *statistics;
    struct mix *mix;
    float *row, *back;
    void *bytes;
    uint64_t k; /* that the buffers hold */
};

static enum status out_of_memory(const struct measure *measure)
{
    return log_error(measure->log, ERROR_MEMORY, "out of memory");
}

static enum status reserve_row(struct measure *measure, uint64_t k)
{
    if (k <= measure->k)
        return OK;
    free(measure->row);
    free(measure->back);
    free(measure->bytes);
    measure->row = malloc(k * sizeof(float));
    measure->back = malloc(k * sizeof(float));
    measure->bytes = malloc(k * sizeof(float));
    measure->k = k;
    return measure->row && measure->back && measure->bytes ? OK : out_of_memory(measure);
}

/* Those of slice i of a tensor have the name NAME#i. */
static const struct statistics_entry *find_entry(const struct measure *measure, const char *name,
                                                 uint64_t k, uint64_t row, uint64_t rows)
{
    char slice[TENSOR_MAX_NAME + 32];
    uint64_t n = 0;
    if (!measure->statistics)
        return NULL;
    const struct statistics_entry *entry = statistics_find(measure->statistics, name);
    if (!entry) {
        do
            snprintf(slice, sizeof(slice), "%s#%llu", name, (unsigned long long)n);
        while (statistics_find(measure->statistics, slice) && ++n < rows);
        snprintf(slice, sizeof(slice), "%s#%llu", name, (unsigned long long)(row * n / rows));
        entry = n ? statistics_find(measure->statistics, slice) : NULL;
    }
    return entry && entry->k == k ? entry : NULL;
}

static void add_row(struct measure *measure, const struct tensor_type_info *type, uint64_t k,
                    const struct statistics_entry *entry, double sums[2])
{
    tensor_from_f32(type->type, measure->row, measure->bytes, k);
    tensor_to_f32(type->type, measure->bytes, measure->back, k);
    for (uint64_t i = 0; i < k; i++) {
        double weight = entry ? entry->sum2[i] : 1;
        double x = (double)measure->row[i], error = (double)measure->back[i] - x;
        sums[0] += weight * error * error;
        sums[1] += weight * x * x;
    }
}

static enum status measure_part(struct measure *measure, const struct quantize_tensor *tensor,
                                const struct tensor *part, uint64_t first_row, uint64_t step,
                                double sums[][2])
{
    const struct tensor_type_info *from = tensor_type_info(part->type);
    uint64_t k = tensor->dims[1], row_bytes = tensor_row_bytes(from, k);
    for (uint64_t row = (step - first_row % step) % step; row < part->dims[0]; row += step) {
        const struct statistics_entry *entry =
            find_entry(measure, tensor->name, k, first_row + row, tensor->dims[0]);
        enum status status =
            source_read(tensor->source, part, row * row_bytes, measure->bytes, row_bytes);
        if (status)
            return status;
        tensor_to_f32(from->type, measure->bytes, measure->row, k);
        for (uint32_t i = 0; i < measure->search->n_types; i++)
            add_row(measure, quantize_fitting_type(measure->search->types[i], k), k, entry,
                    sums[i]);
    }
    return OK;
}

static bool is_fixed(const struct measure *measure, const char *name)
{
    for (size_t i = 0; i < measure->fixed->n_rules; i++)
        if (!fnmatch(measure->fixed->rules[i].pattern, name, 0))
            return true;
    return false;
}

static struct mix_tensor *add_tensor(struct mix *mix, const char *name)
{
    if (mix->n == mix->capacity) {
        size_t capacity = mix->capacity ? 2 * mix->capacity : 64;
        struct mix_tensor *tensors = realloc(mix->tensors, capacity * sizeof(*tensors));
        if (!tensors)
            return NULL;
        mix->tensors = tensors;
        mix->capacity = capacity;
    }
    struct mix_tensor *tensor = &mix->tensors[mix->n++];
    *tensor = (struct mix_tensor){0};
    snprintf(tensor->name, sizeof(tensor->name), "%s", name);
    return tensor;
}

static enum status measure_tensor(void *user, const struct quantize_tensor *tensor)
{
    struct measure *measure = user;
    double sums[AUTOQUANT_MAX_TYPES][2] = {0};
    uint64_t first_row = 0;
    if (!strncmp(tensor->name, "mimi.", 5) || tensor->n_dims != 2 || tensor->dims[0] < 2 ||
        tensor->dims[1] < 2 || is_fixed(measure, tensor->name))
        return OK;
    uint64_t rows = tensor->dims[0], k = tensor->dims[1];
    uint64_t step = MAX((uint64_t)1, rows * k / SAMPLE);
    struct mix_tensor *out = add_tensor(measure->mix, tensor->name);
    enum status status = out ? reserve_row(measure, k) : out_of_memory(measure);
    for (uint32_t i = 0; i < tensor->n_parts && !status; i++) {
        status = measure_part(measure, tensor, tensor->parts[i], first_row, step, sums);
        first_row += tensor->parts[i]->dims[0];
    }
    for (uint32_t i = 0; i < measure->search->n_types && !status; i++) {
        out->bytes[i] =
            rows * tensor_row_bytes(quantize_fitting_type(measure->search->types[i], k), k);
        out->damage[i] = sums[i][1] > 0 ? sums[i][0] / sums[i][1] : 0;
    }
    return status;
}

enum status mix_measure(const struct log *log, const char *checkpoint,
                        const struct autoquant_search *search, const struct quantize_options *fixed,
                        struct statistics *statistics, struct mix *out)
{
    struct mix mix = {0};
    struct measure measure = {
        .log = log, .search = search, .fixed = fixed, .statistics = statistics, .mix = &mix};
    enum status status = quantize_list(log, checkpoint, fixed, measure_tensor, &measure);
    free(measure.row);
    free(measure.back);
    free(measure.bytes);
    if (status)
        mix_deinit(&mix);
    else
        *out = mix;
    return status;
}

void mix_deinit(struct mix *mix)
{
    free(mix->tensors);
    *mix = (struct mix){0};
}

/* Types of as many bits, and those that stand for others, are no gain. */
static uint32_t wider_type(const struct autoquant_search *search, const struct mix_tensor *tensor)
{
    uint32_t type = tensor->type + 1;
    while (type < search->n_types && (tensor->bytes[type] <= tensor->bytes[tensor->type] ||
                                      tensor->damage[type] >= tensor->damage[tensor->type]))
        type++;
    return type;
}

static struct mix_tensor *worst(const struct autoquant_search *search, struct mix *mix,
                                uint64_t room)
{
    struct mix_tensor *found = NULL;
    for (size_t i = 0; i < mix->n; i++) {
        struct mix_tensor *tensor = &mix->tensors[i];
        uint32_t wider = wider_type(search, tensor);
        if (wider < search->n_types && tensor->bytes[wider] - tensor->bytes[tensor->type] <= room &&
            (!found || tensor->damage[tensor->type] > found->damage[found->type]))
            found = tensor;
    }
    return found;
}

size_t mix_choose(const struct autoquant_search *search, struct mix *mix, uint32_t type,
                  double share)
{
    uint32_t next = autoquant_wider(search, type);
    uint64_t growth = 0;
    size_t n = 0;
    for (size_t i = 0; i < mix->n; i++) {
        struct mix_tensor *tensor = &mix->tensors[i];
        tensor->type = type;
        if (next < search->n_types && tensor->bytes[next] > tensor->bytes[type])
            growth += tensor->bytes[next] - tensor->bytes[type];
    }
    uint64_t room = (uint64_t)(share * (double)growth);
    for (struct mix_tensor *tensor; (tensor = worst(search, mix, room)) != NULL;) {
        uint32_t wider = wider_type(search, tensor);
        room -= tensor->bytes[wider] - tensor->bytes[tensor->type];
        n += tensor->type == type;
        tensor->type = wider;
    }
    return n;
}
