/* SPDX-License-Identifier: MIT */
#include "loader/plan_internal.h"

#include <stdlib.h>

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

/* --- The ring -----------------------------------------------------------------------------------
 */

static enum status make_ring(struct stage *stage)
{
    struct plan *plan = stage->plan;
    uint64_t largest = gpu_device_get_info(plan->device)->max_binding_bytes;

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

/* Frees a segment that the device is done with; ERROR_AGAIN if it is not, and there is no waiting.
 */
static enum status free_segment(const struct stage *stage, struct segment *segment, bool wait)
{
    gpu_device *device = stage->plan->device;
    bool done = true;
    enum status status;

    if (!segment->submitted)
        return OK;
    if (wait)
        status = gpu_wait(device, segment->ticket, UINT64_MAX);
    else
        status = gpu_done(device, segment->ticket, &done);
    if (status || !done)
        return status ? status : ERROR_AGAIN;
    gpu_program_destroy(device, &segment->program);
    segment->submitted = false;
    return OK;
}

/* Hands the current segment to the device; the next one becomes the current one. */
static enum status submit_segment(struct stage *stage)
{
    struct segment *segment = &stage->segments[stage->current];

    if (!segment->program || segment->submitted)
        return OK;
    enum status status = gpu_program_end(segment->program);
    if (!status)
        status = gpu_program_submit(segment->program, &segment->ticket);
    if (status)
        return status;
    segment->submitted = true;
    stage->current = (stage->current + 1) % stage->n_segments;
    stage->used = 0;
    return OK;
}

/* --- The way through the files ------------------------------------------------------------------
 */

/* A tensor that is used twice is two pieces. */
static int compare_pieces(const void *a, const void *b)
{
    const struct piece *x = *(const struct piece *const *)a, *y = *(const struct piece *const *)b;
    if (x->tensor->file != y->tensor->file)
        return x->tensor->file < y->tensor->file ? -1 : 1;
    if (x->tensor->offset != y->tensor->offset)
        return x->tensor->offset < y->tensor->offset ? -1 : 1;
    return (x > y) - (x < y);
}

static enum status make_order(struct stage *stage)
{
    struct plan *plan = stage->plan;
    stage->order = malloc((plan->n_pieces + 1) * sizeof(*stage->order));
    if (!stage->order)
        return log_error(&plan->log, ERROR_MEMORY, "%s: out of memory", source_path(plan->source));
    for (uint32_t i = 0; i < plan->n_pieces; i++)
        stage->order[i] = &plan->pieces[i];
    qsort(stage->order, plan->n_pieces, sizeof(*stage->order), compare_pieces);
    for (uint32_t i = 0; i < plan->n_loads; i++)
        plan->loads[i].pieces_left = plan->loads[i].n_pieces;
    return OK;
}

/* A codebook's two loads may be read in either order. */
static enum status finish_piece(struct stage *stage, struct load *load)
{
    const struct load *sum = load->kind == LOAD_USAGE ? load - 1 : load;

    stage->next++;
    stage->next_row = 0;
    load->pieces_left--;
    if (sum->kind != LOAD_SUM || sum->pieces_left || sum[1].pieces_left)
        return OK;
    return record_centroids(stage, sum, sum + 1);
}

/* Reads and records what is next. *full: nothing, since the segment has no room for it. */
static enum status load_chunk(struct stage *stage, bool *full)
{
    struct plan *plan = stage->plan;
    const struct piece *piece = stage->order[stage->next];
    struct load *load = &plan->loads[piece->load];
    struct chunk chunk = {.load = load, .piece = piece, .first_row = stage->next_row};
    uint64_t row_bytes = piece_row_bytes(load, piece);
    uint32_t total = piece_rows(load, piece);

    chunk.rows = chunk_rows(stage, &chunk, row_bytes, total);
    *full = !chunk.rows;
    if (*full)
        return OK;
    uint64_t bytes = chunk.rows * row_bytes,
             offset = stage->current * stage->segment_bytes + stage->used;
    enum status status = source_read(plan->source, piece->tensor, chunk.first_row * row_bytes,
                                     stage->map + offset, bytes);
    if (!status)
        status = record_chunk(stage, &chunk, offset, bytes);
    if (status)
        return status;
    stage->used = MIN(align_up(stage->used + bytes, GPU_OFFSET_ALIGNMENT), stage->segment_bytes);
    stage->next_row += chunk.rows;
    stage->done_bytes += bytes;
    return stage->next_row < total ? OK : finish_piece(stage, load);
}

uint64_t plan_loaded_bytes(const struct plan *plan)
{
    return plan->stage ? plan->stage->done_bytes : 0;
}

bool plan_needs(const struct plan *plan, uint32_t *file, uint64_t *offset)
{
    const struct stage *stage = plan->stage;

    if (!stage || stage->next == plan->n_pieces)
        return false;
    const struct piece *piece = stage->order[stage->next];
    const struct tensor *tensor = piece->tensor;
    const bool again =
        stage->next + 1 < plan->n_pieces && stage->order[stage->next + 1]->tensor == tensor;
    *file = tensor->file;
    *offset = tensor->offset;
    if (!tensor->rope_heads && !again) /* whose rows are not read in their order, or once more */
        *offset += stage->next_row * piece_row_bytes(&plan->loads[piece->load], piece);
    return true;
}

/* --- Phase two ----------------------------------------------------------------------------------
 */

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

enum status plan_begin(struct plan *plan)
{
    enum status status = check_memory(plan);
    if (status)
        return status;
    plan->stage = calloc(1, sizeof(*plan->stage));
    if (!plan->stage)
        return log_error(&plan->log, ERROR_MEMORY, "%s: out of memory", source_path(plan->source));
    plan->stage->plan = plan;
    status = make_ring(plan->stage);
    if (!status)
        status = make_order(plan->stage);
    for (uint32_t i = 0; i < plan->n_loads && !status; i++)
        status = make_planes(plan, &plan->loads[i]);
    if (status)
        plan_end(plan);
    return status;
}

/* Everything was handed over: waits for the device, or asks it. */
static enum status finish(struct stage *stage, bool wait)
{
    enum status status = submit_segment(stage);
    for (uint32_t i = 0; i < stage->n_segments && !status; i++)
        status = free_segment(stage, &stage->segments[i], wait);
    return status;
}

static enum status step(struct stage *stage, bool wait, bool *done)
{
    bool full = false;

    enum status status = free_segment(stage, &stage->segments[stage->current], wait);
    while (!status && !full && stage->next < stage->plan->n_pieces)
        status = load_chunk(stage, &full);
    if (status)
        return status;
    status = full ? submit_segment(stage) : finish(stage, wait);
    if (!status)
        *done = stage->done = !full;
    return status;
}

enum status plan_step(struct plan *plan, bool *done)
{
    return step(plan->stage, false, done);
}

void plan_end(struct plan *plan)
{
    struct stage *stage = plan->stage;
    if (!stage)
        return;
    for (uint32_t i = 0; stage->segments && i < stage->n_segments; i++)
        gpu_program_destroy(plan->device, &stage->segments[i].program);
    gpu_buffer_destroy(plan->device, &stage->ring);
    free_planes(plan, stage->done);
    if (stage->done)
        set_ranges(plan);
    free(stage->segments);
    free(stage->order);
    free(stage);
    plan->stage = NULL;
}

enum status plan_run(struct plan *plan, const struct plan_progress *progress)
{
    const bool reports = progress && progress->report;
    bool done = !plan->n_loads;

    enum status status = done ? OK : plan_begin(plan);
    while (!status && !done) {
        status = step(plan->stage, true, &done);
        if (!status && reports &&
            !progress->report(progress->user, plan->stage->done_bytes, plan->file_bytes)) {
            plan->stage->done = false;
            status = ERROR_AGAIN;
        }
    }
    plan_end(plan);
    return status;
}
