/* SPDX-License-Identifier: MIT
 *
 * Safetensors headers, read and checked.
 */
#ifndef STAPES_LOADER_SAFETENSORS_H
#define STAPES_LOADER_SAFETENSORS_H

#include "loader/file.h"
#include "loader/tensor.h"

/* The tensors of `file`, in the header's order, offsets from the start of the file, file 0.
 * Refused: whatever the format forbids (offsets out of the file, overlaps, holes, lengths that
 * contradict the shape, duplicate names), names longer than TENSOR_MAX_NAME - 1, more than
 * TENSOR_MAX_DIMS dimensions other than 1. A scalar has dims {1}; a type that GGUF does not know
 * has a number of its own, or UINT32_MAX. *out is the caller's to free. */
enum status safetensors_read(const struct log *log, const struct file *file, struct tensor **out,
                             uint32_t *count);

#endif
