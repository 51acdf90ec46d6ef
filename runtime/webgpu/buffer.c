/* SPDX-License-Identifier: MIT
 *
 * Buffers. A mapped one has a shadow in the module's memory: a submit writes what its program reads
 * of it before, and what its program writes of it is copied there after.
 */
#include "runtime/webgpu/webgpu.h"

#include <stdlib.h>
#include <string.h>

static enum status check_size(const gpu_device *device, const gpu_buffer *buffer)
{
    const uint64_t bytes = buffer->allocated_bytes;
    if (bytes > device->max_buffer_bytes)
        return log_error(&device->log, ERROR_DEVICE_MEMORY,
                         "buffer %s: %llu bytes; %s allows %llu a buffer", buffer->name,
                         (unsigned long long)bytes, device->info.name,
                         (unsigned long long)device->max_buffer_bytes);
    if (bytes > gpu_device_memory_left(device))
        return log_error(&device->log, ERROR_DEVICE_MEMORY,
                         "buffer %s: %llu bytes; the limit of %llu bytes leaves %llu", buffer->name,
                         (unsigned long long)bytes, (unsigned long long)device->limit_bytes,
                         (unsigned long long)gpu_device_memory_left(device));
    return OK;
}

static enum status create(gpu_device *device, gpu_buffer *buffer)
{
    enum status status = check_size(device, buffer);
    if (status)
        return status;
    if (buffer->memory != GPU_MEMORY_DEVICE &&
        (buffer->allocated_bytes > SIZE_MAX ||
         !(buffer->shadow = calloc(1, (size_t)buffer->allocated_bytes))))
        return log_error(&device->log, ERROR_MEMORY, "out of memory for buffer %s", buffer->name);
    buffer->id = webgpu_buffer_create((double)buffer->allocated_bytes, buffer->name,
                                      (uint32_t)strlen(buffer->name));
    if ((status = webgpu_check(device)))
        return status;
    device->work_count++;
    device->now_bytes += buffer->allocated_bytes;
    device->peak_bytes = MAX(device->peak_bytes, device->now_bytes);
    return OK;
}

enum status gpu_buffer_create(gpu_device *device, const struct gpu_buffer_params *params,
                              gpu_buffer **out)
{
    if (!device)
        return ERROR_ARGUMENT;
    enum status status = gpu_check_buffer(&device->log, params, out);
    if (status || (status = webgpu_check(device)))
        return status;
    gpu_buffer *buffer = calloc(1, sizeof(*buffer));
    if (!buffer)
        return log_error(&device->log, ERROR_MEMORY, "out of memory for buffer %s",
                         params->name ? params->name : "unnamed");
    webgpu_copy_name(buffer->name, params->name);
    buffer->memory = params->memory;
    buffer->size = align_up(params->size_bytes, 4);
    buffer->allocated_bytes = align_up(buffer->size, WEBGPU_UNIT_BYTES);
    /* WebGPU fills what it makes with zeros. */
    if ((status = create(device, buffer))) {
        free(buffer->shadow);
        free(buffer);
        return status;
    }
    *out = buffer;
    return OK;
}

void gpu_buffer_destroy(gpu_device *device, gpu_buffer **handle)
{
    gpu_buffer *buffer = handle ? *handle : NULL;
    if (!buffer)
        return;
    *handle = NULL;
    webgpu_buffer_destroy(buffer->id);
    device->now_bytes -= buffer->allocated_bytes;
    free(buffer->shadow);
    free(buffer);
}

uint64_t gpu_buffer_size(const gpu_buffer *buffer)
{
    return buffer->size;
}

const char *gpu_buffer_name(const gpu_buffer *buffer)
{
    return buffer->name;
}

void *gpu_buffer_map(gpu_buffer *buffer)
{
    return buffer->shadow;
}

enum status gpu_buffer_write(gpu_device *device, gpu_buffer *buffer, uint64_t offset,
                             const void *data, uint64_t bytes)
{
    if (!device)
        return ERROR_ARGUMENT;
    enum status status =
        gpu_check_transfer(&device->log, buffer, offset, data, bytes, "gpu_buffer_write");
    if (status || (status = webgpu_check(device)))
        return status;
    if (offset % 4 || bytes % 4)
        return log_error(&device->log, ERROR_ARGUMENT,
                         "gpu_buffer_write: %llu bytes at %llu of buffer %s: WebGPU writes words",
                         (unsigned long long)bytes, (unsigned long long)offset, buffer->name);
    if (buffer->shadow)
        memcpy((char *)buffer->shadow + offset, data, (size_t)bytes);
    if (bytes)
        webgpu_buffer_write(buffer->id, (double)offset, data, (uint32_t)bytes);
    return webgpu_check(device);
}

enum status gpu_buffer_read(gpu_device *device, gpu_buffer *buffer, uint64_t offset, void *data,
                            uint64_t bytes)
{
    if (!device)
        return ERROR_ARGUMENT;
    enum status status =
        gpu_check_transfer(&device->log, buffer, offset, data, bytes, "gpu_buffer_read");
    if (status)
        return status;
    if (!buffer->shadow)
        return log_error(
            &device->log, ERROR_UNSUPPORTED,
            "gpu_buffer_read: buffer %s is not mapped, and WebGPU cannot wait for a copy",
            buffer->name);
    status = gpu_wait(device, device->last_ticket, UINT64_MAX);
    if (!status)
        memcpy(data, (const char *)buffer->shadow + offset, (size_t)bytes);
    return status;
}
