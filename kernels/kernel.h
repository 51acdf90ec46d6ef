/* SPDX-License-Identifier: MIT
 *
 * Kernels by name: the table made from kernels.def, and a set of pipelines on one device.
 */
#ifndef STAPES_KERNELS_KERNEL_H
#define STAPES_KERNELS_KERNEL_H

#include <string.h>

#include "runtime/gpu.h"
#include "kernels/params.h" /* needs the integer types */

enum kernel_id {
#define KERNEL(name, ...) KERNEL_##name,
#include "kernels/kernels.def"
#undef KERNEL
    KERNEL_COUNT
};

/* The rows of a family of weights, in the order of TYPE_*: KERNEL_OF_TYPE(matmul, TYPE_Q8_0) is
 * KERNEL_matmul_q8_0. */
#define KERNEL_OF_TYPE(family, type) ((enum kernel_id)(KERNEL_##family##_f32 + (type)))

/* How one dispatch is made from its parameters. */
struct kernel_plan {
    uint32_t groups[3];
    uint32_t n_spec;
    uint32_t spec[GPU_MAX_SPEC];
};

struct kernel_info {
    const char *name;
    enum kernel_id base;
    uint32_t params_bytes;
    const char *access;   /* i, t, o, x a binding */
    const char *elements; /* f, u, w a binding */
    uint32_t features;
    void (*plan)(const void *params, struct kernel_plan *plan);
    bool (*suits)(const void *params);
    struct gpu_shader shader;
};

extern const struct kernel_info kernel_table[KERNEL_COUNT];

/* Whether a row with these columns in kernels.def has a twin in WGSL: WebGPU has no texel buffers,
 * and promises no more than eight storage buffers. */
static inline bool kernel_has_twin(const char *access, uint32_t features)
{
    return !strchr(access, 't') && !(features & GPU_FEATURE_MORE_BINDINGS);
}

/* `length` characters of name. ERROR_ARGUMENT if there is none of that name (logged, with the legal
 * names). */
enum status kernel_find(const struct log *log, const char *name, size_t length,
                        enum kernel_id *out);

/* The pipelines of one device, made when first dispatched, kept until destroyed. */
typedef struct kernel_set kernel_set;

/* variants: NULL or "": the best the device can run; "plain": plain forms only; "workgroup": forms
 * with barriers also on CPU devices, where they are slow (for tests), but none with subgroups;
 * "subgroup": the same and those with subgroups where the device has them; "integer": those and the
 * ones that multiply integers, which no other of these words allows, because they round the columns
 * to 8 bits (params.h); otherwise a comma-separated list of row names to force where they are
 * legal. An unknown name is ERROR_ARGUMENT, what the device cannot run ERROR_UNSUPPORTED. The
 * device must outlive the set. */
enum status kernel_set_create(gpu_device *device, const char *variants, kernel_set **out);
void kernel_set_destroy(kernel_set **set);
gpu_device *kernel_set_device(const kernel_set *set);

/* From here on dispatches choose between rows by measuring them, where that has not been done
 * before on this device: see tune.h. What the weights hold must have been uploaded. Does nothing on
 * a device without timestamps and for the variants "plain". */
enum status kernel_set_tune(kernel_set *set);
/* Stops measuring, and keeps what was found on disk. Dispatches go on choosing by it: the same
 * product takes the same row whatever the number of slots. */
void kernel_set_tuned(kernel_set *set);

/* The row that a dispatch of `base` with these parameters takes where nothing was measured;
 * KERNEL_COUNT if no row suits them. */
enum kernel_id kernel_set_choose(const kernel_set *set, enum kernel_id base, const void *params);

/* Whether there is such a row: of matmul with a flag of MATMUL_NORM, one that normalizes x itself;
 * of a kernel without a plain form, the kernel itself. */
bool kernel_set_fuses(const kernel_set *set, enum kernel_id base, const void *params);

/* Bit i: binding i of the row is a texel buffer (gpu_pipeline_params.texel_bindings). Such a row is
 * only legal where it suits. */
uint32_t kernel_texel_bindings(enum kernel_id id);
/* Whether the row rounds the columns: it gives another result than the base, not just another order
 * of sums. */
bool kernel_rounds(enum kernel_id id);
bool kernel_uses_subgroups(enum kernel_id id); /* gpu_pipeline_params.subgroups */

/* The pipeline of a row for what its plan says; the caller destroys it. */
enum status kernel_pipeline_create(gpu_device *device, enum kernel_id id,
                                   const struct kernel_plan *plan, gpu_pipeline **out);

/* The bindings of row `id` for these ranges. One without a buffer is unused: it stands for binding
 * 0, or, where the row may write it, for the first binding that is written. kernel_dispatch does
 * it. */
void kernel_bind(enum kernel_id id, const struct gpu_range *ranges, struct gpu_binding *bindings);

/* The row that kernel_dispatch takes for this; it is measured if it is to be. For who records
 * another kernel that does the same and more. */
enum status kernel_pick(kernel_set *set, enum kernel_id base, const void *params,
                        const struct gpu_range *ranges, enum kernel_id *out);

/* Records `base`, or the row that replaces it, into `program`. One range a binding, in the order of
 * kernels.def; a range without a buffer stands for an unused binding. */
enum status kernel_dispatch(kernel_set *set, gpu_program *program, enum kernel_id base,
                            const void *params, const struct gpu_range *ranges);

/* The product inside a dispatch of qkv, with its result dense in y: [col][rows]. */
struct matmul_params qkv_product(const struct qkv_params *p);
/* The qkv row that makes a product as row `product` does; KERNEL_COUNT: there is none. */
enum kernel_id qkv_kernel(enum kernel_id product);

/* Parts that the kernel attention makes of a ring of this capacity (attention_params.splits): so
 * many that one stream occupies a large GPU, and each still has about a hundred keys. */
uint32_t attention_splits(uint32_t capacity);

#endif
