/* SPDX-License-Identifier: MIT */
#include "runtime/vulkan/vk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *vk_result_text(VkResult result)
{
    switch (result) {
    case VK_SUCCESS: return "success";
    case VK_NOT_READY: return "not ready";
    case VK_TIMEOUT: return "timeout";
    case VK_INCOMPLETE: return "incomplete";
    case VK_ERROR_OUT_OF_HOST_MEMORY: return "out of host memory";
    case VK_ERROR_OUT_OF_DEVICE_MEMORY: return "out of device memory";
    case VK_ERROR_INITIALIZATION_FAILED: return "initialization failed";
    case VK_ERROR_DEVICE_LOST: return "device lost";
    case VK_ERROR_MEMORY_MAP_FAILED: return "mapping failed";
    case VK_ERROR_LAYER_NOT_PRESENT: return "layer not present";
    case VK_ERROR_EXTENSION_NOT_PRESENT: return "extension not present";
    case VK_ERROR_FEATURE_NOT_PRESENT: return "feature not present";
    case VK_ERROR_INCOMPATIBLE_DRIVER: return "incompatible driver";
    case VK_ERROR_TOO_MANY_OBJECTS: return "too many objects";
    case VK_ERROR_FRAGMENTED_POOL: return "fragmented pool";
    case VK_ERROR_OUT_OF_POOL_MEMORY: return "out of pool memory";
    case VK_ERROR_INVALID_SHADER_NV: return "invalid shader";
    default: return "unexpected result";
    }
}

enum status vk_check(gpu_device *device, VkResult result, const char *what, const char *name)
{
    enum status status = ERROR_DEVICE;
    if (result >= VK_SUCCESS)
        return OK;
    if (result == VK_ERROR_OUT_OF_HOST_MEMORY)
        status = ERROR_MEMORY;
    else if (result == VK_ERROR_OUT_OF_DEVICE_MEMORY || result == VK_ERROR_TOO_MANY_OBJECTS)
        status = ERROR_DEVICE_MEMORY;
    if (result == VK_ERROR_DEVICE_LOST) {
        if (device->lost)
            return ERROR_DEVICE;
        device->lost = true;
    }
    return log_error(&device->log, status, "%s%s%s failed: %s (%d)", what, name ? " " : "",
                     name ? name : "", vk_result_text(result), result);
}

void vk_copy_name(char name[VK_NAME_BYTES], const char *from)
{
    snprintf(name, VK_NAME_BYTES, "%s", from ? from : "unnamed");
}

enum status gpu_enumerate(const struct log *log, struct gpu_device_info *infos, uint32_t *count)
{
    struct vk_instance instance;
    struct vk_physical physical;
    VkPhysicalDevice *list = NULL;
    uint32_t n = 0;
    if (!count || (!infos && *count > 0))
        return log_error(log, ERROR_ARGUMENT, "gpu_enumerate: no place for the answer");
    enum status status = vk_instance_init(&instance, log, NULL);
    if (status)
        return status;
    status = vk_instance_list(&instance, log, &list, &n);
    for (uint32_t i = 0; !status && i < n && i < *count; i++) {
        status = vk_physical_describe(&instance, log, list[i], i, &physical);
        if (!status)
            infos[i] = physical.info;
    }
    free(list);
    vk_instance_deinit(&instance);
    if (!status)
        *count = n;
    return status;
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool contains(const char *text, const char *part)
{
    for (; *text; text++) {
        size_t i = 0;
        while (part[i] && lower(text[i]) == lower(part[i]))
            i++;
        if (!part[i])
            return true;
    }
    return false;
}

#define LARGEST_INDEX 99

/* UINT32_MAX: not a number, or too large for an index. */
static uint32_t parse_index(const char *text)
{
    uint32_t value = 0;
    if (!*text)
        return UINT32_MAX;
    for (; *text; text++) {
        if (*text < '0' || *text > '9' || value > 99999)
            return UINT32_MAX;
        value = value * 10 + (uint32_t)(*text - '0');
    }
    return value;
}

static int rank(const struct gpu_device_info *info)
{
    static const int order[] = {
        [GPU_TYPE_DISCRETE] = 5, [GPU_TYPE_INTEGRATED] = 4, [GPU_TYPE_VIRTUAL] = 3,
        [GPU_TYPE_OTHER] = 2,    [GPU_TYPE_CPU] = 1,
    };
    return order[info->type] + (info->unusable[0] ? 0 : 10);
}

static enum status log_no_match(const struct log *log, const char *wanted, const char *names,
                                uint32_t n)
{
    if (n == 0)
        return log_error(
            log, ERROR_NO_DEVICE,
            "there is no Vulkan device; mesa-vulkan-drivers (Debian) has a driver for CPUs");
    return log_error(log, ERROR_NO_DEVICE, "no Vulkan device matches \"%s\"; there %s: %s", wanted,
                     n == 1 ? "is" : "are", names);
}

static enum status choose(gpu_device *device, const char *wanted)
{
    const struct log *log = &device->log;
    struct vk_physical candidate;
    VkPhysicalDevice *list = NULL;
    char names[512] = "";
    size_t names_used = 0;
    int best = -1;
    uint32_t n = 0;
    enum status status = vk_instance_list(&device->instance, log, &list, &n);
    if (status)
        return status;
    uint32_t index = wanted ? parse_index(wanted) : UINT32_MAX;
    for (uint32_t i = 0; i < n; i++) {
        status = vk_physical_describe(&device->instance, log, list[i], i, &candidate);
        if (status)
            goto done;
        if (names_used < sizeof(names))
            names_used += (size_t)snprintf(names + names_used, sizeof(names) - names_used,
                                           "%s%u: %s", i ? ", " : "", i, candidate.info.name);
        /* A small number is an index; a large one may be part of a name, such as 4090. */
        bool match = !wanted ||
                     (index <= LARGEST_INDEX ? i == index : contains(candidate.info.name, wanted));
        if (match && rank(&candidate.info) > best) {
            best = rank(&candidate.info);
            device->physical = candidate;
        }
    }
    const struct gpu_device_info *info = &device->physical.info;
    if (best < 0)
        status = log_no_match(log, wanted ? wanted : "", names, n);
    else if (info->unusable[0])
        status = log_error(log, wanted ? ERROR_UNSUPPORTED : ERROR_NO_DEVICE,
                           "%s cannot be used: %s", info->name, info->unusable);
done:
    free(list);
    return status;
}

static enum status create_device(gpu_device *device)
{
    const struct vk_physical *physical = &device->physical;
    const char *extensions[4];
    uint32_t n_extensions = 0;
    if (physical->info.features & GPU_FEATURE_MEMORY_BUDGET)
        extensions[n_extensions++] = VK_EXT_MEMORY_BUDGET_EXTENSION_NAME;
    if (physical->has_portability_subset)
        extensions[n_extensions++] = "VK_KHR_portability_subset";
    if (physical->has_subgroup_size_control)
        extensions[n_extensions++] = VK_EXT_SUBGROUP_SIZE_CONTROL_EXTENSION_NAME;
    const bool integer_dot = physical->info.features & GPU_FEATURE_INTEGER_DOT;
    if (integer_dot)
        extensions[n_extensions++] = VK_KHR_SHADER_INTEGER_DOT_PRODUCT_EXTENSION_NAME;
    const float priority = 1.0f;
    const VkDeviceQueueCreateInfo queue = {
        .sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO,
        .queueFamilyIndex = physical->queue_family,
        .queueCount = 1,
        .pQueuePriorities = &priority,
    };
    VkPhysicalDeviceSubgroupSizeControlFeaturesEXT subgroups = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_SIZE_CONTROL_FEATURES_EXT,
        .subgroupSizeControl = VK_TRUE,
    };
    VkPhysicalDeviceShaderIntegerDotProductFeaturesKHR dot = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_INTEGER_DOT_PRODUCT_FEATURES_KHR,
        .pNext = physical->has_subgroup_size_control ? &subgroups : NULL,
        .shaderIntegerDotProduct = VK_TRUE,
    };
    const VkPhysicalDeviceTimelineSemaphoreFeatures timeline = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_TIMELINE_SEMAPHORE_FEATURES,
        .pNext = integer_dot ? (void *)&dot : dot.pNext,
        .timelineSemaphore = VK_TRUE,
    };
    const VkDeviceCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO,
        .pNext = &timeline,
        .queueCreateInfoCount = 1,
        .pQueueCreateInfos = &queue,
        .enabledExtensionCount = n_extensions,
        .ppEnabledExtensionNames = extensions,
    };
    VkResult result =
        vk_open_device(&device->instance, physical->handle, &info, &device->handle, &device->vk);
    if (result != VK_SUCCESS)
        return vk_check(device, result, "vkCreateDevice", physical->info.name);
    device->vk.vkGetDeviceQueue(device->handle, physical->queue_family, 0, &device->queue);
    return OK;
}

static enum status create_timeline(gpu_device *device)
{
    const VkSemaphoreTypeCreateInfo type = {
        .sType = VK_STRUCTURE_TYPE_SEMAPHORE_TYPE_CREATE_INFO,
        .semaphoreType = VK_SEMAPHORE_TYPE_TIMELINE,
    };
    const VkSemaphoreCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO,
        .pNext = &type,
    };
    return vk_check(device,
                    device->vk.vkCreateSemaphore(device->handle, &info, NULL, &device->timeline),
                    "vkCreateSemaphore", NULL);
}

static enum status create_once(gpu_device *device)
{
    const VkCommandPoolCreateInfo pool = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
        .flags = VK_COMMAND_POOL_CREATE_TRANSIENT_BIT,
        .queueFamilyIndex = device->physical.queue_family,
    };
    enum status status = vk_check(
        device, device->vk.vkCreateCommandPool(device->handle, &pool, NULL, &device->once_pool),
        "vkCreateCommandPool", NULL);
    if (status)
        return status;
    const VkCommandBufferAllocateInfo commands = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
        .commandPool = device->once_pool,
        .level = VK_COMMAND_BUFFER_LEVEL_PRIMARY,
        .commandBufferCount = 1,
    };
    return vk_check(device,
                    device->vk.vkAllocateCommandBuffers(device->handle, &commands, &device->once),
                    "vkAllocateCommandBuffers", NULL);
}

enum status gpu_device_create(const struct gpu_device_params *params, gpu_device **out)
{
    if (!params || !out)
        return ERROR_ARGUMENT;
    gpu_device *device = calloc(1, sizeof(*device));
    if (!device)
        return log_error(&params->log, ERROR_MEMORY, "out of memory for a device");
    device->log = params->log;
    device->arena.limit_bytes = params->memory_limit_bytes;

    enum status status =
        vk_instance_init(&device->instance, &device->log, params->validation ? device : NULL);
    if (status)
        goto fail;
    if ((status = choose(device, params->device)) || (status = create_device(device)) ||
        (status = create_timeline(device)) || (status = create_once(device)) ||
        (status = vk_cache_load(device, params->cache_dir)))
        goto fail;
    vk_arena_init(device);
    log_write(&device->log, LOG_DEBUG, "device %u: %s (%s)", device->physical.info.index,
              device->physical.info.name, device->physical.info.driver);
    *out = device;
    return OK;
fail:
    gpu_device_destroy(&device);
    return status;
}

void gpu_device_destroy(gpu_device **handle)
{
    gpu_device *device = handle ? *handle : NULL;
    if (!device)
        return;
    *handle = NULL;
    if (device->handle) {
        const struct VolkDeviceTable *vk = &device->vk;
        vk->vkDeviceWaitIdle(device->handle);
        vk_cache_save(device);
        for (size_t i = 0; i < COUNT_OF(device->staging); i++)
            gpu_buffer_destroy(device, &device->staging[i]);
        vk->vkDestroyPipelineCache(device->handle, device->cache.handle, NULL);
        vk->vkDestroyCommandPool(device->handle, device->once_pool, NULL);
        vk->vkDestroySemaphore(device->handle, device->timeline, NULL);
        vk_close_device(device->handle, vk);
    }
    free(device->cache.path);
    free(device->cache.dir);
    vk_instance_deinit(&device->instance);
    free(device);
}

const struct gpu_device_info *gpu_device_get_info(const gpu_device *device)
{
    return &device->physical.info;
}

const struct log *gpu_device_log(const gpu_device *device)
{
    return &device->log;
}

uint32_t gpu_device_validation_messages(const gpu_device *device)
{
    return device->validation_messages;
}

uint64_t gpu_device_work_count(const gpu_device *device)
{
    return device->work_count;
}
