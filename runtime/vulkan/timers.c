/* SPDX-License-Identifier: MIT
 *
 * Stage times of a program: a timestamp where each stage begins, and one at the end.
 */
#include "runtime/vulkan/vk.h"

#include <string.h>

enum status vk_timers_create(gpu_program *program)
{
    gpu_device *device = program->device;
    const VkQueryPoolCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_QUERY_POOL_CREATE_INFO,
        .queryType = VK_QUERY_TYPE_TIMESTAMP,
        .queryCount = VK_MAX_MARKS + 1,
    };
    enum status status = vk_check(
        device, device->vk.vkCreateQueryPool(device->handle, &info, NULL, &program->timers.pool),
        "vkCreateQueryPool for", program->name);
    if (!status)
        device->vk.vkCmdResetQueryPool(program->commands, program->timers.pool, 0,
                                       VK_MAX_MARKS + 1);
    return status;
}

/* Books what was recorded since the last mark on the stage that it began. */
static void count_stage(gpu_program *program)
{
    struct vk_timers *timers = &program->timers;
    const struct gpu_program_counts now = program->counts, then = timers->at_mark;
    if (timers->n_marks > 0) {
        struct gpu_program_counts *sum = &timers->counts[timers->stages[timers->n_marks - 1]];
        sum->dispatches += now.dispatches - then.dispatches;
        sum->copies += now.copies - then.copies;
        sum->barriers += now.barriers - then.barriers;
    }
    timers->at_mark = now;
}

void vk_timers_mark(gpu_program *program)
{
    count_stage(program);
    if (program->timers.pool)
        program->device->vk.vkCmdWriteTimestamp(program->commands,
                                                VK_PIPELINE_STAGE_BOTTOM_OF_PIPE_BIT,
                                                program->timers.pool, program->timers.n_marks);
}

static enum status record_stage(gpu_program *program, const char *name)
{
    struct vk_timers *timers = &program->timers;
    uint32_t stage = 0;
    if (!name)
        return log_error(&program->device->log, ERROR_ARGUMENT,
                         "program %s: a stage without a name", program->name);
    while (stage < timers->n_stages && strcmp(timers->names[stage], name))
        stage++;
    if (timers->n_marks > 0 && timers->stages[timers->n_marks - 1] == stage)
        return OK;
    if (stage == VK_MAX_STAGES || timers->n_marks == VK_MAX_MARKS)
        return log_error(&program->device->log, ERROR_ARGUMENT,
                         "program %s: stage %s is one too many (%d stages, %d changes)",
                         program->name, name, VK_MAX_STAGES, VK_MAX_MARKS);
    if (stage == timers->n_stages)
        timers->names[timers->n_stages++] = name;
    vk_timers_mark(program);
    timers->stages[timers->n_marks++] = (uint8_t)stage;
    return OK;
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
    return stage < program->timers.n_stages ? program->timers.counts[stage]
                                            : (struct gpu_program_counts){0};
}

enum status gpu_program_times(gpu_program *program, const char **names, double *ns, uint32_t *count)
{
    uint64_t ticks[VK_MAX_MARKS + 1];
    double sums[VK_MAX_STAGES] = {0};
    bool done = false;
    if (!program || !count || ((!names || !ns) && *count > 0))
        return ERROR_ARGUMENT;
    gpu_device *device = program->device;
    const struct vk_timers *timers = &program->timers;
    if (!timers->pool || timers->n_marks == 0) {
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
    VkResult result = device->vk.vkGetQueryPoolResults(device->handle, timers->pool, 0,
                                                       timers->n_marks + 1, sizeof(ticks), ticks,
                                                       sizeof(ticks[0]), VK_QUERY_RESULT_64_BIT);
    if (result == VK_NOT_READY)
        return log_error(&device->log, ERROR_DEVICE, "program %s finished without its timestamps",
                         program->name);
    if (result != VK_SUCCESS)
        return vk_check(device, result, "vkGetQueryPoolResults for", program->name);
    uint32_t bits = device->physical.timestamp_bits;
    uint64_t mask = bits < 64 ? (1ull << bits) - 1 : UINT64_MAX;
    for (uint32_t i = 0; i < timers->n_marks; i++)
        sums[timers->stages[i]] +=
            (double)((ticks[i + 1] - ticks[i]) & mask) * device->physical.info.timestamp_ns;
    for (uint32_t i = 0; i < timers->n_stages && i < *count; i++) {
        names[i] = timers->names[i];
        ns[i] = sums[i];
    }
    *count = timers->n_stages;
    return OK;
}
