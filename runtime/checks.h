/* SPDX-License-Identifier: MIT
 *
 * What both bodies of gpu.h refuse, with the same words. Each function logs what is wrong.
 */
#ifndef STAPES_RUNTIME_CHECKS_H
#define STAPES_RUNTIME_CHECKS_H

#include "runtime/gpu.h"

/* Each body says how its buffers are called. */
const char *gpu_buffer_name(const gpu_buffer *buffer);

/* A range with its size resolved: bytes begin .. end - 1 of its buffer. */
struct gpu_extent {
    uint64_t begin, end;
};

enum status gpu_check_buffer(const struct log *log, const struct gpu_buffer_params *params,
                             gpu_buffer *const *out);
/* Of gpu_buffer_read and gpu_buffer_write, which is `what`. */
enum status gpu_check_transfer(const struct log *log, const gpu_buffer *buffer, uint64_t offset,
                               const void *data, uint64_t bytes, const char *what);

/* What a dispatch needs to know of its pipeline. */
struct gpu_signature {
    const char *name;
    uint32_t n_bindings, params_bytes;
};

/* extents: one a binding. pipeline may be NULL: that is refused, too. */
enum status gpu_check_dispatch(const gpu_device *device, const char *program,
                               const struct gpu_signature *pipeline,
                               const struct gpu_binding *bindings, const void *params,
                               const uint32_t groups[3], struct gpu_extent *extents);
/* extents: of what is read, then of what is written, of the same size. */
enum status gpu_check_copy(const struct log *log, const char *program, const struct gpu_range *from,
                           const struct gpu_range *to, struct gpu_extent extents[2]);

#endif
