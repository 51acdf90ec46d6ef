/* SPDX-License-Identifier: MIT
 *
 * Recording: a program is a list of words that gpu.js makes its objects of when it is ended.
 */
#include "runtime/webgpu/webgpu.h"

#include <stdlib.h>
#include <string.h>

static const struct log *log_of(const gpu_program *program)
{
    return &program->device->log;
}

static enum status check(const gpu_program *program)
{
    if (!program)
        return ERROR_ARGUMENT;
    if (program->failed)
        return program->failed;
    if (program->ended)
        return log_error(log_of(program), ERROR_ARGUMENT, "program %s is not recording any more",
                         program->name);
    return OK;
}

enum status gpu_program_begin(gpu_device *device, const char *name, bool timed, gpu_program **out)
{
    if (!device)
        return ERROR_ARGUMENT;
    if (!out)
        return log_error(&device->log, ERROR_ARGUMENT, "gpu_program_begin: missing argument");
    enum status status = webgpu_check(device);
    if (status)
        return status;
    gpu_program *program = calloc(1, sizeof(*program));
    if (!program)
        return log_error(&device->log, ERROR_MEMORY, "out of memory for program %s",
                         name ? name : "unnamed");
    program->device = device;
    program->timed = timed && (device->info.features & GPU_FEATURE_TIMESTAMPS);
    webgpu_copy_name(program->name, name);
    device->work_count++;
    *out = program;
    return OK;
}

/* Room for `more` items behind n. */
static enum status reserve(const gpu_program *program, void **items, size_t *capacity, size_t n,
                           size_t more, size_t item_bytes)
{
    if (n + more <= *capacity)
        return OK;
    const size_t wanted = MAX(2 * *capacity, n + more);
    void *grown = realloc(*items, wanted * item_bytes);
    if (!grown)
        return log_error(log_of(program), ERROR_MEMORY, "out of memory for program %s",
                         program->name);
    *items = grown;
    *capacity = wanted;
    return OK;
}

static enum status append(gpu_program *program, const uint32_t *words, size_t n)
{
    void *list = program->list;
    enum status status =
        reserve(program, &list, &program->list_capacity, program->n_list, n, sizeof(*words));
    program->list = list;
    if (!status) {
        memcpy(program->list + program->n_list, words, n * sizeof(*words));
        program->n_list += n;
    }
    return status;
}

static enum status append_params(gpu_program *program, const void *params, uint32_t bytes)
{
    void *block = program->params;
    enum status status = reserve(program, &block, &program->params_capacity, program->params_bytes,
                                 GPU_OFFSET_ALIGNMENT, 1);
    program->params = block;
    if (!status) {
        unsigned char *to = program->params + program->params_bytes;
        memset(to, 0, GPU_OFFSET_ALIGNMENT);
        if (bytes)
            memcpy(to, params, bytes);
        program->params_bytes += GPU_OFFSET_ALIGNMENT;
    }
    return status;
}

/* A mapped buffer is used in this range. Ranges of a buffer that touch become one. */
static enum status add_transfer(gpu_program *program, const gpu_buffer *buffer,
                                const struct gpu_extent *extent, bool writes)
{
    if (!buffer->shadow || (buffer->memory == GPU_MEMORY_READBACK) != writes)
        return OK;
    uint32_t begin = (uint32_t)extent->begin, end = (uint32_t)extent->end;
    for (size_t i = program->n_transfers; i-- > 0;) {
        const struct webgpu_transfer *t = &program->transfers[i];
        if (t->buffer != buffer->id || t->begin > end || begin > t->end)
            continue;
        begin = MIN(begin, t->begin);
        end = MAX(end, t->end);
        program->transfers[i] = program->transfers[--program->n_transfers];
    }
    void *transfers = program->transfers;
    enum status status = reserve(program, &transfers, &program->transfers_capacity,
                                 program->n_transfers, 1, sizeof(*program->transfers));
    program->transfers = transfers;
    if (!status)
        program->transfers[program->n_transfers++] = (struct webgpu_transfer){
            buffer->id, buffer->memory, begin, end, (char *)buffer->shadow + begin};
    return status;
}

/* The device's copy is not the one that counts. */
static enum status check_write(const gpu_program *program, const gpu_buffer *buffer)
{
    if (buffer->memory != GPU_MEMORY_UPLOAD)
        return OK;
    return log_error(log_of(program), ERROR_UNSUPPORTED,
                     "program %s writes buffer %s, which is the host's to write", program->name,
                     buffer->name);
}

/* A buffer that a dispatch writes may be bound once more only where that, too, is for writing, and
 * elsewhere in it. */
static enum status check_conflicts(const gpu_program *program, const gpu_pipeline *pipeline,
                                   const struct gpu_binding *bindings,
                                   const struct gpu_extent *extents)
{
    for (uint32_t i = 0; i < pipeline->n_bindings; i++)
        for (uint32_t j = 0; j < i; j++) {
            const bool writes = pipeline->written >> i & 1, wrote = pipeline->written >> j & 1;
            const gpu_buffer *buffer = bindings[i].range.buffer;
            if (bindings[i].access == GPU_UNUSED || bindings[j].access == GPU_UNUSED ||
                buffer != bindings[j].range.buffer || (!writes && !wrote))
                continue;
            if (writes && wrote &&
                (extents[i].end <= extents[j].begin || extents[j].end <= extents[i].begin))
                continue;
            return log_error(log_of(program), ERROR_UNSUPPORTED,
                             "program %s, pipeline %s: bindings %u and %u are both of buffer %s, "
                             "which the shader writes; WebGPU forbids that",
                             program->name, pipeline->name, j, i, buffer->name);
        }
    return OK;
}

static enum status append_binding(gpu_program *program, const gpu_pipeline *pipeline, uint32_t i,
                                  const struct gpu_binding *binding,
                                  const struct gpu_extent *extent)
{
    const bool writes = pipeline->written >> i & 1;
    const gpu_buffer *buffer = binding->range.buffer;
    if (binding->access == GPU_UNUSED) {
        buffer = writes ? program->device->unwritten : program->device->unread;
        const uint32_t words[] = {buffer->id, i * GPU_OFFSET_ALIGNMENT / 4,
                                  GPU_OFFSET_ALIGNMENT / 4};
        return append(program, words, COUNT_OF(words));
    }
    const uint64_t bytes = align_up(extent->end, WEBGPU_UNIT_BYTES) - extent->begin;
    const uint32_t words[] = {buffer->id, (uint32_t)(extent->begin / 4), (uint32_t)(bytes / 4)};
    enum status status = append(program, words, COUNT_OF(words));
    if (!status && writes)
        status = check_write(program, buffer);
    if (!status)
        status = add_transfer(program, buffer, extent, writes);
    return status;
}

static enum status begin_first_stage(gpu_program *program)
{
    return program->timed && program->stages.n_marks == 0 ? gpu_program_stage(program, "unnamed")
                                                          : OK;
}

static enum status record_dispatch(gpu_program *program, const gpu_pipeline *pipeline,
                                   const struct gpu_binding *bindings, const void *params,
                                   const uint32_t groups[3])
{
    struct gpu_extent extents[GPU_MAX_BINDINGS];
    struct gpu_signature signature;
    if (pipeline)
        signature =
            (struct gpu_signature){pipeline->name, pipeline->n_bindings, pipeline->params_bytes};
    enum status status =
        gpu_check_dispatch(program->device, program->name, pipeline ? &signature : NULL, bindings,
                           params, groups, extents);
    if (status || groups[0] == 0 || groups[1] == 0 || groups[2] == 0)
        return status;
    const uint32_t words[] = {WEBGPU_DISPATCH, pipeline->id, groups[0],
                              groups[1],       groups[2],    pipeline->n_bindings};
    if ((status = check_conflicts(program, pipeline, bindings, extents)) ||
        (status = begin_first_stage(program)) || (status = append(program, words, COUNT_OF(words))))
        return status;
    for (uint32_t i = 0; !status && i < pipeline->n_bindings; i++)
        status = append_binding(program, pipeline, i, &bindings[i], &extents[i]);
    if (!status)
        status = append_params(program, params, pipeline->params_bytes);
    program->counts.dispatches++;
    return status;
}

enum status gpu_program_dispatch(gpu_program *program, const gpu_pipeline *pipeline,
                                 const struct gpu_binding *bindings, const void *params,
                                 const uint32_t groups[3])
{
    enum status status = check(program);
    if (!status)
        status = program->failed = record_dispatch(program, pipeline, bindings, params, groups);
    return status;
}

static enum status record_copy(gpu_program *program, const struct gpu_range *from,
                               const struct gpu_range *to)
{
    struct gpu_extent extents[2];
    enum status status = gpu_check_copy(log_of(program), program->name, from, to, extents);
    if (status)
        return status;
    if (from->buffer == to->buffer)
        return log_error(log_of(program), ERROR_UNSUPPORTED,
                         "program %s: copy within buffer %s; WebGPU forbids that", program->name,
                         from->buffer->name);
    const uint32_t words[] = {WEBGPU_COPY,
                              from->buffer->id,
                              (uint32_t)(extents[0].begin / 4),
                              to->buffer->id,
                              (uint32_t)(extents[1].begin / 4),
                              (uint32_t)((extents[0].end - extents[0].begin) / 4)};
    if ((status = check_write(program, to->buffer)) || (status = begin_first_stage(program)) ||
        (status = append(program, words, COUNT_OF(words))) ||
        (status = add_transfer(program, from->buffer, &extents[0], false)) ||
        (status = add_transfer(program, to->buffer, &extents[1], true)))
        return status;
    program->counts.copies++;
    return OK;
}

enum status gpu_program_copy(gpu_program *program, const struct gpu_range *from,
                             const struct gpu_range *to)
{
    enum status status = check(program);
    if (!status)
        status = program->failed = record_copy(program, from, to);
    return status;
}

static enum status record_stage(gpu_program *program, const char *name)
{
    static const uint32_t mark = WEBGPU_MARK;
    bool marked;
    enum status status = gpu_stages_begin(&program->stages, log_of(program), program->name, name,
                                          &program->counts, &marked);
    return !status && marked && program->timed ? append(program, &mark, 1) : status;
}

enum status gpu_program_stage(gpu_program *program, const char *name)
{
    enum status status = check(program);
    if (!status)
        status = program->failed = record_stage(program, name);
    return status;
}

static void free_recording(gpu_program *program)
{
    free(program->list);
    free(program->params);
    free(program->transfers);
    program->list = NULL;
    program->params = NULL;
    program->transfers = NULL;
}

enum status gpu_program_end(gpu_program *program)
{
    enum status status = check(program);
    if (status)
        return status;
    gpu_stages_count(&program->stages, &program->counts);
    const struct webgpu_program_info info = {
        .name = program->name,
        .name_bytes = (uint32_t)strlen(program->name),
        .list = program->list,
        .n_list = (uint32_t)program->n_list,
        .params = program->params,
        .params_bytes = (uint32_t)program->params_bytes,
        .transfers = program->transfers,
        .n_transfers = (uint32_t)program->n_transfers,
        .n_marks = program->timed ? program->stages.n_marks : 0,
    };
    program->id = webgpu_program_create(&info);
    free_recording(program);
    program->ended = true;
    program->device->work_count++;
    return program->failed = webgpu_check(program->device);
}

void gpu_program_destroy(gpu_device *device, gpu_program **handle)
{
    (void)device;
    gpu_program *program = handle ? *handle : NULL;
    if (!program)
        return;
    *handle = NULL;
    if (program->id)
        webgpu_program_destroy(program->id);
    free_recording(program);
    free(program);
}

struct gpu_program_counts gpu_program_get_counts(const gpu_program *program)
{
    return program->counts;
}

struct gpu_program_counts gpu_program_stage_counts(const gpu_program *program, uint32_t stage)
{
    return stage < program->stages.n_stages ? program->stages.counts[stage]
                                            : (struct gpu_program_counts){0};
}
