/* SPDX-License-Identifier: MIT
 *
 * Whether two models are the same, without reading gigabytes.
 */
#ifndef STAPES_TOOLS_FINGERPRINT_H
#define STAPES_TOOLS_FINGERPRINT_H

#include "loader/tensor.h"

/* 64 bits of the tensors' names, types and shapes and of some of each one's data: its ends and a
 * few places between. Of any model file or directory that the loader opens, and what is beside it
 * (NULL: nothing). */
enum status fingerprint_model(const struct log *log, const char *path,
                              const struct source_beside *beside, uint64_t *out);

#endif
