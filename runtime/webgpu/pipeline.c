/* SPDX-License-Identifier: MIT */
#include "runtime/webgpu/webgpu.h"

#include <stdlib.h>
#include <string.h>

static enum status check_params(const gpu_device *device, const struct gpu_pipeline_params *params,
                                const char *name)
{
    const struct log *log = &device->log;
    if (!params->shader.wgsl)
        return log_error(log, ERROR_UNSUPPORTED, "pipeline %s: there is no shader for WebGPU",
                         name);
    if (params->texel_bindings)
        return log_error(log, ERROR_UNSUPPORTED, "pipeline %s: WebGPU has no texel buffers", name);
    if (params->n_bindings > GPU_PLAIN_BINDINGS)
        return log_error(log, ERROR_ARGUMENT, "pipeline %s: %u bindings; at most %d are allowed",
                         name, params->n_bindings, GPU_PLAIN_BINDINGS);
    if (params->params_bytes > GPU_MAX_PARAMS_BYTES || params->params_bytes % 4)
        return log_error(log, ERROR_ARGUMENT,
                         "pipeline %s: %u bytes of parameters; a multiple of 4 up to %d is allowed",
                         name, params->params_bytes, GPU_MAX_PARAMS_BYTES);
    if (params->n_spec > GPU_MAX_SPEC || (params->n_spec && !params->spec))
        return log_error(log, ERROR_ARGUMENT,
                         "pipeline %s: %u specialization constants; at most %d are allowed", name,
                         params->n_spec, GPU_MAX_SPEC);
    return OK;
}

enum status gpu_pipeline_create(gpu_device *device, const struct gpu_pipeline_params *params,
                                gpu_pipeline **out)
{
    if (!device)
        return ERROR_ARGUMENT;
    if (!params || !out)
        return log_error(&device->log, ERROR_ARGUMENT, "gpu_pipeline_create: missing argument");
    enum status status = webgpu_check(device);
    if (status || (status = check_params(device, params, params->name ? params->name : "unnamed")))
        return status;
    gpu_pipeline *pipeline = calloc(1, sizeof(*pipeline));
    if (!pipeline)
        return log_error(&device->log, ERROR_MEMORY, "out of memory for pipeline %s", params->name);
    webgpu_copy_name(pipeline->name, params->name);
    pipeline->n_bindings = params->n_bindings;
    pipeline->params_bytes = params->params_bytes;
    const struct webgpu_pipeline_info info = {
        .name = pipeline->name,
        .name_bytes = (uint32_t)strlen(pipeline->name),
        .wgsl = params->shader.wgsl,
        .n_bindings = params->n_bindings,
        .params_bytes = params->params_bytes,
        .n_spec = params->n_spec,
        .spec = params->spec,
    };
    pipeline->id = webgpu_pipeline_create(&info);
    if ((status = webgpu_check(device))) {
        gpu_pipeline_destroy(device, &pipeline);
        return status;
    }
    pipeline->written = webgpu_pipeline_written(pipeline->id);
    device->work_count++;
    *out = pipeline;
    return OK;
}

void gpu_pipeline_destroy(gpu_device *device, gpu_pipeline **handle)
{
    (void)device;
    gpu_pipeline *pipeline = handle ? *handle : NULL;
    if (!pipeline)
        return;
    *handle = NULL;
    webgpu_pipeline_destroy(pipeline->id);
    free(pipeline);
}
