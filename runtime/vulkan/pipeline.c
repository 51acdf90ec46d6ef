/* SPDX-License-Identifier: MIT */
#include "runtime/vulkan/vk.h"

#include <stdlib.h>

#define SPIRV_MAGIC 0x07230203u
#define SPIRV_HEADER_BYTES 20

static enum status check_params(const gpu_device *device, const struct gpu_pipeline_params *params,
                                const char *name)
{
    const struct log *log = &device->log;
    const bool more = device->physical.info.features & GPU_FEATURE_MORE_BINDINGS;
    const uint32_t most_bindings = more ? GPU_MAX_BINDINGS : GPU_PLAIN_BINDINGS;
    const struct gpu_shader *shader = &params->shader;
    if (!shader->spirv || shader->spirv_bytes < SPIRV_HEADER_BYTES || shader->spirv_bytes % 4 ||
        shader->spirv[0] != SPIRV_MAGIC)
        return log_error(log, ERROR_ARGUMENT, "pipeline %s: this is not SPIR-V", name);
    if (params->n_bindings > most_bindings)
        return log_error(log, ERROR_ARGUMENT, "pipeline %s: %u bindings; at most %u are allowed",
                         name, params->n_bindings, most_bindings);
    if (params->texel_bindings >> params->n_bindings ||
        (params->texel_bindings && !(device->physical.info.features & GPU_FEATURE_FAST_TEXELS)))
        return log_error(log, ERROR_ARGUMENT,
                         "pipeline %s: texel buffers 0x%x are not possible here", name,
                         params->texel_bindings);
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

static enum status create_set_layout(gpu_device *device, gpu_pipeline *pipeline)
{
    VkDescriptorSetLayoutBinding bindings[GPU_MAX_BINDINGS];
    for (uint32_t i = 0; i < pipeline->n_bindings; i++)
        bindings[i] = (VkDescriptorSetLayoutBinding){
            .binding = i,
            .descriptorType = vk_descriptor_type(pipeline, i),
            .descriptorCount = 1,
            .stageFlags = VK_SHADER_STAGE_COMPUTE_BIT,
        };
    const VkDescriptorSetLayoutCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO,
        .bindingCount = pipeline->n_bindings,
        .pBindings = bindings,
    };
    return vk_check(
        device,
        device->vk.vkCreateDescriptorSetLayout(device->handle, &info, NULL, &pipeline->set_layout),
        "vkCreateDescriptorSetLayout", pipeline->name);
}

static enum status create_layout(gpu_device *device, gpu_pipeline *pipeline)
{
    const VkPushConstantRange range = {
        .stageFlags = VK_SHADER_STAGE_COMPUTE_BIT,
        .size = pipeline->params_bytes,
    };
    const VkPipelineLayoutCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO,
        .setLayoutCount = 1,
        .pSetLayouts = &pipeline->set_layout,
        .pushConstantRangeCount = pipeline->params_bytes ? 1 : 0,
        .pPushConstantRanges = &range,
    };
    return vk_check(
        device, device->vk.vkCreatePipelineLayout(device->handle, &info, NULL, &pipeline->layout),
        "vkCreatePipelineLayout", pipeline->name);
}

static enum status create_handle(gpu_device *device, const struct gpu_pipeline_params *params,
                                 gpu_pipeline *pipeline)
{
    VkSpecializationMapEntry entries[GPU_MAX_SPEC];
    VkShaderModule module;
    for (uint32_t i = 0; i < params->n_spec; i++)
        entries[i] = (VkSpecializationMapEntry){.constantID = i, .offset = 4 * i, .size = 4};
    const VkSpecializationInfo spec = {
        .mapEntryCount = params->n_spec,
        .pMapEntries = entries,
        .dataSize = 4 * (size_t)params->n_spec,
        .pData = params->spec,
    };
    const VkShaderModuleCreateInfo module_info = {
        .sType = VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO,
        .codeSize = params->shader.spirv_bytes,
        .pCode = params->shader.spirv,
    };
    VkResult result = device->vk.vkCreateShaderModule(device->handle, &module_info, NULL, &module);
    if (result != VK_SUCCESS)
        return vk_check(device, result, "vkCreateShaderModule", pipeline->name);
    const VkPipelineShaderStageRequiredSubgroupSizeCreateInfoEXT subgroup_size = {
        .sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_REQUIRED_SUBGROUP_SIZE_CREATE_INFO_EXT,
        .requiredSubgroupSize = device->physical.required_subgroup_size,
    };
    const VkComputePipelineCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO,
        .stage =
            {
                .sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO,
                .pNext = params->subgroups && device->physical.required_subgroup_size
                             ? &subgroup_size
                             : NULL,
                .stage = VK_SHADER_STAGE_COMPUTE_BIT,
                .module = module,
                .pName = "main",
                .pSpecializationInfo = params->n_spec ? &spec : NULL,
            },
        .layout = pipeline->layout,
    };
    result = device->vk.vkCreateComputePipelines(device->handle, device->cache.handle, 1, &info,
                                                 NULL, &pipeline->handle);
    device->vk.vkDestroyShaderModule(device->handle, module, NULL);
    return vk_check(device, result, "vkCreateComputePipelines", pipeline->name);
}

enum status gpu_pipeline_create(gpu_device *device, const struct gpu_pipeline_params *params,
                                gpu_pipeline **out)
{
    if (!device)
        return ERROR_ARGUMENT;
    if (!params || !out)
        return log_error(&device->log, ERROR_ARGUMENT, "gpu_pipeline_create: missing argument");
    if (device->lost)
        return ERROR_DEVICE;
    enum status status = check_params(device, params, params->name ? params->name : "unnamed");
    if (status)
        return status;
    gpu_pipeline *pipeline = calloc(1, sizeof(*pipeline));
    if (!pipeline)
        return log_error(&device->log, ERROR_MEMORY, "out of memory for pipeline %s", params->name);
    vk_copy_name(pipeline->name, params->name);
    pipeline->n_bindings = params->n_bindings;
    pipeline->texel_bindings = params->texel_bindings;
    pipeline->params_bytes = params->params_bytes;
    if ((status = create_set_layout(device, pipeline)) ||
        (status = create_layout(device, pipeline)) ||
        (status = create_handle(device, params, pipeline)))
        goto fail;
    device->work_count++;
    vk_set_name(device, VK_OBJECT_TYPE_PIPELINE, (uint64_t)pipeline->handle, pipeline->name);
    *out = pipeline;
    return OK;
fail:
    gpu_pipeline_destroy(device, &pipeline);
    return status;
}

void gpu_pipeline_destroy(gpu_device *device, gpu_pipeline **handle)
{
    gpu_pipeline *pipeline = handle ? *handle : NULL;
    if (!pipeline)
        return;
    *handle = NULL;
    vk_wait_quietly(device, device->last_ticket);
    device->vk.vkDestroyPipeline(device->handle, pipeline->handle, NULL);
    device->vk.vkDestroyPipelineLayout(device->handle, pipeline->layout, NULL);
    device->vk.vkDestroyDescriptorSetLayout(device->handle, pipeline->set_layout, NULL);
    free(pipeline);
}
