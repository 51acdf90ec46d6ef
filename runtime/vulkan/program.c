/* SPDX-License-Identifier: MIT */
#include "runtime/vulkan/vk.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_POOL_SETS 64
#define MAX_POOL_SETS 512
#define DEVICE_READS (VK_ACCESS_SHADER_READ_BIT | VK_ACCESS_TRANSFER_READ_BIT)
#define DEVICE_WRITES (VK_ACCESS_SHADER_WRITE_BIT | VK_ACCESS_TRANSFER_WRITE_BIT)

static const struct log *log_of(const gpu_program *program)
{
    return &program->device->log;
}

enum status vk_program_check(const gpu_program *program)
{
    if (!program)
        return ERROR_ARGUMENT;
    if (program->failed)
        return program->failed;
    if (program->ended)
        return log_error(log_of(program), ERROR_ARGUMENT, "program %s is not recording any more",
                         program->name);
    return OK;
}

static enum status create_commands(gpu_program *program)
{
    gpu_device *device = program->device;
    const VkCommandPoolCreateInfo pool = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
        .queueFamilyIndex = device->physical.queue_family,
    };
    VkResult result =
        device->vk.vkCreateCommandPool(device->handle, &pool, NULL, &program->command_pool);
    if (result != VK_SUCCESS)
        return vk_check(device, result, "vkCreateCommandPool for", program->name);
    const VkCommandBufferAllocateInfo allocate = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
        .commandPool = program->command_pool,
        .level = VK_COMMAND_BUFFER_LEVEL_PRIMARY,
        .commandBufferCount = 1,
    };
    result = device->vk.vkAllocateCommandBuffers(device->handle, &allocate, &program->commands);
    if (result != VK_SUCCESS)
        return vk_check(device, result, "vkAllocateCommandBuffers for", program->name);
    vk_set_name(device, VK_OBJECT_TYPE_COMMAND_BUFFER, (uint64_t)(uintptr_t)program->commands,
                program->name);
    const VkCommandBufferBeginInfo begin = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO,
        .flags = VK_COMMAND_BUFFER_USAGE_SIMULTANEOUS_USE_BIT,
    };
    device->work_count++;
    return vk_check(device, device->vk.vkBeginCommandBuffer(program->commands, &begin),
                    "vkBeginCommandBuffer for", program->name);
}

enum status gpu_program_begin(gpu_device *device, const char *name, bool timed, gpu_program **out)
{
    if (!device)
        return ERROR_ARGUMENT;
    if (!out)
        return log_error(&device->log, ERROR_ARGUMENT, "gpu_program_begin: missing argument");
    if (device->lost)
        return ERROR_DEVICE;
    gpu_program *program = calloc(1, sizeof(*program));
    if (!program)
        return log_error(&device->log, ERROR_MEMORY, "out of memory for program %s",
                         name ? name : "unnamed");
    program->device = device;
    vk_copy_name(program->name, name);
    enum status status = create_commands(program);
    if (!status && timed && (device->physical.info.features & GPU_FEATURE_TIMESTAMPS))
        status = vk_timers_create(program);
    if (status)
        goto fail;
    vk_full_barrier(device, program->commands);
    *out = program;
    return OK;
fail:
    gpu_program_destroy(device, &program);
    return status;
}

static void barrier(gpu_program *program)
{
    struct vk_hazards *hazards = &program->hazards;
    const VkMemoryBarrier memory = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER,
        .srcAccessMask = hazards->written,
        .dstAccessMask = DEVICE_READS | DEVICE_WRITES,
    };
    program->device->vk.vkCmdPipelineBarrier(program->commands, hazards->stages, VK_DEVICE_STAGES,
                                             0, 1, &memory, 0, NULL, 0, NULL);
    vk_hazards_clear(hazards);
    program->counts.barriers++;
}

struct access {
    struct vk_span span;
    enum gpu_access access;
    const gpu_buffer *buffer;
};

static struct access access_of(const gpu_buffer *buffer, const struct gpu_extent *extent,
                               enum gpu_access access)
{
    return (struct access){{buffer->handle, extent->begin, extent->end}, access, buffer};
}

/* All accesses of one command: they may overlap each other. */
static enum status synchronize(gpu_program *program, const struct access *accesses, uint32_t n,
                               VkPipelineStageFlags stage)
{
    enum status status = OK;
    bool conflict = false;
    for (uint32_t i = 0; i < n && !conflict; i++)
        conflict = vk_hazards_conflict(&program->hazards, &accesses[i].span, accesses[i].access);
    if (conflict)
        barrier(program);
    for (uint32_t i = 0; i < n && !status; i++) {
        status = vk_hazards_add(&program->hazards, &accesses[i].span, accesses[i].access, stage);
        if ((accesses[i].access & GPU_WRITE) && accesses[i].buffer->map)
            program->wrote_host = true;
    }
    return status
               ? log_error(log_of(program), status, "out of memory for program %s", program->name)
               : OK;
}

static enum status grow_pools(gpu_program *program)
{
    gpu_device *device = program->device;
    uint32_t n_sets = program->n_pools < 3 ? FIRST_POOL_SETS << program->n_pools : MAX_POOL_SETS;
    struct vk_descriptor_pool *pools =
        realloc(program->pools, (program->n_pools + 1) * sizeof(*pools));
    if (!pools)
        return log_error(&device->log, ERROR_MEMORY, "out of memory for program %s", program->name);
    program->pools = pools;
    const VkDescriptorPoolSize sizes[] = {
        {VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, n_sets * GPU_MAX_BINDINGS},
        {VK_DESCRIPTOR_TYPE_UNIFORM_TEXEL_BUFFER, n_sets * GPU_MAX_BINDINGS},
    };
    const VkDescriptorPoolCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO,
        .maxSets = n_sets,
        .poolSizeCount = COUNT_OF(sizes),
        .pPoolSizes = sizes,
    };
    struct vk_descriptor_pool *pool = &pools[program->n_pools];
    *pool = (struct vk_descriptor_pool){.sets_left = n_sets};
    enum status status = vk_check(
        device, device->vk.vkCreateDescriptorPool(device->handle, &info, NULL, &pool->handle),
        "vkCreateDescriptorPool for", program->name);
    if (!status)
        program->n_pools++;
    return status;
}

/* The view of this part of a buffer; the program keeps it for the dispatches to come. */
static enum status get_view(gpu_program *program, const struct vk_span *span, VkBufferView *out)
{
    gpu_device *device = program->device;
    const uint64_t end = align_up(span->end, VK_TEXEL_BYTES);
    for (uint32_t i = 0; i < program->n_views; i++) {
        struct vk_view *view = &program->views[i];
        if (view->buffer == span->buffer && view->begin == span->begin && view->end == end) {
            *out = view->handle;
            return OK;
        }
    }
    if (program->n_views == program->views_capacity) {
        const uint32_t capacity = program->views_capacity ? 2 * program->views_capacity : 64;
        struct vk_view *views = realloc(program->views, capacity * sizeof(*views));
        if (!views)
            return log_error(&device->log, ERROR_MEMORY, "out of memory for program %s",
                             program->name);
        program->views = views;
        program->views_capacity = capacity;
    }
    struct vk_view *view = &program->views[program->n_views];
    *view = (struct vk_view){.buffer = span->buffer, .begin = span->begin, .end = end};
    const VkBufferViewCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_BUFFER_VIEW_CREATE_INFO,
        .buffer = span->buffer,
        .format = VK_FORMAT_R32G32B32A32_UINT,
        .offset = span->begin,
        .range = end - span->begin,
    };
    const enum status status =
        vk_check(device, device->vk.vkCreateBufferView(device->handle, &info, NULL, &view->handle),
                 "vkCreateBufferView for", program->name);
    if (status)
        return status;
    device->work_count++;
    program->n_views++;
    *out = view->handle;
    return OK;
}

static enum status bind_set(gpu_program *program, const gpu_pipeline *pipeline,
                            const struct access *accesses)
{
    gpu_device *device = program->device;
    VkDescriptorBufferInfo buffers[GPU_MAX_BINDINGS];
    VkBufferView views[GPU_MAX_BINDINGS];
    VkWriteDescriptorSet writes[GPU_MAX_BINDINGS];
    VkDescriptorSet set;
    if (program->n_pools == 0 || program->pools[program->n_pools - 1].sets_left == 0) {
        enum status status = grow_pools(program);
        if (status)
            return status;
    }
    struct vk_descriptor_pool *pool = &program->pools[program->n_pools - 1];
    const VkDescriptorSetAllocateInfo info = {
        .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO,
        .descriptorPool = pool->handle,
        .descriptorSetCount = 1,
        .pSetLayouts = &pipeline->set_layout,
    };
    VkResult result = device->vk.vkAllocateDescriptorSets(device->handle, &info, &set);
    if (result != VK_SUCCESS)
        return vk_check(device, result, "vkAllocateDescriptorSets for", program->name);
    pool->sets_left--;
    for (uint32_t i = 0; i < pipeline->n_bindings; i++) {
        const struct vk_span *span = &accesses[i].span;
        buffers[i] = (VkDescriptorBufferInfo){span->buffer, span->begin, span->end - span->begin};
        writes[i] = (VkWriteDescriptorSet){
            .sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET,
            .dstSet = set,
            .dstBinding = i,
            .descriptorCount = 1,
            .descriptorType = vk_descriptor_type(pipeline, i),
            .pBufferInfo = &buffers[i],
            .pTexelBufferView = &views[i],
        };
        if (pipeline->texel_bindings >> i & 1) {
            const enum status status = get_view(program, span, &views[i]);
            if (status)
                return status;
        }
    }
    device->vk.vkUpdateDescriptorSets(device->handle, pipeline->n_bindings, writes, 0, NULL);
    device->vk.vkCmdBindDescriptorSets(program->commands, VK_PIPELINE_BIND_POINT_COMPUTE,
                                       pipeline->layout, 0, 1, &set, 0, NULL);
    device->work_count++;
    return OK;
}

static enum status begin_first_stage(gpu_program *program)
{
    return program->timestamps && program->stages.n_marks == 0
               ? gpu_program_stage(program, "unnamed")
               : OK;
}

static enum status record_dispatch(gpu_program *program, const gpu_pipeline *pipeline,
                                   const struct gpu_binding *bindings, const void *params,
                                   const uint32_t groups[3])
{
    const struct VolkDeviceTable *vk = &program->device->vk;
    struct access accesses[GPU_MAX_BINDINGS];
    struct gpu_extent extents[GPU_MAX_BINDINGS];
    struct gpu_signature signature;
    if (pipeline)
        signature =
            (struct gpu_signature){pipeline->name, pipeline->n_bindings, pipeline->params_bytes};
    enum status status =
        gpu_check_dispatch(program->device, program->name, pipeline ? &signature : NULL, bindings,
                           params, groups, extents);
    if (status || groups[0] == 0 || groups[1] == 0 || groups[2] == 0)
        return status;
    for (uint32_t i = 0; i < pipeline->n_bindings; i++) {
        const enum gpu_access access =
            bindings[i].access == GPU_UNUSED ? GPU_READ : bindings[i].access;
        accesses[i] = access_of(bindings[i].range.buffer, &extents[i], access);
    }
    if ((status = begin_first_stage(program)) ||
        (status = synchronize(program, accesses, pipeline->n_bindings,
                              VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT)))
        return status;
    if (program->bound != pipeline->handle)
        vk->vkCmdBindPipeline(program->commands, VK_PIPELINE_BIND_POINT_COMPUTE, pipeline->handle);
    program->bound = pipeline->handle;
    if (pipeline->n_bindings && (status = bind_set(program, pipeline, accesses)))
        return status;
    if (pipeline->params_bytes)
        vk->vkCmdPushConstants(program->commands, pipeline->layout, VK_SHADER_STAGE_COMPUTE_BIT, 0,
                               pipeline->params_bytes, params);
    vk->vkCmdDispatch(program->commands, groups[0], groups[1], groups[2]);
    program->counts.dispatches++;
    return OK;
}

enum status gpu_program_dispatch(gpu_program *program, const gpu_pipeline *pipeline,
                                 const struct gpu_binding *bindings, const void *params,
                                 const uint32_t groups[3])
{
    enum status status = vk_program_check(program);
    if (!status)
        status = program->failed = record_dispatch(program, pipeline, bindings, params, groups);
    return status;
}

static enum status record_copy(gpu_program *program, const struct gpu_range *from,
                               const struct gpu_range *to)
{
    struct gpu_extent extents[2];
    enum status status = gpu_check_copy(log_of(program), program->name, from, to, extents);
    if (status)
        return status;
    const struct access accesses[2] = {access_of(from->buffer, &extents[0], GPU_READ),
                                       access_of(to->buffer, &extents[1], GPU_WRITE)};
    const VkBufferCopy region = {extents[0].begin, extents[1].begin,
                                 extents[0].end - extents[0].begin};
    status = begin_first_stage(program);
    if (!status)
        status = synchronize(program, accesses, 2, VK_PIPELINE_STAGE_TRANSFER_BIT);
    if (status)
        return status;
    program->device->vk.vkCmdCopyBuffer(program->commands, from->buffer->handle, to->buffer->handle,
                                        1, &region);
    program->counts.copies++;
    return OK;
}

enum status gpu_program_copy(gpu_program *program, const struct gpu_range *from,
                             const struct gpu_range *to)
{
    enum status status = vk_program_check(program);
    if (!status)
        status = program->failed = record_copy(program, from, to);
    return status;
}

enum status gpu_program_end(gpu_program *program)
{
    enum status status = vk_program_check(program);
    if (status)
        return status;
    gpu_device *device = program->device;
    gpu_stages_count(&program->stages, &program->counts);
    vk_timers_mark(program, program->stages.n_marks);
    if (program->wrote_host)
        vk_host_barrier(device, program->commands);
    program->failed = vk_check(device, device->vk.vkEndCommandBuffer(program->commands),
                               "vkEndCommandBuffer for", program->name);
    vk_hazards_deinit(&program->hazards);
    program->ended = true;
    return program->failed;
}

enum status gpu_program_submit(gpu_program *program, uint64_t *ticket)
{
    uint64_t value;
    if (!program)
        return ERROR_ARGUMENT;
    if (program->failed || !program->ended)
        return log_error(log_of(program), ERROR_ARGUMENT, "program %s was not recorded to its end",
                         program->name);
    enum status status = vk_submit(program->device, program->commands, program->name, &value);
    if (status)
        return status;
    program->last_ticket = value;
    if (ticket)
        *ticket = value;
    return OK;
}

void gpu_program_destroy(gpu_device *device, gpu_program **handle)
{
    gpu_program *program = handle ? *handle : NULL;
    if (!program)
        return;
    *handle = NULL;
    vk_wait_quietly(device, program->last_ticket);
    for (uint32_t i = 0; i < program->n_pools; i++)
        device->vk.vkDestroyDescriptorPool(device->handle, program->pools[i].handle, NULL);
    free(program->pools);
    for (uint32_t i = 0; i < program->n_views; i++)
        device->vk.vkDestroyBufferView(device->handle, program->views[i].handle, NULL);
    free(program->views);
    vk_hazards_deinit(&program->hazards);
    device->vk.vkDestroyQueryPool(device->handle, program->timestamps, NULL);
    device->vk.vkDestroyCommandPool(device->handle, program->command_pool, NULL);
    free(program);
}

struct gpu_program_counts gpu_program_get_counts(const gpu_program *program)
{
    return program->counts;
}
