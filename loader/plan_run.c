/* SPDX-License-Identifier: MIT */
#include "loader/plan_internal.h"

#include <stdlib.h>
#include <string.h>

/* A part of the ring: what the host read into it, and the program that repacks that. */
struct segment {
    gpu_program *program; /* being recorded, or submitted with `ticket` */
    uint64_t ticket;
};

struct stage {
    struct plan *plan;
    const struct plan_progress *progress;
    gpu_buffer *ring;
    uint8_t *map;
    struct segment *segments;
    uint32_t n_segments, current;
    uint64_t segment_bytes;
    uint64_t used; /* bytes of the current segment */
    uint64_t window_bytes;
    uint64_t done_bytes;
};

/* Rows of one tensor, short enough for what is left of a segment. */
struct chunk {
    const struct load *load;
    const struct piece *piece;
    uint32_t first_row, rows; /* of the piece */
};

static enum status check_memory(const struct plan *plan)
{
    uint64_t needed = plan_device_bytes(plan), there = gpu_device_memory_left(plan->device);
    if (needed <= there)
        return OK;
    return log_error(&plan->log, ERROR_DEVICE_MEMORY,
                     "%s needs %.1f MB of device memory, %s has %.1f MB left",
                     source_path(plan->source), (double)needed / 1e6,
                     gpu_device_get_info(plan->device)->name, (double)there / 1e6);
}

static enum status stage_init(struct stage *stage, struct plan *plan,
                              const struct plan_progress *progress)
{
    uint64_t largest = gpu_device_get_info(plan->device)->max_binding_bytes;

    *stage = (struct stage){.plan = plan, .progress = progress};
    plan_ring(plan, &stage->segment_bytes, &stage->n_segments);
    stage->window_bytes =
        plan->limits.window_bytes ? MIN(plan->limits.window_bytes, largest) : largest;
    if (stage->segment_bytes > largest)
        return log_error(&plan->log, ERROR_DEVICE_MEMORY,
                         "%s: a row of %llu bytes, the device binds %llu",
                         source_path(plan->source), (unsigned long long)plan->largest_row,
                         (unsigned long long)largest);
    stage->segments = calloc(stage->n_segments, sizeof(*stage->segments));
    if (!stage->segments)
        return log_error(&plan->log, ERROR_MEMORY, "%s: out of memory", source_path(plan->source));
    struct gpu_buffer_params params = {.name = "staging ring",
                                       .size_bytes = stage->segment_bytes * stage->n_segments,
                                       .memory = GPU_MEMORY_UPLOAD};
    enum status status = gpu_buffer_create(plan->device, &params, &stage->ring);
    if (!status)
        stage->map = gpu_buffer_map(stage->ring);
    return status;
}

static void stage_deinit(struct stage *stage)
{
    for (uint32_t i = 0; stage->segments && i < stage->n_segments; i++)
        gpu_program_destroy(stage->plan->device, &stage->segments[i].program);
    free(stage->segments);
    gpu_buffer_destroy(stage->plan->device, &stage->ring);
}

/* Hands the current segment to the device and takes the next one, once the device is done with it.
 */
static enum status stage_flush(struct stage *stage)
{
    struct segment *segment = &stage->segments[stage->current];
    gpu_device *device = stage->plan->device;

    if (!segment->program)
        return OK;
    enum status status = gpu_program_end(segment->program);
    if (!status)
        status = gpu_program_submit(segment->program, &segment->ticket);
    if (status)
        return status;
    stage->current = (stage->current + 1) % stage->n_segments;
    stage->used = 0;
    segment = &stage->segments[stage->current];
    if (segment->program) {
        status = gpu_wait(device, segment->ticket, UINT64_MAX);
        gpu_program_destroy(device, &segment->program);
    }
    return status;
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

static enum status record_copy(struct stage *stage, const struct chunk *chunk, uint64_t offset,
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
static enum status record_chunk(struct stage *stage, const struct chunk *chunk, uint64_t offset,
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

/* Rows that fit into the segment and whose target fits into a binding; never across the halves of a
 * gate, whose targets lie far apart. */
static uint32_t chunk_rows(const struct stage *stage, const struct chunk *chunk, uint64_t row_bytes,
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

static enum status load_piece(struct stage *stage, const struct load *load,
                              const struct piece *piece)
{
    struct plan *plan = stage->plan;
    struct chunk chunk = {.load = load, .piece = piece};
    uint64_t row_bytes = piece_row_bytes(load, piece);
    uint32_t total = piece_rows(load, piece);
    enum status status;

    while (chunk.first_row < total) {
        chunk.rows = chunk_rows(stage, &chunk, row_bytes, total);
        if (!chunk.rows) {
            status = stage_flush(stage);
            if (status)
                return status;
            continue;
        }
        uint64_t bytes = chunk.rows * row_bytes,
                 offset = stage->current * stage->segment_bytes + stage->used;
        status = source_read(plan->source, piece->tensor, chunk.first_row * row_bytes,
                             stage->map + offset, bytes);
        if (!status)
            status = is_plain(load, piece) ? record_copy(stage, &chunk, offset, bytes)
                                           : record_chunk(stage, &chunk, offset, bytes);
        if (status)
            return status;
        stage->used =
            MIN(align_up(stage->used + bytes, GPU_OFFSET_ALIGNMENT), stage->segment_bytes);
        chunk.first_row += chunk.rows;
        stage->done_bytes += bytes;
        if (stage->progress && stage->progress->report &&
            !stage->progress->report(stage->progress->user, stage->done_bytes, plan->file_bytes))
            return ERROR_AGAIN;
    }
    return OK;
}

static enum status make_planes(struct plan *plan, struct load *load)
{
    const char *name = plan->pieces[load->first_piece].tensor->name;
    for (int i = 0; i < 2; i++) {
        struct gpu_buffer_params params = {.name = name,
                                           .size_bytes = load->row_bytes[i] * load->rows,
                                           .memory = GPU_MEMORY_DEVICE};
        if (!params.size_bytes)
            continue;
        enum status status = gpu_buffer_create(plan->device, &params, &load->planes[i]);
        if (status)
            return status;
    }
    return OK;
}

/* sum / usage, where `usage` is the load behind `sum` */
static enum status record_centroids(struct stage *stage, const struct load *sum,
                                    const struct load *usage)
{
    const struct centroids_params params = {.bins = sum->bins, .dim = sum->dim};
    const struct gpu_range ranges[2] = {{.buffer = sum->planes[0]}, {.buffer = usage->planes[0]}};
    gpu_program *program;
    enum status status = stage_program(stage, &program);
    if (!status)
        status = kernel_dispatch(stage->plan->kernels, program, KERNEL_centroids, &params, ranges);
    return status;
}

static enum status load_all(struct stage *stage)
{
    struct plan *plan = stage->plan;
    enum status status;

    for (uint32_t i = 0; i < plan->n_loads; i++) {
        struct load *load = &plan->loads[i];
        for (uint32_t j = 0; j < load->n_pieces; j++) {
            status = load_piece(stage, load, &plan->pieces[load->first_piece + j]);
            if (status)
                return status;
        }
        if (load->kind == LOAD_USAGE) {
            status = record_centroids(stage, load - 1, load);
            if (status)
                return status;
        }
    }
    status = stage_flush(stage);
    for (uint32_t i = 0; i < stage->n_segments && !status; i++)
        if (stage->segments[i].program)
            status = gpu_wait(plan->device, stage->segments[i].ticket, UINT64_MAX);
    return status;
}

static void set_ranges(struct plan *plan)
{
    for (uint32_t i = 0; i < plan->n_loads; i++) {
        struct load *load = &plan->loads[i];
        if (load->range)
            *load->range = (struct gpu_range){.buffer = load->planes[0],
                                              .size = load->row_bytes[0] * load->rows};
        if (!load->weight)
            continue;
        load->weight->plane0 =
            (struct gpu_range){.buffer = load->planes[0], .size = load->row_bytes[0] * load->rows};
        if (load->planes[1])
            load->weight->plane1 = (struct gpu_range){.buffer = load->planes[1],
                                                      .size = load->row_bytes[1] * load->rows};
    }
}

static void free_planes(struct plan *plan, bool only_usage)
{
    for (uint32_t i = 0; i < plan->n_loads; i++) {
        struct load *load = &plan->loads[i];
        if (only_usage && load->kind != LOAD_USAGE)
            continue;
        gpu_buffer_destroy(plan->device, &load->planes[0]);
        gpu_buffer_destroy(plan->device, &load->planes[1]);
    }
}

enum status plan_run(struct plan *plan, const struct plan_progress *progress)
{
    struct stage stage = {.plan = plan};

    if (!plan->n_loads)
        return OK;
    enum status status = check_memory(plan);
    if (status)
        return status;
    status = stage_init(&stage, plan, progress);
    for (uint32_t i = 0; i < plan->n_loads && !status; i++)
        status = make_planes(plan, &plan->loads[i]);
    if (!status)
        status = load_all(&stage);
    stage_deinit(&stage);
    free_planes(plan, !status);
    if (!status)
        set_ranges(plan);
    return status;
}
