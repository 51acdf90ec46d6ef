/* SPDX-License-Identifier: MIT */
#include "stream/buffers.h"

#include <assert.h>
#include <stdio.h>

void buffers_want_mapped(struct buffers *b, struct gpu_range *out, const char *name, uint64_t words,
                         enum gpu_memory memory)
{
    assert(b->count < BUFFERS_MAX);
    b->wants[b->count++] = (struct buffer_want){out, name, words * 4, memory};
    b->bytes += words * 4;
}

void buffers_want(struct buffers *b, struct gpu_range *out, const char *name, uint64_t words)
{
    buffers_want_mapped(b, out, name, words, GPU_MEMORY_DEVICE);
}

/* Nearly all grow with the slots; what does not is a few hundred bytes. */
static uint64_t slots_within(uint64_t room, uint64_t bytes, uint32_t slots)
{
    return bytes ? room * slots / bytes : slots;
}

static uint64_t slots_that_fit(const struct buffers *b, uint64_t binding, uint64_t room,
                               uint32_t slots)
{
    uint64_t fit = slots_within(room, b->bytes, slots);
    for (uint32_t i = 0; i < b->count; i++)
        fit = MIN(fit, slots_within(binding, b->wants[i].bytes, slots));
    return fit;
}

enum status buffers_check(const struct buffers *b, gpu_device *device, const char *model,
                          uint64_t weight_bytes, uint32_t slots)
{
    const struct gpu_device_info *info = gpu_device_get_info(device);
    const uint64_t left = gpu_device_memory_left(device), binding = info->max_binding_bytes;
    const uint64_t room = left > weight_bytes ? left - weight_bytes : 0;
    const uint64_t fit = slots_that_fit(b, binding, room, slots);
    char advice[64] = "not even one slot fits";
    if (fit)
        snprintf(advice, sizeof(advice), "%llu slot%s", (unsigned long long)fit,
                 fit == 1 ? " fits" : "s fit");
    if (b->bytes > room)
        return log_error(gpu_device_log(device), ERROR_DEVICE_MEMORY,
                         "%s with %u slot%s needs %.1f MB of device memory (%.1f MB weights, %.1f "
                         "MB state); %.1f MB are allowed or left on %s: %s",
                         model, slots, slots == 1 ? "" : "s", (weight_bytes + b->bytes) / 1e6,
                         weight_bytes / 1e6, b->bytes / 1e6, left / 1e6, info->name, advice);
    for (uint32_t i = 0; i < b->count; i++)
        if (b->wants[i].bytes > binding)
            return log_error(gpu_device_log(device), ERROR_DEVICE_MEMORY,
                             "%s with %u slot%s: the buffer of the %s takes %.1f MB, and %s binds "
                             "at most %.1f MB: %s",
                             model, slots, slots == 1 ? "" : "s", b->wants[i].name,
                             b->wants[i].bytes / 1e6, info->name, binding / 1e6, advice);
    return OK;
}

enum status buffers_create(struct buffers *b, gpu_device *device)
{
    for (uint32_t i = 0; i < b->count; i++) {
        const struct buffer_want *w = &b->wants[i];
        const struct gpu_buffer_params params = {
            .name = w->name, .size_bytes = w->bytes, .memory = w->memory, .zero = true};
        const enum status status = gpu_buffer_create(device, &params, &b->made[i]);
        if (status)
            return status;
        *w->out = (struct gpu_range){.buffer = b->made[i], .size = w->bytes};
    }
    return OK;
}

void buffers_destroy(struct buffers *b, gpu_device *device)
{
    for (uint32_t i = b->count; i-- > 0;)
        gpu_buffer_destroy(device, &b->made[i]);
    b->count = 0;
}
