/* SPDX-License-Identifier: MIT
 *
 * NumPy's .npy files: C order, little endian, int32, int64 or float32; written as version 1.0.
 * https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
 */
#ifndef STAPES_TOOLS_NPY_H
#define STAPES_TOOLS_NPY_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define NPY_MAX_DIMS 4
#define NPY_MESSAGE_SIZE 512

enum npy_type { NPY_F32, NPY_I32, NPY_I64 };

struct npy {
    FILE *file;
    enum npy_type type;
    uint32_t n_dims;
    uint64_t dims[NPY_MAX_DIMS];
    uint64_t elements;
    uint64_t position; /* in elements */
};

/* Everything returns 0, or -1 with the reason (file name included) in `message`, which has
 * NPY_MESSAGE_SIZE bytes. */

/* Checks the header against the file's real length. */
int npy_open(struct npy *npy, const char *path, char *message);
/* The next n elements. Integers that do not fit, and a float file read as integers or the other way
 * round, are errors. */
int npy_read_i32(struct npy *npy, int32_t *to, size_t n, char *message);
int npy_read_f32(struct npy *npy, float *to, size_t n, char *message);
void npy_close(struct npy *npy);

/* Creates a file of shape [0, dims...]; rows are appended, and counted in the header by
 * npy_finish, which also closes. type is NPY_F32 or NPY_I32. */
int npy_create(struct npy *npy, const char *path, enum npy_type type, uint32_t n_dims,
               const uint32_t *dims, char *message);
int npy_append(struct npy *npy, const void *rows, uint64_t n_rows, char *message);
int npy_finish(struct npy *npy, char *message);

#endif
