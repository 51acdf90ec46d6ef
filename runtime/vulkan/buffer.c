/* SPDX-License-Identifier: MIT */
#include "runtime/vulkan/vk.h"

#include <stdlib.h>
#include <string.h>

#define STAGING_BYTES (1ull << 20)

static enum status fill_zero(gpu_device *device, gpu_buffer *buffer)
{
    VkCommandBuffer commands;
    if (buffer->map) {
        memset(buffer->map, 0, buffer->size);
        return OK;
    }
    enum status status = vk_once_begin(device, &commands);
    if (status)
        return status;
    device->vk.vkCmdFillBuffer(commands, buffer->handle, 0, VK_WHOLE_SIZE, 0);
    return vk_once_run(device);
}

static enum status create(gpu_device *device, const struct gpu_buffer_params *params, bool counted,
                          gpu_buffer **out)
{
    VkMemoryRequirements needs;
    gpu_buffer *buffer = calloc(1, sizeof(*buffer));
    if (!buffer)
        return log_error(&device->log, ERROR_MEMORY, "out of memory for buffer %s", params->name);
    vk_copy_name(buffer->name, params->name);
    buffer->memory = params->memory;
    buffer->size = align_up(params->size_bytes, 4);

    const VkBufferCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
        .size = align_up(buffer->size, VK_TEXEL_BYTES), /* a view may end behind the last word */
        .usage = VK_BUFFER_USAGE_STORAGE_BUFFER_BIT | VK_BUFFER_USAGE_UNIFORM_TEXEL_BUFFER_BIT |
                 VK_BUFFER_USAGE_TRANSFER_SRC_BIT | VK_BUFFER_USAGE_TRANSFER_DST_BIT,
        .sharingMode = VK_SHARING_MODE_EXCLUSIVE,
    };
    enum status status =
        vk_check(device, device->vk.vkCreateBuffer(device->handle, &info, NULL, &buffer->handle),
                 "vkCreateBuffer", buffer->name);
    if (status)
        goto fail;
    device->work_count++;
    vk_set_name(device, VK_OBJECT_TYPE_BUFFER, (uint64_t)buffer->handle, buffer->name);
    device->vk.vkGetBufferMemoryRequirements(device->handle, buffer->handle, &needs);
    status = vk_arena_place(device, buffer, &needs, counted);
    if (status)
        goto fail;
    VkResult result = device->vk.vkBindBufferMemory(device->handle, buffer->handle,
                                                    buffer->chunk->memory, buffer->chunk_offset);
    status = vk_check(device, result, "vkBindBufferMemory", buffer->name);
    if (!status && params->zero)
        status = fill_zero(device, buffer);
    if (status)
        goto fail;
    *out = buffer;
    return OK;
fail:
    gpu_buffer_destroy(device, &buffer);
    return status;
}

enum status gpu_buffer_create(gpu_device *device, const struct gpu_buffer_params *params,
                              gpu_buffer **out)
{
    if (!device)
        return ERROR_ARGUMENT;
    enum status status = gpu_check_buffer(&device->log, params, out);
    if (status)
        return status;
    if (device->lost)
        return ERROR_DEVICE;
    return create(device, params, true, out);
}

void gpu_buffer_destroy(gpu_device *device, gpu_buffer **handle)
{
    gpu_buffer *buffer = handle ? *handle : NULL;
    if (!buffer)
        return;
    *handle = NULL;
    vk_wait_quietly(device, device->last_ticket);
    device->vk.vkDestroyBuffer(device->handle, buffer->handle, NULL);
    vk_arena_release(device, buffer);
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
    return buffer->map;
}

static enum status get_staging(gpu_device *device, enum gpu_memory kind, gpu_buffer **out)
{
    const struct gpu_buffer_params params = {
        .name = kind == GPU_MEMORY_UPLOAD ? "staging upload" : "staging readback",
        .size_bytes = STAGING_BYTES,
        .memory = kind,
    };
    enum status status = OK;
    if (!device->staging[kind])
        status = create(device, &params, false, &device->staging[kind]);
    *out = device->staging[kind];
    return status;
}

static enum status copy(gpu_device *device, VkBuffer from, uint64_t from_offset, VkBuffer to,
                        uint64_t to_offset, uint64_t bytes)
{
    VkCommandBuffer commands;
    const VkBufferCopy region = {.srcOffset = from_offset, .dstOffset = to_offset, .size = bytes};
    enum status status = vk_once_begin(device, &commands);
    if (status)
        return status;
    device->vk.vkCmdCopyBuffer(commands, from, to, 1, &region);
    return vk_once_run(device);
}

enum status gpu_buffer_write(gpu_device *device, gpu_buffer *buffer, uint64_t offset,
                             const void *data, uint64_t bytes)
{
    gpu_buffer *staging;
    if (!device)
        return ERROR_ARGUMENT;
    enum status status =
        gpu_check_transfer(&device->log, buffer, offset, data, bytes, "gpu_buffer_write");
    if (status || bytes == 0)
        return status;
    if (buffer->map) {
        status = gpu_wait(device, device->last_ticket, UINT64_MAX);
        if (!status)
            memcpy((char *)buffer->map + offset, data, bytes);
        return status;
    }
    status = get_staging(device, GPU_MEMORY_UPLOAD, &staging);
    for (uint64_t done = 0; !status && done < bytes; done += STAGING_BYTES) {
        uint64_t part = MIN(bytes - done, STAGING_BYTES);
        memcpy(staging->map, (const char *)data + done, part);
        status = copy(device, staging->handle, 0, buffer->handle, offset + done, part);
    }
    return status;
}

enum status gpu_buffer_read(gpu_device *device, gpu_buffer *buffer, uint64_t offset, void *data,
                            uint64_t bytes)
{
    gpu_buffer *staging;
    if (!device)
        return ERROR_ARGUMENT;
    enum status status =
        gpu_check_transfer(&device->log, buffer, offset, data, bytes, "gpu_buffer_read");
    if (status || bytes == 0)
        return status;
    if (buffer->map) {
        status = gpu_wait(device, device->last_ticket, UINT64_MAX);
        if (!status)
            memcpy(data, (const char *)buffer->map + offset, bytes);
        return status;
    }
    status = get_staging(device, GPU_MEMORY_READBACK, &staging);
    for (uint64_t done = 0; !status && done < bytes; done += STAGING_BYTES) {
        uint64_t part = MIN(bytes - done, STAGING_BYTES);
        status = copy(device, buffer->handle, offset + done, staging->handle, 0, part);
        if (!status)
            memcpy((char *)data + done, staging->map, part);
    }
    return status;
}
