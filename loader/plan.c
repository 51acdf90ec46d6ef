/* SPDX-License-Identifier: MIT */
#include "loader/plan_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SEGMENT_BYTES (4u << 20)
#define SEGMENTS 4
#define MAX_PLANE_BYTES (16ull << 30) /* kernels count 32-bit words in 32 bits */

uint32_t tensor_kernel_type(enum tensor_type type)
{
    static const enum tensor_type types[WEIGHT_TYPES] = {
        [TYPE_F32] = TENSOR_F32,   [TYPE_F16] = TENSOR_F16,   [TYPE_BF16] = TENSOR_BF16,
        [TYPE_Q8_0] = TENSOR_Q8_0, [TYPE_Q4_0] = TENSOR_Q4_0, [TYPE_Q4_1] = TENSOR_Q4_1,
        [TYPE_Q5_0] = TENSOR_Q5_0, [TYPE_Q5_1] = TENSOR_Q5_1, [TYPE_Q4_K] = TENSOR_Q4_K,
        [TYPE_Q6_K] = TENSOR_Q6_K,
    };
    uint32_t found = 0;
    while (found < WEIGHT_TYPES && types[found] != type)
        found++;
    return found;
}

enum status plan_create(const struct log *log, gpu_device *device, kernel_set *kernels,
                        const struct source *source, struct plan **out)
{
    struct plan *p = calloc(1, sizeof(*p));
    if (!p)
        return log_error(log, ERROR_MEMORY, "%s: out of memory", source_path(source));
    if (log)
        p->log = *log;
    p->device = device;
    p->kernels = kernels;
    p->source = source;
    *out = p;
    return OK;
}

void plan_destroy(struct plan **plan)
{
    struct plan *p = plan ? *plan : NULL;
    if (!p)
        return;
    plan_end(p);
    for (uint32_t i = 0; i < p->n_loads; i++) {
        gpu_buffer_destroy(p->device, &p->loads[i].planes[0]);
        gpu_buffer_destroy(p->device, &p->loads[i].planes[1]);
    }
    free(p->loads);
    free(p->pieces);
    free(p);
    *plan = NULL;
}

void plan_set_limits(struct plan *plan, const struct plan_limits *limits)
{
    plan->limits = *limits;
}

void plan_ring(const struct plan *plan, uint64_t *segment_bytes, uint32_t *segments)
{
    /* All that is to pass through it; a small model needs no more. */
    uint64_t all = plan->file_bytes + (uint64_t)plan->n_pieces * GPU_OFFSET_ALIGNMENT;
    uint64_t most = MIN(SEGMENT_BYTES, gpu_device_get_info(plan->device)->max_binding_bytes);
    uint64_t bytes = plan->limits.segment_bytes ? plan->limits.segment_bytes : MIN(most, all);
    *segment_bytes = align_up(MAX(bytes, plan->largest_row), GPU_OFFSET_ALIGNMENT);
    *segments = plan->limits.segments ? plan->limits.segments
                                      : (uint32_t)MIN(SEGMENTS, all / *segment_bytes + 1);
}

uint64_t plan_device_bytes(const struct plan *plan)
{
    uint64_t segment_bytes;
    uint32_t segments;
    if (!plan->n_loads)
        return 0;
    plan_ring(plan, &segment_bytes, &segments);
    return plan->device_bytes + segment_bytes * segments;
}

uint64_t plan_file_bytes(const struct plan *plan)
{
    return plan->file_bytes;
}

uint32_t piece_rows(const struct load *load, const struct piece *piece)
{
    return (uint32_t)(tensor_elements(piece->tensor) / load->k);
}

uint64_t piece_row_bytes(const struct load *load, const struct piece *piece)
{
    return tensor_row_bytes(tensor_type_info(piece->tensor->type), load->k);
}

/* "[2049, 2048]", unknown ones as "any". */
static const char *shape_text(const uint64_t *dims, uint32_t n, char *text, size_t size)
{
    size_t used = (size_t)snprintf(text, size, "[");
    for (uint32_t i = 0; i < n && used < size; i++) {
        const char *comma = i ? ", " : "";
        if (dims[i])
            used += (size_t)snprintf(text + used, size - used, "%s%" PRIu64, comma, dims[i]);
        else
            used += (size_t)snprintf(text + used, size - used, "%sany", comma);
    }
    if (used < size)
        snprintf(text + used, size - used, "]");
    return text;
}

static enum status misshapen(const struct plan *plan, const struct tensor *tensor,
                             const uint64_t *expected, uint32_t n)
{
    char found_text[128], expected_text[128];
    return log_error(&plan->log, ERROR_FORMAT, "%s: tensor %s has the shape %s, expected %s",
                     source_file(plan->source, tensor->file), tensor->name,
                     shape_text(tensor->dims, tensor->n_dims, found_text, sizeof(found_text)),
                     shape_text(expected, n, expected_text, sizeof(expected_text)));
}

static enum status missing(const struct plan *plan, const char *name)
{
    bool mimi = !strncmp(name, "mimi.", 5) && source_get_kind(plan->source) == SOURCE_DIRECTORY;
    return log_error(&plan->log, ERROR_FORMAT, "%s: tensor %s is missing%s",
                     source_path(plan->source), mimi ? name + 5 : name,
                     mimi ? " from Mimi's file" : "");
}

static enum status check_type(const struct plan *plan, const struct tensor *tensor, bool float_only)
{
    const struct tensor_type_info *type = tensor_type_info(tensor->type);
    if (type && type->runs && !(float_only && type->block > 1))
        return OK;
    return log_error(&plan->log, ERROR_UNSUPPORTED, "%s: tensor %s is %s, expected %s",
                     source_file(plan->source, tensor->file), tensor->name,
                     type ? type->name : "of an unknown type",
                     float_only ? "f32, f16 or bf16"
                                : "f32, f16, bf16 or a block type that stapes writes");
}

/* rows and k of a matrix; 0 in *rows or *k takes the file's. */
static enum status check_matrix(const struct plan *plan, const struct tensor *tensor,
                                uint32_t *rows, uint32_t *k, uint32_t taps)
{
    uint64_t expected[3] = {*rows, *k / taps, taps};
    uint32_t n = tensor->n_dims, wanted = taps > 1 ? 3 : 2;

    enum status status = check_type(plan, tensor, taps > 1);
    if (status)
        return status;
    while (n > wanted && tensor->dims[n - 1] == 1)
        n--;
    bool fits = n == wanted && (taps == 1 || tensor->dims[2] == taps) &&
                (!*rows || tensor->dims[0] == *rows) && (!*k || tensor->dims[1] * taps == *k) &&
                tensor_elements(tensor) > 0;
    if (!fits)
        return misshapen(plan, tensor, expected, wanted);
    if (tensor->dims[0] > UINT32_MAX || tensor->dims[1] > UINT32_MAX / taps)
        return log_error(&plan->log, ERROR_UNSUPPORTED, "%s: tensor %s is too large",
                         source_file(plan->source, tensor->file), tensor->name);
    *rows = (uint32_t)tensor->dims[0];
    *k = (uint32_t)tensor->dims[1] * taps;
    return OK;
}

static void *grow(void *items, size_t size, uint32_t count, uint32_t *capacity)
{
    if (count < *capacity)
        return items;
    uint32_t grown = *capacity * 2 + 64;
    items = realloc(items, grown * size);
    if (items)
        *capacity = grown;
    return items;
}

static enum status add_piece(struct plan *plan, const struct tensor *tensor, uint32_t dst_row)
{
    struct piece *pieces =
        grow(plan->pieces, sizeof(*pieces), plan->n_pieces, &plan->pieces_capacity);
    if (!pieces)
        return log_error(&plan->log, ERROR_MEMORY, "%s: out of memory", source_path(plan->source));
    plan->pieces = pieces;
    pieces[plan->n_pieces++] = (struct piece){.tensor = tensor, .dst_row = dst_row};
    return OK;
}

/* Its pieces are the last load->n_pieces. */
static enum status add_load(struct plan *plan, struct load load)
{
    const char *name = plan->pieces[plan->n_pieces - load.n_pieces].tensor->name;
    struct load *loads = grow(plan->loads, sizeof(*loads), plan->n_loads, &plan->loads_capacity);
    if (!loads)
        return log_error(&plan->log, ERROR_MEMORY, "%s: out of memory", source_path(plan->source));
    plan->loads = loads;
    const uint32_t type = tensor_kernel_type(load.type);
    load.row_bytes[0] = PLANE0_WORDS(type, (uint64_t)load.k) * 4;
    load.row_bytes[1] = PLANE1_WORDS(type, (uint64_t)load.k) * 4;
    if (load.row_bytes[0] > MAX_PLANE_BYTES / load.rows)
        return log_error(&plan->log, ERROR_UNSUPPORTED, "%s: tensor %s is too large",
                         source_path(plan->source), name);
    load.first_piece = plan->n_pieces - load.n_pieces;
    for (int i = 0; i < 2; i++)
        plan->device_bytes += align_up(load.row_bytes[i] * load.rows, GPU_OFFSET_ALIGNMENT);
    for (uint32_t i = 0; i < load.n_pieces; i++) {
        struct piece *piece = &plan->pieces[load.first_piece + i];
        piece->load = plan->n_loads;
        plan->file_bytes += piece->tensor->bytes;
        plan->largest_row = MAX(plan->largest_row, piece_row_bytes(&load, piece));
    }
    loads[plan->n_loads++] = load;
    return OK;
}

static enum status add_matrix(struct plan *plan, struct load load, struct weight *out)
{
    load.kind = LOAD_MATRIX;
    load.weight = out;
    enum status status = add_load(plan, load);
    if (!status)
        *out = (struct weight){.type = load.type, .rows = load.rows, .k = load.k};
    return status;
}

/* One below the other: pieces of one type and width. */
static enum status add_below(struct plan *plan, const struct tensor *tensor, uint32_t rows_each,
                             uint32_t k, struct load *load)
{
    uint32_t rows = rows_each;
    enum status status = check_matrix(plan, tensor, &rows, &k, 1);
    if (status)
        return status;
    if (load->n_pieces && load->type != (enum tensor_type)tensor->type)
        return log_error(&plan->log, ERROR_FORMAT,
                         "%s: tensor %s is %s, those it is stacked with are %s",
                         source_file(plan->source, tensor->file), tensor->name,
                         tensor_type_info(tensor->type)->name, tensor_type_info(load->type)->name);
    if (rows > UINT32_MAX - load->rows)
        return log_error(&plan->log, ERROR_UNSUPPORTED, "%s: tensor %s is too large",
                         source_file(plan->source, tensor->file), tensor->name);
    status = add_piece(plan, tensor, load->rows);
    if (status)
        return status;
    load->type = (enum tensor_type)tensor->type;
    load->rows += rows;
    load->k = k;
    load->n_pieces++;
    return OK;
}

/* "x.in_proj_weight" -> "x.in_projs.I.weight", "x.out_proj.weight" -> "x.out_projs.I.weight". */
static bool split_name(const char *name, uint32_t index, char *text, size_t size)
{
    static const char *const forms[][2] = {{".in_proj_weight", ".in_projs"},
                                           {".out_proj.weight", ".out_projs"}};
    size_t length = strlen(name);
    for (size_t i = 0; i < COUNT_OF(forms); i++) {
        size_t tail = strlen(forms[i][0]);
        if (length > tail && !strcmp(name + length - tail, forms[i][0])) {
            snprintf(text, size, "%.*s%s.%" PRIu32 ".weight", (int)(length - tail), name,
                     forms[i][1], index);
            return true;
        }
    }
    return false;
}

static enum status join_matrix(struct plan *plan, const char *name, uint32_t rows, uint32_t k,
                               struct weight *out)
{
    struct load load = {.taps = 1, .k = k};
    char part[TENSOR_MAX_NAME + 32];
    const struct tensor *tensor;

    for (uint32_t i = 0;
         split_name(name, i, part, sizeof(part)) && (tensor = source_find(plan->source, part));
         i++) {
        enum status status = add_below(plan, tensor, 0, load.k, &load);
        if (status)
            return status;
    }
    if (rows && load.rows != rows)
        return log_error(&plan->log, ERROR_FORMAT,
                         "%s: the %" PRIu32 " parts of tensor %s have %" PRIu32
                         " rows, expected %" PRIu32,
                         source_path(plan->source), load.n_pieces, name, load.rows, rows);
    return add_matrix(plan, load, out);
}

enum status plan_matrix(struct plan *plan, const char *name, uint32_t rows, uint32_t k,
                        uint32_t taps, uint32_t flags, struct weight *out)
{
    struct load load = {.rows = rows, .k = k, .taps = MAX(taps, 1u), .n_pieces = 1};
    char part[TENSOR_MAX_NAME + 32];

    const struct tensor *tensor = source_find(plan->source, name);
    bool parts = split_name(name, 0, part, sizeof(part)) && source_find(plan->source, part);
    if (tensor && parts)
        return log_error(&plan->log, ERROR_FORMAT, "%s: both %s and %s are there",
                         source_path(plan->source), name, part);
    if (parts)
        return join_matrix(plan, name, rows, k, out);
    if (!tensor && (flags & PLAN_OPTIONAL)) {
        *out = (struct weight){0};
        return OK;
    }
    if (!tensor)
        return missing(plan, name);
    enum status status = check_matrix(plan, tensor, &load.rows, &load.k, load.taps);
    if (status)
        return status;
    load.type = (enum tensor_type)tensor->type;
    if (flags & PLAN_GATE) {
        if (load.rows % 2)
            return log_error(&plan->log, ERROR_FORMAT,
                             "%s: tensor %s has %" PRIu32 " rows, which are no two halves",
                             source_file(plan->source, tensor->file), name, load.rows);
        load.half = load.rows / 2;
    }
    status = add_piece(plan, tensor, 0);
    return status ? status : add_matrix(plan, load, out);
}

enum status plan_stack(struct plan *plan, const char *const *names, uint32_t n, uint32_t rows_each,
                       uint32_t k, struct weight *out)
{
    struct load load = {.taps = 1, .k = k};
    if (!n)
        return log_error(&plan->log, ERROR_ARGUMENT, "a stack of no tensors");
    for (uint32_t i = 0; i < n; i++) {
        const struct tensor *tensor = source_find(plan->source, names[i]);
        enum status status =
            tensor ? add_below(plan, tensor, rows_each, load.k, &load) : missing(plan, names[i]);
        if (status)
            return status;
    }
    return add_matrix(plan, load, out);
}

enum status plan_vector(struct plan *plan, const char *name, uint32_t n, uint32_t flags,
                        struct gpu_range *out)
{
    const uint64_t expected[1] = {n};
    uint64_t elements = 1;

    const struct tensor *tensor = source_find(plan->source, name);
    if (!tensor && (flags & PLAN_OPTIONAL)) {
        *out = (struct gpu_range){0};
        return OK;
    }
    if (!tensor)
        return missing(plan, name);
    enum status status = check_type(plan, tensor, true);
    if (status)
        return status;
    bool fits = true;
    for (uint32_t i = 0; i < tensor->n_dims; i++) { /* at most one other than 1 */
        fits = fits && (tensor->dims[i] == 1 || elements == 1);
        elements *= tensor->dims[i];
    }
    if (!fits || !elements || (n && elements != n) || elements > UINT32_MAX)
        return misshapen(plan, tensor, expected, 1);
    status = add_piece(plan, tensor, 0);
    if (status)
        return status;
    *out = (struct gpu_range){0};
    return add_load(plan, (struct load){.kind = LOAD_VECTOR,
                                        .type = TENSOR_F32,
                                        .rows = 1,
                                        .k = (uint32_t)elements,
                                        .taps = 1,
                                        .n_pieces = 1,
                                        .range = out});
}

enum status plan_codebook(struct plan *plan, const char *prefix, uint32_t bins, uint32_t dim,
                          struct gpu_range *out)
{
    char name[TENSOR_MAX_NAME];
    struct gpu_range unused;
    uint32_t rows = bins, k = dim;

    snprintf(name, sizeof(name), "%s.embedding_sum", prefix);
    const struct tensor *tensor = source_find(plan->source, name);
    if (!tensor)
        return missing(plan, name);
    enum status status = check_matrix(plan, tensor, &rows, &k, 1);
    if (!status)
        status = check_type(plan, tensor, true);
    if (!status)
        status = add_piece(plan, tensor, 0);
    if (status)
        return status;
    /* The kernels want it dense; rows of an odd width would be padded, one long row is not. */
    struct load load = {.kind = LOAD_SUM,
                        .type = TENSOR_F32,
                        .rows = rows,
                        .k = k,
                        .taps = 1,
                        .bins = rows,
                        .dim = k,
                        .n_pieces = 1,
                        .range = out};
    if (k % 4) {
        if ((uint64_t)rows * k > UINT32_MAX)
            return log_error(&plan->log, ERROR_UNSUPPORTED, "%s: tensor %s is too large",
                             source_path(plan->source), name);
        load.rows = 1;
        load.k = rows * k;
    }
    status = add_load(plan, load);
    if (status)
        return status;
    *out = (struct gpu_range){0};
    snprintf(name, sizeof(name), "%s.cluster_usage", prefix);
    status = plan_vector(plan, name, rows, 0, &unused);
    if (!status) {
        plan->loads[plan->n_loads - 1].kind = LOAD_USAGE;
        plan->loads[plan->n_loads - 1].range = NULL;
    }
    return status;
}
