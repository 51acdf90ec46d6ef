/* SPDX-License-Identifier: MIT
 *
 * What the device can do at most: bytes copied a second between buffers that no cache holds, by
 * shaders and by the driver, and multiply-adds a second in independent chains. Each is the best of
 * a few forms.
 */
#include "tests/checkgpu.h"

#include <stdlib.h>
#include <string.h>

#include "copy.comp.h" /* generated from bench/ */
#include "copy_texels.comp.h"
#include "fma.comp.h"

#define LOCAL 256u
#define MIB (1024.0 * 1024.0)
#define COPY_UNIT (LOCAL * 16u * 16u) /* bytes; every form of the copy divides it */
#define FMA_GROUPS 1024u

/* The largest of the last level that Linux tells of; 0 if it tells nothing. */
static uint64_t cpu_cache_bytes(void)
{
    uint64_t largest = 0;
    for (int i = 0; i < 8; i++) {
        char path[96];
        unsigned long long kib = 0;
        snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu0/cache/index%d/size", i);
        FILE *file = fopen(path, "r");
        if (!file)
            break;
        if (fscanf(file, "%lluK", &kib) == 1)
            largest = MAX(largest, kib * 1024);
        fclose(file);
    }
    return largest;
}

static void size_cache(const struct checker *k, struct roofs *out)
{
    const bool cpu = gpu_device_get_info(k->device)->type == GPU_TYPE_CPU;
    out->cache_bytes = cpu ? cpu_cache_bytes() : 0;
    if (!out->cache_bytes)
        out->cache_bytes = 64u << 20;
    out->rotate_bytes = k->options->rotate_mb ? (uint64_t)((double)k->options->rotate_mb * MIB)
                                              : 4 * out->cache_bytes;
}

/* Times a recorded program, and destroys it. */
static enum status rate(const struct checker *k, gpu_program **program, uint32_t dispatches,
                        double work, double *best)
{
    const struct pass pass = {NULL, *program, dispatches};
    const double budget_ms = k->options->quick ? 20 : 200;
    struct samples samples = {0};
    enum status status =
        samples_take(k->device, &pass, 1, k->options->quick ? 2 : 5, budget_ms, &samples);
    for (uint32_t i = 0; i < samples.n && !status; i++)
        *best = MAX(*best, work / samples.ns[i] * 1e9);
    free(samples.ns);
    gpu_program_destroy(k->device, program);
    return status;
}

static enum status record_dispatches(gpu_device *device, const gpu_pipeline *pipeline,
                                     const struct gpu_binding *bindings, const void *params,
                                     uint32_t groups, uint32_t n, gpu_program **out)
{
    const uint32_t all[3] = {groups, 1, 1};
    enum status status = gpu_program_begin(device, "roof", true, out);
    if (!status)
        status = gpu_program_stage(*out, "dispatches");
    for (uint32_t i = 0; i < n && !status; i++)
        status = gpu_program_dispatch(*out, pipeline, bindings, params, all);
    return status ? status : gpu_program_end(*out);
}

static enum status read_word(gpu_device *device, gpu_buffer *buffer, uint64_t offset, void *word)
{
    return gpu_buffer_read(device, buffer, offset, word, 4);
}

static enum status wrong_result(const struct checker *k, const char *what)
{
    return log_error(gpu_device_log(k->device), ERROR_DEVICE,
                     "%s did not leave what it should: the device's figures mean nothing", what);
}

/* One form of the copy, from a buffer whose last word is `mark`. */
static enum status copy_form(const struct checker *k, bool texels, uint32_t count,
                             gpu_buffer *const buffers[2], uint32_t mark, double *best)
{
    const uint64_t bytes = gpu_buffer_size(buffers[0]);
    const uint32_t spec[] = {LOCAL, count}, poison = ~mark;
    const struct gpu_pipeline_params params = {
        .name = "copy",
        .shader = {.spirv = texels ? copy_texels_spv : copy_spv,
                   .spirv_bytes = texels ? sizeof(copy_texels_spv) : sizeof(copy_spv)},
        .n_bindings = 2,
        .texel_bindings = texels,
        .n_spec = COUNT_OF(spec),
        .spec = spec,
    };
    const struct gpu_binding bindings[] = {{.range = {buffers[0], 0, bytes}, .access = GPU_READ},
                                           {.range = {buffers[1], 0, bytes}, .access = GPU_WRITE}};
    gpu_pipeline *pipeline = NULL;
    gpu_program *program = NULL;
    uint32_t word = 0;
    enum status status;
    if (!(status = gpu_buffer_write(k->device, buffers[1], bytes - 4, &poison, 4)) &&
        !(status = gpu_pipeline_create(k->device, &params, &pipeline)) &&
        !(status = record_dispatches(k->device, pipeline, bindings, NULL,
                                     (uint32_t)(bytes / 16 / LOCAL / count), 1, &program)) &&
        !(status = rate(k, &program, 1, 2.0 * (double)bytes, best)) &&
        !(status = read_word(k->device, buffers[1], bytes - 4, &word)) && word != mark)
        status = wrong_result(k, "copying");
    gpu_program_destroy(k->device, &program);
    gpu_pipeline_destroy(k->device, &pipeline);
    return status;
}

/* The driver's own copy. */
static enum status copy_command(const struct checker *k, gpu_buffer *const buffers[2], double *best)
{
    const uint64_t bytes = gpu_buffer_size(buffers[0]);
    const struct gpu_range from = {buffers[0], 0, bytes}, to = {buffers[1], 0, bytes};
    gpu_program *program = NULL;
    enum status status = gpu_program_begin(k->device, "roof", true, &program);
    if (!status)
        status = gpu_program_stage(program, "copies");
    if (!status)
        status = gpu_program_copy(program, &from, &to);
    if (!status && !(status = gpu_program_end(program)))
        status = rate(k, &program, 1, 2.0 * (double)bytes, best);
    gpu_program_destroy(k->device, &program);
    return status;
}

static enum status measure_copy(const struct checker *k, uint64_t rotate_bytes, double *best)
{
    static const uint32_t counts[] = {1, 4};
    const struct gpu_device_info *info = gpu_device_get_info(k->device);
    const uint64_t most = MIN(info->max_binding_bytes, gpu_device_memory_left(k->device) / 4);
    const struct gpu_buffer_params params = {
        .name = "roof",
        .size_bytes = MAX(MIN(rotate_bytes / 2, most) / COPY_UNIT, 1) * COPY_UNIT,
        .zero = true,
    };
    const uint32_t mark = 0x57a9e5u;
    gpu_buffer *buffers[2] = {NULL, NULL};
    enum status status = gpu_buffer_create(k->device, &params, &buffers[0]);
    if (!status)
        status = gpu_buffer_create(k->device, &params, &buffers[1]);
    if (!status)
        status = gpu_buffer_write(k->device, buffers[0], params.size_bytes - 4, &mark, 4);
    if (!status)
        status = copy_command(k, buffers, best);
    for (uint32_t i = 0; i < COUNT_OF(counts) && !status; i++) {
        status = copy_form(k, false, counts[i], buffers, mark, best);
        if (!status && (info->features & GPU_FEATURE_FAST_TEXELS))
            status = copy_form(k, true, counts[i], buffers, mark, best);
    }
    gpu_buffer_destroy(k->device, &buffers[0]);
    gpu_buffer_destroy(k->device, &buffers[1]);
    return status;
}

/* As many steps as take some milliseconds, so that the launch does not count. */
static enum status fma_form(const struct checker *k, uint32_t vectors, gpu_buffer *sums,
                            double *best)
{
    const uint32_t spec[] = {LOCAL, vectors};
    struct {
        uint32_t steps;
        float factor, addend;
    } values = {16, 0.5f, 1.0f};
    const struct gpu_pipeline_params params = {
        .name = "fma",
        .shader = {.spirv = fma_spv, .spirv_bytes = sizeof(fma_spv)},
        .n_bindings = 1,
        .params_bytes = sizeof(values),
        .n_spec = COUNT_OF(spec),
        .spec = spec,
    };
    const struct gpu_binding binding = {.range = {sums, 0, 0}, .access = GPU_WRITE};
    const double flops = 2.0 * 4.0 * vectors * LOCAL * FMA_GROUPS;
    gpu_pipeline *pipeline = NULL;
    gpu_program *program = NULL;
    float sum = 0;
    double ns = 0;
    enum status status = gpu_pipeline_create(k->device, &params, &pipeline);
    while (!status && ns < 3e6 && values.steps < 1u << 20) {
        double flop_per_s = 0;
        values.steps *= 4;
        if (!(status = record_dispatches(k->device, pipeline, &binding, &values, FMA_GROUPS, 1,
                                         &program)))
            status = rate(k, &program, 1, flops * values.steps, &flop_per_s);
        ns = flops * values.steps / MAX(flop_per_s, 1) * 1e9;
        *best = MAX(*best, flop_per_s);
    }
    if (!status && !(status = read_word(k->device, sums, 4 * (LOCAL * FMA_GROUPS - 1), &sum)) &&
        sum != 8.0f * (float)vectors)
        status = wrong_result(k, "multiply-adds");
    gpu_program_destroy(k->device, &program);
    gpu_pipeline_destroy(k->device, &pipeline);
    return status;
}

static enum status measure_fma(const struct checker *k, double *best)
{
    gpu_buffer *sums = NULL;
    const struct gpu_buffer_params params = {
        .name = "roof", .size_bytes = 4u * LOCAL * FMA_GROUPS, .zero = true};
    enum status status = gpu_buffer_create(k->device, &params, &sums);
    for (uint32_t vectors = 2; vectors <= 4 && !status; vectors += 2)
        status = fma_form(k, vectors, sums, best);
    gpu_buffer_destroy(k->device, &sums);
    return status;
}

enum status roofs_measure(const struct checker *k, struct roofs *out)
{
    enum status status;
    memset(out, 0, sizeof(*out));
    size_cache(k, out);
    status = measure_copy(k, out->rotate_bytes, &out->copy_bytes_per_s);
    return status ? status : measure_fma(k, &out->fma_flop_per_s);
}
