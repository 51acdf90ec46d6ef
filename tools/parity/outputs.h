/* SPDX-License-Identifier: MIT
 *
 * Files of what the cases of kernels wrote (docs/benchmarks.md), and how two of them differ.
 */
#ifndef STAPES_TOOLS_PARITY_OUTPUTS_H
#define STAPES_TOOLS_PARITY_OUTPUTS_H

#include "runtime/base.h"

/* What a case of a row wrote to a binding. */
struct outputs_record {
    const char *row; /* ends with a NUL */
    uint32_t index, binding;
    char element;         /* f floats, u integers, w packed words */
    const uint8_t *words; /* [n_words], little endian */
    uint32_t n_words;
};

struct outputs {
    void *map;
    size_t bytes;
    struct outputs_record *records; /* [n], by row, case and binding */
    size_t n;
    const char *path; /* the caller's, for messages */
};

/* A file that breaks off, or has a record twice, is ERROR_FORMAT. On error *out is closed. */
enum status outputs_open(const struct log *log, const char *path, struct outputs *out);
void outputs_close(struct outputs *outputs);

struct outputs_difference {
    double largest;         /* of floats; infinite where only one of two is a number */
    uint64_t floats;        /* how many were compared */
    uint64_t others;        /* words that hold something else */
    uint64_t others_differ; /* of these */
};

/* All records of a row, or those that b has of it if `part`. ERROR_FORMAT: one is missing, or not
 * as long or of another element. */
enum status outputs_compare(const struct log *log, const struct outputs *a, const struct outputs *b,
                            const char *row, bool part, struct outputs_difference *out);

#endif
