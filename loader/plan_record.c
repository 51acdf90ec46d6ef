/* SPDX-License-Identifier: MIT */
#include "loader/plan_internal.h"

static uint64_t gcd(uint64_t a, uint64_t b)
{
    while (b) {
        uint64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* Rows at whose multiples every plane has a legal offset. */
static uint32_t aligned_rows(const struct load *load)
{
    uint64_t rows = 1;
    for (int i = 0; i < 2; i++) {
        if (!load->row_bytes[i])
            continue;
        uint64_t each = GPU_OFFSET_ALIGNMENT / gcd(load->row_bytes[i], GPU_OFFSET_ALIGNMENT);
        rows = MAX(rows, each); /* powers of two */
    }
    return (uint32_t)rows;
}

static uint32_t target_row(const struct load *load, const struct piece *piece, uint32_t row)
{
    if (!load->half)
        return piece->dst_row + row;
    return piece->dst_row + (row < load->half ? 2 * row : 2 * (row - load->half) + 1);
}

static enum kernel_id repack_kernel(const struct load *load)
{
    static const enum kernel_id kernels[WEIGHT_TYPES] = {
        [TYPE_F32] = KERNEL_repack_f32,   [TYPE_F16] = KERNEL_repack_16,
        [TYPE_BF16] = KERNEL_repack_16,   [TYPE_Q8_0] = KERNEL_repack_q8_0,
        [TYPE_Q4_0] = KERNEL_repack_q4_0, [TYPE_Q4_1] = KERNEL_repack_q4_1,
        [TYPE_Q5_0] = KERNEL_repack_q5_0, [TYPE_Q5_1] = KERNEL_repack_q5_1,
        [TYPE_Q4_K] = KERNEL_repack_q4_k, [TYPE_Q6_K] = KERNEL_repack_q6_k,
    };
    return kernels[tensor_kernel_type(load->type)];
}

/* Rows that lie in the file as they will in the plane need no kernel. */
static bool is_plain(const struct load *load, const struct piece *piece)
{
    return !load->half && load->taps == 1 && !load->row_bytes[1] &&
           piece->tensor->type == (uint32_t)load->type && load->k % 4 == 0;
}

static enum status stage_program(struct stage *stage, gpu_program **out)
{
    struct segment *segment = &stage->segments[stage->current];
    enum status status = OK;
    if (!segment->program)
        status = gpu_program_begin(stage->plan->device, "load", false, &segment->program);
    *out = segment->program;
    return status;
}

static enum status record_plain(struct stage *stage, const struct chunk *chunk, uint64_t offset,
                                uint64_t bytes)
{
    const struct load *load = chunk->load;
    uint64_t row = (uint64_t)chunk->piece->dst_row + chunk->first_row;
    const struct gpu_range from = {stage->ring, offset, bytes},
                           to = {load->planes[0], row * load->row_bytes[0], bytes};
    gpu_program *program;
    enum status status = stage_program(stage, &program);
    return status ? status : gpu_program_copy(program, &from, &to);
}

/* The planes may be larger than a binding: the rows that the chunk goes to are bound, and the
 * target row is told relative to them (modulo 2^32, in the kernel's own arithmetic). */
static enum status record_repack(struct stage *stage, const struct chunk *chunk, uint64_t offset,
                                 uint64_t bytes)
{
    const struct load *load = chunk->load;
    uint32_t low = target_row(load, chunk->piece, chunk->first_row);
    uint32_t high = target_row(load, chunk->piece, chunk->first_row + chunk->rows - 1);
    uint32_t window = low / aligned_rows(load) * aligned_rows(load);
    struct gpu_range ranges[3] = {{stage->ring, offset, align_up(bytes, 4)}};
    gpu_program *program;

    for (int i = 0; i < 2; i++) {
        if (!load->planes[i])
            continue;
        ranges[1 + i] = (struct gpu_range){load->planes[i], window * load->row_bytes[i],
                                           ((uint64_t)high + 1 - window) * load->row_bytes[i]};
        if (ranges[1 + i].size > stage->window_bytes)
            return log_error(&stage->plan->log, ERROR_DEVICE_MEMORY,
                             "%s: tensor %s: %llu bytes at a time, the device binds %llu",
                             source_path(stage->plan->source), chunk->piece->tensor->name,
                             (unsigned long long)ranges[1 + i].size,
                             (unsigned long long)stage->window_bytes);
    }
    struct repack_params params = {
        .rows = chunk->rows,
        .first_row = chunk->first_row,
        .dst_row = chunk->piece->dst_row - window,
        .half = load->half,
        .k = load->k,
        .taps = load->taps,
        .src_type = tensor_kernel_type(chunk->piece->tensor->type),
    };
    enum kernel_id kernel = repack_kernel(load);
    if (kernel == KERNEL_repack_16 && load->taps == 1 &&
        load->k % 8 == 0) { /* pairs moved as words: much faster */
        kernel = KERNEL_repack_f32;
        params.k = load->k / 2;
        params.src_type = TYPE_F32;
    }
    enum status status = stage_program(stage, &program);
    if (!status)
        status = kernel_dispatch(stage->plan->kernels, program, kernel, &params, ranges);
    return status;
}

enum status record_chunk(struct stage *stage, const struct chunk *chunk, uint64_t offset,
                         uint64_t bytes)
{
    return is_plain(chunk->load, chunk->piece) ? record_plain(stage, chunk, offset, bytes)
                                               : record_repack(stage, chunk, offset, bytes);
}

enum status record_centroids(struct stage *stage, const struct load *sum, const struct load *usage)
{
    const struct centroids_params params = {.bins = sum->bins, .dim = sum->dim};
    const struct gpu_range ranges[2] = {{.buffer = sum->planes[0]}, {.buffer = usage->planes[0]}};
    gpu_program *program;
    enum status status = stage_program(stage, &program);
    if (!status)
        status = kernel_dispatch(stage->plan->kernels, program, KERNEL_centroids, &params, ranges);
    return status;
}

uint32_t chunk_rows(const struct stage *stage, const struct chunk *chunk, uint64_t row_bytes,
                    uint32_t total)
{
    const struct load *load = chunk->load;
    uint64_t rows = (stage->segment_bytes - stage->used) / row_bytes;
    uint64_t limit = stage->window_bytes / load->row_bytes[0];
    uint32_t slack = aligned_rows(load);

    rows = MIN(rows, total - chunk->first_row);
    if (load->half && chunk->first_row < load->half)
        rows = MIN(rows, load->half - chunk->first_row);
    limit = limit > slack ? limit - slack : 1;
    if (load->half)
        limit = MAX(limit / 2, 1);
    return (uint32_t)MIN(rows, limit);
}
