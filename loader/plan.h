/* SPDX-License-Identifier: MIT
 *
 * The two-phase staging loader. Phase one: the model's code asks for tensors by name and shape;
 * each request is checked against the source's headers and gets its place on the device; nothing is
 * read. Phase two (plan_run): the bytes stream through a ring of host-visible staging buffers while
 * the device repacks behind them. The host never holds a whole tensor larger than the ring. A
 * failed load frees what it took and says which tensor of which file is wrong and why.
 *
 * A plan owns the device buffers it makes; they live until plan_destroy, which the model calls when
 * it is closed (the source may be closed after plan_run).
 */
#ifndef STAPES_LOADER_PLAN_H
#define STAPES_LOADER_PLAN_H

#include "kernels/kernel.h"
#include "loader/tensor.h"

struct plan;

/* A weight matrix on the device, in the layout of kernels/params.h. The ranges are set when
 * plan_run or plan_end has returned. */
struct weight {
    enum tensor_type type;
    uint32_t rows, k;
    struct gpu_range plane0, plane1; /* plane1.buffer NULL except for block types */
};

/* The element type's number in kernels/params.h; WEIGHT_TYPES if it does not run. */
uint32_t tensor_kernel_type(enum tensor_type type);

enum plan_flags {
    PLAN_GATE = 1,     /* interleave the halves: rows r and r + rows / 2 become 2 r and 2 r + 1 */
    PLAN_OPTIONAL = 2, /* absent: OK with rows 0 */
};

enum status plan_create(const struct log *log, gpu_device *device, kernel_set *kernels,
                        const struct source *source, struct plan **out);
void plan_destroy(struct plan **plan);

/* A matrix [rows, k]. rows or k 0: taken from the file. taps > 1: the tensor is [rows, k / taps,
 * taps] (a convolution) and is laid out as [rows, taps, k / taps]. Trailing dimensions of 1 are
 * ignored (1x1 convolutions). in_proj_weight / out_proj.weight that are absent are joined from
 * in_projs.{i}.weight / out_projs.{i}.weight. ERROR_FORMAT if missing or misshapen: tensor, file,
 * shapes expected and found. `out` must stay valid until plan_run or plan_end has
 * returned. */
enum status plan_matrix(struct plan *plan, const char *name, uint32_t rows, uint32_t k,
                        uint32_t taps, uint32_t flags, struct weight *out);
/* Several tensors of the same type and width, one below the other; `names` are used during the
 * call. */
enum status plan_stack(struct plan *plan, const char *const *names, uint32_t n, uint32_t rows_each,
                       uint32_t k, struct weight *out);
/* n elements as f32, whatever the file's type is (f32, f16, bf16) and however many dimensions of 1.
 */
enum status plan_vector(struct plan *plan, const char *name, uint32_t n, uint32_t flags,
                        struct gpu_range *out);
/* A Mimi codebook [bins, dim]: `prefix`.embedding_sum / max(`prefix`.cluster_usage, 1e-5). */
enum status plan_codebook(struct plan *plan, const char *prefix, uint32_t bins, uint32_t dim,
                          struct gpu_range *out);

/* Limits of phase two, for tests and benches; 0 means the default. A segment that is smaller than
 * the largest row grows to it. */
struct plan_limits {
    uint64_t segment_bytes; /* of the staging ring: 4 MiB */
    uint32_t segments;      /* 4 */
    uint64_t window_bytes;  /* largest binding: the device's */
};
void plan_set_limits(struct plan *plan, const struct plan_limits *limits);

/* Device bytes that phase two will take, the staging ring included, and bytes that it will read. */
uint64_t plan_device_bytes(const struct plan *plan);
uint64_t plan_file_bytes(const struct plan *plan);

struct plan_progress {
    /* May be NULL. Returns false to stop: plan_run returns ERROR_AGAIN. */
    bool (*report)(void *user, uint64_t done_bytes, uint64_t total_bytes);
    void *user;
};
/* Phase two, waiting for the device where need be. ERROR_DEVICE_MEMORY before anything is read if
 * the device has not enough: says needed and there. */
enum status plan_run(struct plan *plan, const struct plan_progress *progress);

/* Phase two in steps, for callers that must not wait; plan_run is made of the same ones. Tensors
 * are read in the order in which they lie in the files. plan_begin makes the ring and the places on
 * the device. */
enum status plan_begin(struct plan *plan);
/* Fills what is left of one segment at most, and hands it to the device. ERROR_AGAIN, silently, if
 * the device still reads the segment that comes next, or source_read says so, because the bytes are
 * not there yet: to be called again when either may have changed. *done, set on success: all is
 * loaded. After another error only plan_end and plan_destroy may follow. */
enum status plan_step(struct plan *plan, bool *done);
/* Frees the ring. If all is loaded, the ranges of the weights are set; if not, their places on the
 * device are freed: a load may be given up after any step. */
void plan_end(struct plan *plan);

/* Bytes read so far, from plan_begin to plan_end. */
uint64_t plan_loaded_bytes(const struct plan *plan);
/* Where the files are still needed between plan_begin and plan_end: nothing before *offset of file
 * number *file, and no file before that one. False: nowhere. */
bool plan_needs(const struct plan *plan, uint32_t *file, uint64_t *offset);

#endif
