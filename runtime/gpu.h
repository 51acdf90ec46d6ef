/* SPDX-License-Identifier: MIT
 *
 * The GPU, seen from the rest of the program: devices, buffers, pipelines and programs (recorded
 * dispatch lists). Two bodies implement it: runtime/vulkan/ and, in a browser, runtime/webgpu/.
 *
 * Threads: a device and all that was made from it may be used by one thread at a time. Different
 * devices are independent. No function here prints, exits or reads the environment.
 *
 * Lifetime: destroy in reverse order of creation; every destroy accepts NULL and a pointer to NULL,
 * and nulls the handle. A program holds no reference to what it uses: buffers and pipelines must
 * outlive it. A program or buffer that is still in flight is waited for before it is destroyed.
 *
 * In a browser nothing can wait: gpu_wait and gpu_buffer_read answer ERROR_AGAIN instead, and the
 * caller returns to the browser before it asks again. A program that is destroyed in flight ends on
 * the device, and nothing of it is read back.
 */
#ifndef STAPES_RUNTIME_GPU_H
#define STAPES_RUNTIME_GPU_H

#include "runtime/base.h"

typedef struct gpu_device gpu_device;
typedef struct gpu_buffer gpu_buffer;
typedef struct gpu_pipeline gpu_pipeline;
typedef struct gpu_program gpu_program;

#define GPU_PLAIN_BINDINGS 8     /* storage buffers a kernel may use (WebGPU's guarantee) */
#define GPU_MAX_BINDINGS 10      /* the same with GPU_FEATURE_MORE_BINDINGS */
#define GPU_MAX_PARAMS_BYTES 128 /* parameter bytes a dispatch (Vulkan's guarantee) */
#define GPU_MAX_SPEC 8           /* 32-bit specialization constants, ids 0..7 */
#define GPU_OFFSET_ALIGNMENT 256 /* of every binding's offset */
#define GPU_MAX_GROUPS 65535     /* workgroups a dimension */

enum gpu_device_type {
    GPU_TYPE_OTHER,
    GPU_TYPE_INTEGRATED,
    GPU_TYPE_DISCRETE,
    GPU_TYPE_VIRTUAL,
    GPU_TYPE_CPU
};

/* Capabilities that kernel variants ask for. */
enum gpu_feature {
    GPU_FEATURE_FAST_BARRIERS = 1 << 0, /* not a CPU device: workgroup barriers cost little */
    GPU_FEATURE_SUBGROUP_ARITHMETIC = 1 << 1,
    GPU_FEATURE_TIMESTAMPS = 1 << 2,
    GPU_FEATURE_MEMORY_BUDGET = 1 << 3,
    GPU_FEATURE_FAST_TEXELS = 1 << 4, /* a CPU device: texel fetches cost far less than loads from
                                       * storage buffers (bench/RESULTS.md); it has subgroups of
                                       * 8 or 16 and shuffles between their invocations */
    /* A kernel may use GPU_MAX_BINDINGS storage buffers. */
    GPU_FEATURE_MORE_BINDINGS = 1 << 5,
    /* A shader may take dot products of four signed bytes in a word, fast or not. */
    GPU_FEATURE_INTEGER_DOT = 1 << 6,
};

struct gpu_device_info {
    uint32_t index; /* as in gpu_enumerate */
    char name[256];
    char driver[512]; /* name, version, API version */
    enum gpu_device_type type;
    uint32_t features;     /* enum gpu_feature */
    uint64_t memory_bytes; /* of the heap that GPU_MEMORY_DEVICE buffers come from */
    uint64_t
        free_memory_bytes; /* what its driver says is left; memory_bytes where it says nothing */
    uint64_t max_binding_bytes;
    uint32_t max_invocations; /* a workgroup */
    uint32_t max_shared_bytes;
    uint32_t subgroup_size;
    double timestamp_ns; /* nanoseconds a tick, 0 without timestamps */
    char unusable[128];  /* why the device cannot be used; empty if it can */
};

/* Writes at most *count infos and sets *count to the number of devices there are.
 * ERROR_NO_DEVICE: there is no Vulkan loader or driver (logged). No device at all: OK with 0. */
enum status gpu_enumerate(const struct log *log, struct gpu_device_info *infos, uint32_t *count);

struct gpu_device_params {
    struct log log;
    const char *device; /* index in decimal (up to 99), or part of a name (case ignored); NULL: the
                         * best one: discrete, integrated, virtual, other, CPU, in this order */
    const char *cache_dir; /* pipelines and the like: created where missing; NULL: nothing on disk */
    uint64_t memory_limit_bytes; /* refuse to allocate more device memory than this; 0: no limit */
    bool validation; /* Khronos validation layer with synchronization validation; its messages are
                      * logged as errors and counted. ERROR_UNSUPPORTED if it is not installed. */
};

enum status gpu_device_create(const struct gpu_device_params *params, gpu_device **out);
/* Waits for the device, writes the pipeline cache if it grew, frees. */
void gpu_device_destroy(gpu_device **device);
const struct gpu_device_info *gpu_device_get_info(const gpu_device *device);
const struct log *gpu_device_log(const gpu_device *device);
/* Messages of the validation layer so far. */
uint32_t gpu_device_validation_messages(const gpu_device *device);
/* Device memory allocated now, and the most so far, host-visible buffers included. */
void gpu_device_memory(const gpu_device *device, uint64_t *now_bytes, uint64_t *peak_bytes);
/* How much more may be allocated: the heap's free part, and what memory_limit_bytes leaves. */
uint64_t gpu_device_memory_left(const gpu_device *device);
/* Calls into the driver that allocate, record, or write descriptors, since the device was made. A
 * steady state does not move it. */
uint64_t gpu_device_work_count(const gpu_device *device);

/* A file beside the pipeline cache, for this device and driver alone; `kind` begins its name. Nothing
 * is kept where the device has no cache_dir. Reading returns false where there is none, or a damaged
 * one (logged as a warning); *data is the caller's to free. A failed write is logged as a warning. */
bool gpu_cache_read(gpu_device *device, const char *kind, void **data, size_t *bytes);
void gpu_cache_write(gpu_device *device, const char *kind, const void *data, size_t bytes);

enum gpu_memory {
    GPU_MEMORY_DEVICE,   /* fastest for the device, not mapped */
    GPU_MEMORY_UPLOAD,   /* mapped; the host writes, the device reads */
    GPU_MEMORY_READBACK, /* mapped and cached; the device writes, the host reads */
};

struct gpu_buffer_params {
    const char *name;    /* for messages and debuggers; copied */
    uint64_t size_bytes; /* rounded up to 4 */
    enum gpu_memory memory;
    bool zero; /* fill with zeros before the first use */
};

enum status gpu_buffer_create(gpu_device *device, const struct gpu_buffer_params *params,
                              gpu_buffer **out);
void gpu_buffer_destroy(gpu_device *device, gpu_buffer **buffer);
uint64_t gpu_buffer_size(const gpu_buffer *buffer);
/* The persistent mapping, coherent; NULL for GPU_MEMORY_DEVICE. What the host writes before a
 * submit is seen by it; what a program wrote is there once its ticket is done. */
void *gpu_buffer_map(gpu_buffer *buffer);
/* Blocking copies for tests, tools and set-up, through a staging buffer. Never in a steady state.
 * WebGPU: writes are words, in the order of submits; only mapped buffers can be read
 * (ERROR_UNSUPPORTED), ERROR_AGAIN while something is in flight. */
enum status gpu_buffer_write(gpu_device *device, gpu_buffer *buffer, uint64_t offset,
                             const void *data, uint64_t bytes);
enum status gpu_buffer_read(gpu_device *device, gpu_buffer *buffer, uint64_t offset, void *data,
                            uint64_t bytes);

/* A part of a buffer. offset is a multiple of GPU_OFFSET_ALIGNMENT (any multiple of 4 for copies),
 * size a multiple of 4; size 0 means up to the end. */
struct gpu_range {
    gpu_buffer *buffer;
    uint64_t offset;
    uint64_t size;
};

/* GPU_UNUSED: the shader declares the binding but does not touch it in this dispatch; the range is what
 * a body without a better idea binds. */
enum gpu_access { GPU_READ = 1, GPU_WRITE = 2, GPU_READ_WRITE = 3, GPU_UNUSED = 4 };

struct gpu_binding {
    struct gpu_range range;
    enum gpu_access access;
};

/* The code of a pipeline, in the language of the body that was built. */
struct gpu_shader {
    const uint32_t *spirv;
    size_t spirv_bytes;
    const char *const *wgsl; /* parts of a module, NULL at the end; NULL: it has no twin in WGSL */
};

/* A compute pipeline: entry point "main", set 0, bindings 0..n-1 storage or texel buffers,
 * parameters as push constants, in WGSL as a uniform buffer (group 1, binding 0), specialization
 * constants 0..n_spec-1. Created through the device's cache. */
struct gpu_pipeline_params {
    const char *name;
    struct gpu_shader shader;
    uint32_t n_bindings;
    uint32_t texel_bindings; /* bit i: binding i is a uniform texel buffer of 16-byte words
                              * (RGBA32_UINT), read only; asks for GPU_FEATURE_FAST_TEXELS */
    uint32_t params_bytes;   /* multiple of 4 */
    uint32_t n_spec;
    const uint32_t *spec;
    bool subgroups; /* it uses them: all such pipelines get the same subgroup size, where the device
                     * can promise it, so that their sums have the same order */
};

enum status gpu_pipeline_create(gpu_device *device, const struct gpu_pipeline_params *params,
                                gpu_pipeline **out);
void gpu_pipeline_destroy(gpu_device *device, gpu_pipeline **pipeline);

/* A program: dispatches and copies in order, recorded once, submitted any number of times, also
 * while earlier submits of it or of others are still in flight. Hazards inside a program, and those
 * with whatever was submitted before, are found from the bindings' ranges and accesses: the
 * recorder inserts the barriers, no more than needed. */
enum status gpu_program_begin(gpu_device *device, const char *name, bool timed, gpu_program **out);
/* n bindings in order. params: the pipeline's params_bytes, copied. A range must be within its
 * buffer, aligned, and at most max_binding_bytes. A dispatch with a zero group count is dropped. */
enum status gpu_program_dispatch(gpu_program *program, const gpu_pipeline *pipeline,
                                 const struct gpu_binding *bindings, const void *params,
                                 const uint32_t groups[3]);
enum status gpu_program_copy(gpu_program *program, const struct gpu_range *from,
                             const struct gpu_range *to);
/* What follows belongs to the stage of this name (a literal; at most 64 stages). */
enum status gpu_program_stage(gpu_program *program, const char *name);
/* Ends recording; after this only submit, times, counts and destroy. After an error in any
 * recording call the program can only be destroyed. */
enum status gpu_program_end(gpu_program *program);
/* *ticket: a number that grows with every submit on this device. */
enum status gpu_program_submit(gpu_program *program, uint64_t *ticket);
void gpu_program_destroy(gpu_device *device, gpu_program **program);

struct gpu_program_counts {
    uint32_t dispatches, copies, barriers;
};
struct gpu_program_counts gpu_program_get_counts(const gpu_program *program);
/* The share of stage number `stage`, in the order of gpu_program_times. A barrier counts for the
 * stage that waits. */
struct gpu_program_counts gpu_program_stage_counts(const gpu_program *program, uint32_t stage);

/* Stage times of the last finished submit of a timed program, nanoseconds. Writes at most *count
 * and sets *count to the number of stages. The device must be idle for this program. */
enum status gpu_program_times(gpu_program *program, const char **names, double *ns,
                              uint32_t *count);

/* *done: whether everything up to `ticket` has finished. Never blocks. */
enum status gpu_done(gpu_device *device, uint64_t ticket, bool *done);
/* ERROR_DEVICE after timeout_ns (UINT64_MAX: none) or when the device was lost. A body that cannot
 * wait (a browser's) returns ERROR_AGAIN, silently, where `ticket` is not done. */
enum status gpu_wait(gpu_device *device, uint64_t ticket, uint64_t timeout_ns);

#endif
