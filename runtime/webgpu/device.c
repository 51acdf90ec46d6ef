/* SPDX-License-Identifier: MIT
 *
 * The one device there is: what gpu.js was given before the module was started.
 */
#include "runtime/webgpu/webgpu.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void webgpu_copy_name(char name[WEBGPU_NAME_BYTES], const char *from)
{
    snprintf(name, WEBGPU_NAME_BYTES, "%s", from ? from : "unnamed");
}

enum status webgpu_check(gpu_device *device)
{
    char text[900];
    if (device->failed)
        return device->failed;
    const enum status status = (enum status)webgpu_failure(text, sizeof(text));
    if (!status)
        return OK;
    device->failed = status;
    return log_error(&device->log, status, "%s: %s", device->info.name, text);
}

static void describe(struct gpu_device_info *out, uint64_t *max_buffer_bytes)
{
    struct webgpu_info info = {0};
    webgpu_describe(&info);
    *out = (struct gpu_device_info){
        .type = (enum gpu_device_type)info.type,
        .features = info.features,
        .max_binding_bytes = (uint64_t)MIN(info.max_binding_bytes, info.max_buffer_bytes) /
                             WEBGPU_UNIT_BYTES * WEBGPU_UNIT_BYTES,
        .max_invocations = info.max_invocations,
        .max_shared_bytes = info.max_shared_bytes,
        .subgroup_size = info.subgroup_size,
        .timestamp_ns = info.features & GPU_FEATURE_TIMESTAMPS ? 1 : 0,
    };
    memcpy(out->name, info.name, sizeof(out->name));
    memcpy(out->driver, info.driver, sizeof(out->driver));
    *max_buffer_bytes = (uint64_t)info.max_buffer_bytes;
    /* WebGPU does not say how much memory there is. */
    out->memory_bytes = out->free_memory_bytes = UINT64_MAX;
}

enum status gpu_enumerate(const struct log *log, struct gpu_device_info *infos, uint32_t *count)
{
    uint64_t max_buffer_bytes;
    if (!count || (!infos && *count > 0))
        return log_error(log, ERROR_ARGUMENT, "gpu_enumerate: no place for the answer");
    if (*count > 0)
        describe(&infos[0], &max_buffer_bytes);
    *count = 1;
    return OK;
}

static enum status make_stand_ins(gpu_device *device)
{
    const uint64_t bytes = (uint64_t)GPU_PLAIN_BINDINGS * GPU_OFFSET_ALIGNMENT;
    const struct gpu_buffer_params unread = {.name = "not read", .size_bytes = bytes};
    const struct gpu_buffer_params unwritten = {.name = "not written", .size_bytes = bytes};
    enum status status = gpu_buffer_create(device, &unread, &device->unread);
    return status ? status : gpu_buffer_create(device, &unwritten, &device->unwritten);
}

enum status gpu_device_create(const struct gpu_device_params *params, gpu_device **out)
{
    if (!params || !out)
        return ERROR_ARGUMENT;
    if (params->device)
        return log_error(&params->log, ERROR_ARGUMENT,
                         "device \"%s\" cannot be chosen here: the page asked for one",
                         params->device);
    gpu_device *device = calloc(1, sizeof(*device));
    if (!device)
        return log_error(&params->log, ERROR_MEMORY, "out of memory for a device");
    device->log = params->log;
    device->limit_bytes = params->memory_limit_bytes;
    describe(&device->info, &device->max_buffer_bytes);
    enum status status = webgpu_check(device);
    if (!status)
        status = make_stand_ins(device);
    if (status) {
        gpu_device_destroy(&device);
        return status;
    }
    log_write(&device->log, LOG_DEBUG, "device: %s (%s)", device->info.name, device->info.driver);
    *out = device;
    return OK;
}

void gpu_device_destroy(gpu_device **handle)
{
    gpu_device *device = handle ? *handle : NULL;
    if (!device)
        return;
    *handle = NULL;
    gpu_buffer_destroy(device, &device->unread);
    gpu_buffer_destroy(device, &device->unwritten);
    free(device);
}

const struct gpu_device_info *gpu_device_get_info(const gpu_device *device)
{
    return &device->info;
}

const struct log *gpu_device_log(const gpu_device *device)
{
    return &device->log;
}

uint32_t gpu_device_validation_messages(const gpu_device *device)
{
    return device->failed ? 1 : 0; /* WebGPU always validates, and one message fails the device */
}

uint64_t gpu_device_work_count(const gpu_device *device)
{
    return device->work_count;
}

void gpu_device_memory(const gpu_device *device, uint64_t *now_bytes, uint64_t *peak_bytes)
{
    if (now_bytes)
        *now_bytes = device->now_bytes;
    if (peak_bytes)
        *peak_bytes = device->peak_bytes;
}

uint64_t gpu_device_memory_left(const gpu_device *device)
{
    if (device->limit_bytes == 0)
        return UINT64_MAX;
    return device->limit_bytes - MIN(device->limit_bytes, device->now_bytes);
}

/* A browser keeps compiled shaders by itself, and there is no directory. */
bool gpu_cache_read(gpu_device *device, const char *kind, void **data, size_t *bytes)
{
    (void)device, (void)kind, (void)data, (void)bytes;
    return false;
}

void gpu_cache_write(gpu_device *device, const char *kind, const void *data, size_t bytes)
{
    (void)device, (void)kind, (void)data, (void)bytes;
}
