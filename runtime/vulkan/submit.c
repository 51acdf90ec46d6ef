/* SPDX-License-Identifier: MIT */
#include "runtime/vulkan/vk.h"

#define HOST_ACCESS (VK_ACCESS_HOST_READ_BIT | VK_ACCESS_HOST_WRITE_BIT)
#define DEVICE_WRITES (VK_ACCESS_SHADER_WRITE_BIT | VK_ACCESS_TRANSFER_WRITE_BIT)
#define DEVICE_ACCESS (DEVICE_WRITES | VK_ACCESS_SHADER_READ_BIT | VK_ACCESS_TRANSFER_READ_BIT)

void vk_full_barrier(const gpu_device *device, VkCommandBuffer commands)
{
    const VkMemoryBarrier barrier = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER,
        .srcAccessMask = DEVICE_WRITES | VK_ACCESS_HOST_WRITE_BIT,
        .dstAccessMask = DEVICE_ACCESS,
    };
    device->vk.vkCmdPipelineBarrier(commands, VK_DEVICE_STAGES | VK_PIPELINE_STAGE_HOST_BIT,
                                    VK_DEVICE_STAGES, 0, 1, &barrier, 0, NULL, 0, NULL);
}

void vk_host_barrier(const gpu_device *device, VkCommandBuffer commands)
{
    const VkMemoryBarrier barrier = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER,
        .srcAccessMask = DEVICE_WRITES,
        .dstAccessMask = HOST_ACCESS,
    };
    device->vk.vkCmdPipelineBarrier(commands, VK_DEVICE_STAGES, VK_PIPELINE_STAGE_HOST_BIT, 0, 1,
                                    &barrier, 0, NULL, 0, NULL);
}

enum status vk_submit(gpu_device *device, VkCommandBuffer commands, const char *name,
                      uint64_t *ticket)
{
    if (device->lost)
        return ERROR_DEVICE;
    const uint64_t value = device->last_ticket + 1;
    const VkTimelineSemaphoreSubmitInfo timeline = {
        .sType = VK_STRUCTURE_TYPE_TIMELINE_SEMAPHORE_SUBMIT_INFO,
        .signalSemaphoreValueCount = 1,
        .pSignalSemaphoreValues = &value,
    };
    const VkSubmitInfo info = {
        .sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
        .pNext = &timeline,
        .commandBufferCount = 1,
        .pCommandBuffers = &commands,
        .signalSemaphoreCount = 1,
        .pSignalSemaphores = &device->timeline,
    };
    VkResult result = device->vk.vkQueueSubmit(device->queue, 1, &info, VK_NULL_HANDLE);
    if (result != VK_SUCCESS)
        return vk_check(device, result, "submitting", name);
    device->last_ticket = value;
    *ticket = value;
    return OK;
}

static VkResult wait(const gpu_device *device, uint64_t ticket, uint64_t timeout_ns)
{
    const VkSemaphoreWaitInfo info = {
        .sType = VK_STRUCTURE_TYPE_SEMAPHORE_WAIT_INFO,
        .semaphoreCount = 1,
        .pSemaphores = &device->timeline,
        .pValues = &ticket,
    };
    return device->vk.vkWaitSemaphores(device->handle, &info, timeout_ns);
}

void vk_wait_quietly(gpu_device *device, uint64_t ticket)
{
    if (ticket > 0 && !device->lost && wait(device, ticket, UINT64_MAX) == VK_ERROR_DEVICE_LOST)
        device->lost = true;
}

static enum status check_ticket(gpu_device *device, uint64_t ticket)
{
    if (device->lost)
        return ERROR_DEVICE;
    if (ticket > device->last_ticket)
        return log_error(&device->log, ERROR_ARGUMENT,
                         "ticket %llu was not given out yet; the last one is %llu",
                         (unsigned long long)ticket, (unsigned long long)device->last_ticket);
    return OK;
}

enum status gpu_done(gpu_device *device, uint64_t ticket, bool *done)
{
    uint64_t value = 0;
    if (!device || !done)
        return ERROR_ARGUMENT;
    enum status status = check_ticket(device, ticket);
    if (status)
        return status;
    VkResult result =
        device->vk.vkGetSemaphoreCounterValue(device->handle, device->timeline, &value);
    if (result != VK_SUCCESS)
        return vk_check(device, result, "vkGetSemaphoreCounterValue", NULL);
    *done = value >= ticket;
    return OK;
}

enum status gpu_wait(gpu_device *device, uint64_t ticket, uint64_t timeout_ns)
{
    if (!device)
        return ERROR_ARGUMENT;
    enum status status = check_ticket(device, ticket);
    if (status || ticket == 0)
        return status;
    VkResult result = wait(device, ticket, timeout_ns);
    if (result == VK_TIMEOUT)
        return log_error(&device->log, ERROR_DEVICE, "%s did not finish within %.1f ms",
                         device->physical.info.name, (double)timeout_ns / 1e6);
    return vk_check(device, result, "vkWaitSemaphores", NULL);
}

enum status vk_once_begin(gpu_device *device, VkCommandBuffer *commands)
{
    const VkCommandBufferBeginInfo info = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO,
        .flags = VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT,
    };
    if (device->lost)
        return ERROR_DEVICE;
    VkResult result = device->vk.vkResetCommandPool(device->handle, device->once_pool, 0);
    if (result == VK_SUCCESS)
        result = device->vk.vkBeginCommandBuffer(device->once, &info);
    if (result != VK_SUCCESS)
        return vk_check(device, result, "vkBeginCommandBuffer", NULL);
    device->work_count++;
    vk_full_barrier(device, device->once);
    *commands = device->once;
    return OK;
}

enum status vk_once_run(gpu_device *device)
{
    uint64_t ticket;
    vk_host_barrier(device, device->once);
    enum status status =
        vk_check(device, device->vk.vkEndCommandBuffer(device->once), "vkEndCommandBuffer", NULL);
    if (!status)
        status = vk_submit(device, device->once, "a copy", &ticket);
    if (!status)
        status = gpu_wait(device, ticket, UINT64_MAX);
    return status;
}
