/* SPDX-License-Identifier: MIT
 *
 * The kernels of one device: which rows it can be given, their pipelines, and dispatches of them.
 */
#include "kernels/kernel.h"

#include <stdlib.h>
#include <string.h>

#include "kernels/tune.h"

struct pipeline {
    enum kernel_id id;
    uint32_t spec[GPU_MAX_SPEC]; /* zero behind n_spec */
    gpu_pipeline *pipeline;
};

struct kernel_set {
    gpu_device *device;
    uint32_t features; /* enum gpu_feature that rows may ask for */
    bool plain;
    bool forced[KERNEL_COUNT];
    struct tuner *tuner; /* NULL: the last row that suits is taken for the fastest */
    struct pipeline *pipelines;
    size_t n_pipelines, capacity;
};

static bool runs(const kernel_set *set, enum kernel_id id)
{
    return set->forced[id] || !(kernel_table[id].features & ~set->features);
}

static enum status parse_variants(kernel_set *set, const char *variants)
{
    const struct log *log = gpu_device_log(set->device);
    const uint32_t device_features = gpu_device_get_info(set->device)->features;
    set->features = device_features & ~(uint32_t)GPU_FEATURE_INTEGER_DOT;
    if (!variants || !*variants)
        return OK;
    const bool integer = !strcmp(variants, "integer");
    const bool subgroup = integer || !strcmp(variants, "subgroup");
    if (integer) {
        const uint32_t needs = GPU_FEATURE_INTEGER_DOT | GPU_FEATURE_SUBGROUP_ARITHMETIC;
        if (needs & ~device_features)
            return log_error(log, ERROR_UNSUPPORTED,
                             "%s has no integer dot products, or no arithmetic in subgroups; leave "
                             "out the kernels 'integer'",
                             gpu_device_get_info(set->device)->name);
        set->features |= GPU_FEATURE_INTEGER_DOT;
    }
    if (subgroup || !strcmp(variants, "workgroup")) {
        set->features |= GPU_FEATURE_FAST_BARRIERS;
        set->features &= ~(uint32_t)GPU_FEATURE_FAST_TEXELS;
        if (!subgroup)
            set->features &= ~(uint32_t)GPU_FEATURE_SUBGROUP_ARITHMETIC;
        return OK;
    }
    if (!strcmp(variants, "plain")) {
        set->plain = true;
        return OK;
    }
    for (const char *name = variants;;) {
        const size_t length = strcspn(name, ",");
        enum kernel_id id;
        enum status status = kernel_find(log, name, length, &id);
        if (status)
            return status;
        /* Barriers are slow on a CPU device, but they work. */
        if (kernel_table[id].features & ~(device_features | GPU_FEATURE_FAST_BARRIERS))
            return log_error(log, ERROR_UNSUPPORTED, "%s cannot run kernel %s",
                             gpu_device_get_info(set->device)->name, kernel_table[id].name);
        set->forced[id] = true;
        if (!name[length])
            return OK;
        name += length + 1;
    }
}

enum status kernel_set_create(gpu_device *device, const char *variants, kernel_set **out)
{
    kernel_set *set = calloc(1, sizeof(*set));
    if (!set)
        return log_error(gpu_device_log(device), ERROR_MEMORY, "no memory for the kernel table");
    set->device = device;
    enum status status = parse_variants(set, variants);
    if (status) {
        kernel_set_destroy(&set);
        return status;
    }
    *out = set;
    return OK;
}

void kernel_set_destroy(kernel_set **set)
{
    if (!set || !*set)
        return;
    for (size_t i = 0; i < (*set)->n_pipelines; i++)
        gpu_pipeline_destroy((*set)->device, &(*set)->pipelines[i].pipeline);
    tuner_destroy(&(*set)->tuner);
    free((*set)->pipelines);
    free(*set);
    *set = NULL;
}

gpu_device *kernel_set_device(const kernel_set *set)
{
    return set->device;
}

enum status kernel_set_tune(kernel_set *set)
{
    if (set->plain || !(gpu_device_get_info(set->device)->features & GPU_FEATURE_TIMESTAMPS))
        return OK;
    return tuner_create(set->device, &set->tuner);
}

void kernel_set_tuned(kernel_set *set)
{
    if (set->tuner)
        tuner_finish(set->tuner);
}

/* The rows that can make a dispatch, in the order of the table; only forced ones if there are any.
 */
static size_t find_candidates(const kernel_set *set, enum kernel_id base, const void *params,
                              enum kernel_id ids[KERNEL_COUNT])
{
    size_t n = 0;
    bool forced = false;
    for (int i = 0; i < KERNEL_COUNT; i++) {
        const enum kernel_id id = (enum kernel_id)i;
        if (kernel_table[i].base != base || !runs(set, id) || !kernel_table[i].suits(params) ||
            (set->plain && id != base) || (forced && !set->forced[i]) ||
            (set->tuner && tuner_refuses(set->tuner, id)))
            continue;
        if (set->forced[i] && !forced)
            n = 0;
        forced |= set->forced[i];
        ids[n++] = id;
    }
    return n;
}

enum kernel_id kernel_set_choose(const kernel_set *set, enum kernel_id base, const void *params)
{
    enum kernel_id ids[KERNEL_COUNT];
    const size_t n = find_candidates(set, base, params, ids);
    return n ? ids[n - 1] : KERNEL_COUNT;
}

bool kernel_set_fuses(const kernel_set *set, enum kernel_id base, const void *params)
{
    return kernel_set_choose(set, base, params) != KERNEL_COUNT;
}

static enum status get_pipeline(kernel_set *set, enum kernel_id id, const struct kernel_plan *plan,
                                const gpu_pipeline **out)
{
    struct pipeline key = {.id = id};
    memcpy(key.spec, plan->spec, plan->n_spec * sizeof(key.spec[0]));
    for (size_t i = 0; i < set->n_pipelines; i++) {
        const struct pipeline *p = &set->pipelines[i];
        if (p->id == id && !memcmp(p->spec, key.spec, sizeof(key.spec))) {
            *out = p->pipeline;
            return OK;
        }
    }
    if (set->n_pipelines == set->capacity) {
        const size_t capacity = set->capacity ? 2 * set->capacity : 64;
        struct pipeline *grown = realloc(set->pipelines, capacity * sizeof(*grown));
        if (!grown)
            return log_error(gpu_device_log(set->device), ERROR_MEMORY, "no memory for pipelines");
        set->pipelines = grown;
        set->capacity = capacity;
    }
    enum status status = kernel_pipeline_create(set->device, id, plan, &key.pipeline);
    if (status)
        return status;
    set->pipelines[set->n_pipelines++] = key;
    *out = key.pipeline;
    return OK;
}

/* What was or is now measured to be fastest, else the table's last. */
enum status kernel_pick(kernel_set *set, enum kernel_id base, const void *params,
                        const struct gpu_range *ranges, enum kernel_id *out)
{
    enum kernel_id ids[KERNEL_COUNT];
    struct tune_candidate candidates[KERNEL_COUNT];
    const size_t n = find_candidates(set, base, params, ids);
    if (n == 0)
        return log_error(gpu_device_log(set->device), ERROR_UNSUPPORTED,
                         "no form of %s makes what was asked for", kernel_table[base].name);
    *out = ids[n - 1];
    if (n == 1 || !set->tuner || tuner_known(set->tuner, params, ids, n, out) ||
        !tuner_wants(set->tuner, base, params, ranges))
        return OK;
    for (size_t i = 0; i < n; i++) {
        struct tune_candidate *c = &candidates[i];
        *c = (struct tune_candidate){.id = ids[i]};
        kernel_table[c->id].plan(params, &c->plan);
        const enum status status = get_pipeline(set, c->id, &c->plan, &c->pipeline);
        if (status)
            return status;
    }
    return tuner_measure(set->tuner, params, ranges, candidates, n, out);
}

enum status kernel_dispatch(kernel_set *set, gpu_program *program, enum kernel_id base,
                            const void *params, const struct gpu_range *ranges)
{
    enum kernel_id id = base;
    struct kernel_plan plan = {.n_spec = 0};
    struct gpu_binding bindings[GPU_MAX_BINDINGS];
    const gpu_pipeline *pipeline = NULL;

    if (!ranges[0].buffer)
        return log_error(gpu_device_log(set->device), ERROR_ARGUMENT, "%s: binding 0 has no buffer",
                         kernel_table[id].name);
    enum status status = kernel_pick(set, base, params, ranges, &id);
    if (status)
        return status;
    kernel_table[id].plan(params, &plan);
    status = get_pipeline(set, id, &plan, &pipeline);
    if (status)
        return status;
    kernel_bind(id, ranges, bindings);
    return gpu_program_dispatch(program, pipeline, bindings, params, plan.groups);
}
