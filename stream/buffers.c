/* SPDX-License-Identifier: MIT */
#include "stream/buffers.h"

#include <assert.h>

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

enum status buffers_create(struct buffers *b, gpu_device *device)
{
    const uint64_t limit = gpu_device_get_info(device)->max_binding_bytes;
    for (uint32_t i = 0; i < b->count; i++) {
        const struct buffer_want *w = &b->wants[i];
        if (w->bytes > limit)
            return log_error(
                gpu_device_log(device), ERROR_DEVICE_MEMORY,
                "the buffer of the %s takes %llu bytes, this device binds at most %llu: "
                "fewer slots or a smaller context would fit",
                w->name, (unsigned long long)w->bytes, (unsigned long long)limit);
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
