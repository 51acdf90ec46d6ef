/* SPDX-License-Identifier: MIT */
#include "runtime/checks.h"

#include <stdio.h>

#define WHY_BYTES 128

enum status gpu_check_buffer(const struct log *log, const struct gpu_buffer_params *params,
                             gpu_buffer *const *out)
{
    if (!params || !out)
        return log_error(log, ERROR_ARGUMENT, "gpu_buffer_create: missing argument");
    const char *name = params->name ? params->name : "unnamed";
    if (params->size_bytes == 0)
        return log_error(log, ERROR_ARGUMENT, "buffer %s has no size", name);
    if (params->memory < GPU_MEMORY_DEVICE || params->memory > GPU_MEMORY_READBACK)
        return log_error(log, ERROR_ARGUMENT, "buffer %s: memory kind %d", name,
                         (int)params->memory);
    /* Vulkan says nothing of what is legal here; drivers misbehave near the end of the range. */
    if (params->size_bytes > 1ull << 48)
        return log_error(log, ERROR_DEVICE_MEMORY,
                         "buffer %s: %llu bytes are more than any device has", name,
                         (unsigned long long)params->size_bytes);
    return OK;
}

enum status gpu_check_transfer(const struct log *log, const gpu_buffer *buffer, uint64_t offset,
                               const void *data, uint64_t bytes, const char *what)
{
    if (!buffer || (!data && bytes))
        return log_error(log, ERROR_ARGUMENT, "%s: missing argument", what);
    const uint64_t size = gpu_buffer_size(buffer);
    if (offset > size || bytes > size - offset)
        return log_error(log, ERROR_ARGUMENT,
                         "%s: %llu bytes at %llu are outside of buffer %s, which has %llu", what,
                         (unsigned long long)bytes, (unsigned long long)offset,
                         gpu_buffer_name(buffer), (unsigned long long)size);
    return OK;
}

/* Resolves a range's size; false with why written if it is not legal. */
static bool resolve(const struct gpu_range *range, uint32_t alignment, uint64_t max_bytes,
                    struct gpu_extent *extent, char why[WHY_BYTES])
{
    const uint64_t offset = range->offset;
    if (!range->buffer) {
        snprintf(why, WHY_BYTES, "no buffer");
        return false;
    }
    const uint64_t size = gpu_buffer_size(range->buffer);
    const uint64_t bytes = range->size ? range->size : size - MIN(offset, size);
    if (offset >= size || bytes > size - offset)
        snprintf(why, WHY_BYTES, "%llu bytes at %llu are outside of the buffer, which has %llu",
                 (unsigned long long)bytes, (unsigned long long)offset, (unsigned long long)size);
    else if (offset % alignment)
        snprintf(why, WHY_BYTES, "offset %llu is not a multiple of %u", (unsigned long long)offset,
                 alignment);
    else if (bytes % 4)
        snprintf(why, WHY_BYTES, "size %llu is not a multiple of 4", (unsigned long long)bytes);
    else if (bytes > max_bytes)
        snprintf(why, WHY_BYTES, "%llu bytes; the device allows %llu a binding",
                 (unsigned long long)bytes, (unsigned long long)max_bytes);
    else {
        *extent = (struct gpu_extent){offset, offset + bytes};
        return true;
    }
    return false;
}

static const char *name_of(const gpu_buffer *buffer)
{
    return buffer ? gpu_buffer_name(buffer) : "NULL";
}

enum status gpu_check_dispatch(const gpu_device *device, const char *program,
                               const struct gpu_signature *pipeline,
                               const struct gpu_binding *bindings, const void *params,
                               const uint32_t groups[3], struct gpu_extent *extents)
{
    const struct log *log = gpu_device_log(device);
    const uint64_t max_bytes = gpu_device_get_info(device)->max_binding_bytes;
    char why[WHY_BYTES];
    if (!pipeline || !groups || (pipeline->n_bindings && !bindings) ||
        (pipeline->params_bytes && !params))
        return log_error(log, ERROR_ARGUMENT, "program %s, pipeline %s: missing argument", program,
                         pipeline ? pipeline->name : "NULL");
    for (uint32_t i = 0; i < pipeline->n_bindings; i++) {
        const struct gpu_binding *binding = &bindings[i];
        if (binding->access < GPU_READ || binding->access > GPU_UNUSED)
            return log_error(log, ERROR_ARGUMENT, "program %s, pipeline %s, binding %u: access %d",
                             program, pipeline->name, i, (int)binding->access);
        if (!resolve(&binding->range, GPU_OFFSET_ALIGNMENT, max_bytes, &extents[i], why))
            return log_error(log, ERROR_ARGUMENT,
                             "program %s, pipeline %s, binding %u (buffer %s): %s", program,
                             pipeline->name, i, name_of(binding->range.buffer), why);
    }
    for (int i = 0; i < 3; i++)
        if (groups[i] > GPU_MAX_GROUPS)
            return log_error(log, ERROR_ARGUMENT,
                             "program %s, pipeline %s: %u workgroups in dimension %d; at most %d "
                             "are allowed",
                             program, pipeline->name, groups[i], i, GPU_MAX_GROUPS);
    return OK;
}

enum status gpu_check_copy(const struct log *log, const char *program, const struct gpu_range *from,
                           const struct gpu_range *to, struct gpu_extent extents[2])
{
    struct gpu_extent *read = &extents[0], *write = &extents[1];
    char why[WHY_BYTES];
    if (!from || !to)
        return log_error(log, ERROR_ARGUMENT, "program %s: a copy without a range", program);
    struct gpu_range sized_from = *from, sized_to = *to;
    if (from->size == 0)
        sized_from.size = to->size;
    if (!resolve(&sized_from, 4, UINT64_MAX, read, why))
        return log_error(log, ERROR_ARGUMENT, "program %s: copy from buffer %s: %s", program,
                         name_of(from->buffer), why);
    const uint64_t bytes = read->end - read->begin;
    if (to->size == 0)
        sized_to.size = bytes;
    if (!resolve(&sized_to, 4, UINT64_MAX, write, why))
        return log_error(log, ERROR_ARGUMENT, "program %s: copy to buffer %s: %s", program,
                         name_of(to->buffer), why);
    if (write->end - write->begin != bytes)
        return log_error(log, ERROR_ARGUMENT,
                         "program %s: copy of %llu bytes of buffer %s to %llu of %s", program,
                         (unsigned long long)bytes, name_of(from->buffer),
                         (unsigned long long)(write->end - write->begin), name_of(to->buffer));
    if (from->buffer == to->buffer && read->begin < write->end && write->begin < read->end)
        return log_error(log, ERROR_ARGUMENT, "program %s: copy within buffer %s overlaps itself",
                         program, name_of(from->buffer));
    return OK;
}
