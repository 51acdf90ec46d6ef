/* SPDX-License-Identifier: MIT
 *
 * What the files of this directory share, and what they ask of gpu.js, the only code that calls
 * WebGPU. Objects over there have numbers from 1 on. WebGPU tells of errors later: whoever calls an
 * import looks at webgpu_check then or in a later call.
 */
#ifndef STAPES_RUNTIME_WEBGPU_WEBGPU_H
#define STAPES_RUNTIME_WEBGPU_WEBGPU_H

#include <stddef.h>

#include "runtime/checks.h"
#include "runtime/stages.h"

#define WEBGPU_NAME_BYTES 64
/* Buffers are made, and bound, in these units: the last word of an array of vectors is then within
 * what is bound. */
#define WEBGPU_UNIT_BYTES 16

#define WEBGPU_IMPORT(NAME) __attribute__((import_module("gpu"), import_name(#NAME)))

/* gpu.js writes it by these offsets. */
struct webgpu_info {
    uint32_t type; /* enum gpu_device_type */
    uint32_t features;
    uint32_t subgroup_size;
    uint32_t max_invocations;
    uint32_t max_shared_bytes;
    double max_binding_bytes, max_buffer_bytes;
    char name[256];
    char driver[512];
};
_Static_assert(offsetof(struct webgpu_info, max_shared_bytes) == 16, "gpu.js: describe");
_Static_assert(offsetof(struct webgpu_info, max_binding_bytes) == 24, "gpu.js: describe");
_Static_assert(offsetof(struct webgpu_info, name) == 40, "gpu.js: describe");
_Static_assert(offsetof(struct webgpu_info, driver) == 296, "gpu.js: describe");

/* A command list is words: an op, then what is said here. Offsets and sizes count words. */
enum webgpu_op {
    WEBGPU_DISPATCH, /* pipeline, groups x, y, z, n, n times (buffer, offset, size); its parameters
                      * are the next 256 bytes of the parameter block */
    WEBGPU_COPY,     /* from buffer, offset, to buffer, offset, size */
    WEBGPU_MARK,     /* a timestamp here; after the last command comes one more by itself */
};

/* A range of a mapped buffer that a program reads (UPLOAD) or writes (READBACK). */
struct webgpu_transfer {
    uint32_t buffer;
    uint32_t memory;     /* enum gpu_memory */
    uint32_t begin, end; /* bytes */
    void *shadow;        /* of byte `begin` */
};
_Static_assert(sizeof(struct webgpu_transfer) == 20, "gpu.js: program_create");

struct webgpu_pipeline_info {
    const char *name;
    uint32_t name_bytes;
    const char *const *wgsl; /* parts, NULL at the end */
    uint32_t n_bindings, params_bytes, n_spec;
    const uint32_t *spec;
};
_Static_assert(sizeof(struct webgpu_pipeline_info) == 28, "gpu.js: pipeline_create");

struct webgpu_program_info {
    const char *name;
    uint32_t name_bytes;
    const uint32_t *list;
    uint32_t n_list;
    const unsigned char *params; /* GPU_OFFSET_ALIGNMENT bytes a dispatch */
    uint32_t params_bytes;
    const struct webgpu_transfer *transfers;
    uint32_t n_transfers, n_marks;
};
_Static_assert(sizeof(struct webgpu_program_info) == 36, "gpu.js: program_create");

WEBGPU_IMPORT(describe) void webgpu_describe(struct webgpu_info *info);
/* 0: nothing failed. Otherwise what did first, as a status, and the text of it. */
WEBGPU_IMPORT(failure) int32_t webgpu_failure(char *text, uint32_t bytes);
/* The highest ticket up to which all is done and read back. */
WEBGPU_IMPORT(finished) double webgpu_finished(void);
WEBGPU_IMPORT(buffer_create)
uint32_t webgpu_buffer_create(double bytes, const char *name, uint32_t name_bytes);
WEBGPU_IMPORT(buffer_destroy) void webgpu_buffer_destroy(uint32_t buffer);
WEBGPU_IMPORT(buffer_write)
void webgpu_buffer_write(uint32_t buffer, double offset, const void *data, uint32_t bytes);
WEBGPU_IMPORT(pipeline_create)
uint32_t webgpu_pipeline_create(const struct webgpu_pipeline_info *info);
/* Bit i: the shader declares binding i as read_write. */
WEBGPU_IMPORT(pipeline_written) uint32_t webgpu_pipeline_written(uint32_t pipeline);
WEBGPU_IMPORT(pipeline_destroy) void webgpu_pipeline_destroy(uint32_t pipeline);
WEBGPU_IMPORT(program_create)
uint32_t webgpu_program_create(const struct webgpu_program_info *info);
/* The ticket. */
WEBGPU_IMPORT(program_submit) double webgpu_program_submit(uint32_t program);
/* Nanoseconds from mark to mark of the last submit that is done; 0: there are none. */
WEBGPU_IMPORT(program_times)
uint32_t webgpu_program_times(uint32_t program, double *mark_ns, uint32_t n_marks);
WEBGPU_IMPORT(program_destroy) void webgpu_program_destroy(uint32_t program);

struct gpu_buffer {
    uint32_t id;
    uint64_t size;
    uint64_t allocated_bytes; /* over there */
    void *shadow;
    enum gpu_memory memory;
    char name[WEBGPU_NAME_BYTES];
};

struct gpu_pipeline {
    uint32_t id;
    uint32_t n_bindings, params_bytes;
    uint32_t written; /* bit i: binding i, as the shader declares it */
    char name[WEBGPU_NAME_BYTES];
};

struct gpu_device {
    struct log log;
    struct gpu_device_info info;
    uint64_t max_buffer_bytes;
    uint64_t limit_bytes, now_bytes, peak_bytes;
    uint64_t last_ticket;
    uint64_t work_count;
    enum status failed; /* told; every later call gets it */
    /* What unused bindings get, by what the shader declares; binding i has unit i of it. */
    gpu_buffer *unread, *unwritten;
};

struct gpu_program {
    gpu_device *device;
    uint32_t id;
    uint32_t *list;
    unsigned char *params;
    struct webgpu_transfer *transfers;
    size_t n_list, list_capacity, params_bytes, params_capacity, n_transfers, transfers_capacity;
    struct gpu_stages stages;
    struct gpu_program_counts counts; /* barriers are WebGPU's business: 0 */
    uint64_t last_ticket;
    enum status failed; /* the first recording error; every later call returns it */
    bool timed, ended;
    char name[WEBGPU_NAME_BYTES];
};

/* OK, or what failed on the device so far, which is logged once. */
enum status webgpu_check(gpu_device *device);
void webgpu_copy_name(char name[WEBGPU_NAME_BYTES], const char *from);

#endif
