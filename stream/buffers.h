/* SPDX-License-Identifier: MIT
 *
 * The model's state and activations: asked for by the model files, created together once their sum
 * is known to fit, destroyed together.
 */
#ifndef STAPES_STREAM_BUFFERS_H
#define STAPES_STREAM_BUFFERS_H

#include "runtime/gpu.h"

#define BUFFERS_MAX 512

struct buffers {
    uint32_t count;
    uint64_t bytes;
    struct buffer_want {
        struct gpu_range *out;
        const char *name;
        uint64_t bytes;
        enum gpu_memory memory;
    } wants[BUFFERS_MAX];
    gpu_buffer *made[BUFFERS_MAX];
};

/* *out (stable until buffers_create) becomes the whole of a zeroed buffer of `words` words. */
void buffers_want(struct buffers *buffers, struct gpu_range *out, const char *name, uint64_t words);
void buffers_want_mapped(struct buffers *buffers, struct gpu_range *out, const char *name,
                         uint64_t words, enum gpu_memory memory);
/* Whether all of them fit beside the weights, and each in a binding: ERROR_DEVICE_MEMORY if not, with
 * the number of slots that would. */
enum status buffers_check(const struct buffers *buffers, gpu_device *device, const char *model,
                          uint64_t weight_bytes, uint32_t slots);
enum status buffers_create(struct buffers *buffers, gpu_device *device);
void buffers_destroy(struct buffers *buffers, gpu_device *device);

#endif
