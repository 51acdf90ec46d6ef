/* SPDX-License-Identifier: MIT
 *
 * Stage times of a program: a timestamp where each stage begins, and one at the end.
 */
#include "runtime/vulkan/vk.h"

enum status vk_timers_create(gpu_program *program)
{
    gpu_device *device = program->device;
    const VkQueryPoolCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_QUERY_POOL_CREATE_INFO,
        .queryType = VK_QUERY_TYPE_TIMESTAMP,
        .queryCount = GPU_MAX_MARKS + 1,
    };
    enum status status = vk_check(
        device, device->vk.vkCreateQueryPool(device->handle, &info, NULL, &program->timestamps),
        "vkCreateQueryPool for", program->name);
    if (!status)
        device->vk.vkCmdResetQueryPool(program->commands, program->timestamps, 0,
                                       GPU_MAX_MARKS + 1);
    return status;
}

void vk_timers_mark(gpu_program *program, uint32_t mark)
{
    if (program->timestamps)
        program->device->vk.vkCmdWriteTimestamp(
            program->commands, VK_PIPELINE_STAGE_BOTTOM_OF_PIPE_BIT, program->timestamps, mark);
}

static enum status record_stage(gpu_program *program, const char *name)
{
    bool marked;
    enum status status = gpu_stages_begin(&program->stages, &program->device->log, program->name,
                                          name, &program->counts, &marked);
    if (!status && marked)
        vk_timers_mark(program, program->stages.n_marks - 1);
    return status;
}

enum status gpu_program_stage(gpu_program *program, const char *name)
{
    enum status status = vk_program_check(program);
    if (!status)
        status = program->failed = record_stage(program, name);
    return status;
}

struct gpu_program_counts gpu_program_stage_counts(const gpu_program *program, uint32_t stage)
{
    return stage < program->stages.n_stages ? program->stages.counts[stage]
                                            : (struct gpu_program_counts){0};
}

enum status gpu_program_times(gpu_program *program, const char **names, double *ns, uint32_t *count)
{
    uint64_t ticks[GPU_MAX_MARKS + 1];
    double mark_ns[GPU_MAX_MARKS];
    bool done = false;
    if (!program || !count || ((!names || !ns) && *count > 0))
        return ERROR_ARGUMENT;
    gpu_device *device = program->device;
    const uint32_t n_marks = program->stages.n_marks;
    if (!program->timestamps || n_marks == 0) {
        *count = 0;
        return OK;
    }
    if (program->last_ticket == 0)
        return log_error(&device->log, ERROR_ARGUMENT, "program %s was never submitted",
                         program->name);
    enum status status = gpu_done(device, program->last_ticket, &done);
    if (status)
        return status;
    if (!done)
        return log_error(&device->log, ERROR_ARGUMENT, "program %s is still in flight",
                         program->name);
    VkResult result = device->vk.vkGetQueryPoolResults(device->handle, program->timestamps, 0,
                                                       n_marks + 1, sizeof(ticks), ticks,
                                                       sizeof(ticks[0]), VK_QUERY_RESULT_64_BIT);
    if (result == VK_NOT_READY)
        return log_error(&device->log, ERROR_DEVICE, "program %s finished without its timestamps",
                         program->name);
    if (result != VK_SUCCESS)
        return vk_check(device, result, "vkGetQueryPoolResults for", program->name);
    uint32_t bits = device->physical.timestamp_bits;
    uint64_t mask = bits < 64 ? (1ull << bits) - 1 : UINT64_MAX;
    for (uint32_t i = 0; i < n_marks; i++)
        mark_ns[i] =
            (double)((ticks[i + 1] - ticks[i]) & mask) * device->physical.info.timestamp_ns;
    gpu_stages_sum(&program->stages, mark_ns, names, ns, count);
    return OK;
}
