/* SPDX-License-Identifier: MIT */
#include "runtime/vulkan/vk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MIN_BINDING_BYTES (128ull << 20)
#define MIN_INVOCATIONS 256
#define MIN_SHARED_BYTES (16u << 10)
#define VENDOR_INTEL 0x8086 /* its drivers choose a subgroup size for each pipeline */

static enum gpu_device_type device_type(VkPhysicalDeviceType type)
{
    switch (type) {
    case VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU: return GPU_TYPE_INTEGRATED;
    case VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU: return GPU_TYPE_DISCRETE;
    case VK_PHYSICAL_DEVICE_TYPE_VIRTUAL_GPU: return GPU_TYPE_VIRTUAL;
    case VK_PHYSICAL_DEVICE_TYPE_CPU: return GPU_TYPE_CPU;
    default: return GPU_TYPE_OTHER;
    }
}

/* A family without graphics leaves the desktop's queue alone. */
static enum status find_queue(const struct vk_instance *instance, const struct log *log,
                              struct vk_physical *p)
{
    uint32_t count = 0;
    p->queue_family = UINT32_MAX;
    instance->vkGetPhysicalDeviceQueueFamilyProperties(p->handle, &count, NULL);
    if (count == 0)
        return OK;
    VkQueueFamilyProperties *list = calloc(count, sizeof(*list));
    if (!list)
        return log_error(log, ERROR_MEMORY, "out of memory for %u queue families", count);
    instance->vkGetPhysicalDeviceQueueFamilyProperties(p->handle, &count, list);
    int best = -1;
    for (uint32_t i = 0; i < count; i++) {
        if (!(list[i].queueFlags & VK_QUEUE_COMPUTE_BIT) || list[i].queueCount == 0)
            continue;
        int score = (list[i].timestampValidBits ? 2 : 0) +
                    (list[i].queueFlags & VK_QUEUE_GRAPHICS_BIT ? 0 : 1);
        if (score > best) {
            best = score;
            p->queue_family = i;
            p->timestamp_bits = list[i].timestampValidBits;
        }
    }
    free(list);
    return OK;
}

static enum status find_extensions(const struct vk_instance *instance, const struct log *log,
                                   struct vk_physical *p)
{
    uint32_t count = 0;
    VkResult result = instance->vkEnumerateDeviceExtensionProperties(p->handle, NULL, &count, NULL);
    if (result != VK_SUCCESS || count == 0)
        return OK;
    VkExtensionProperties *list = calloc(count, sizeof(*list));
    if (!list)
        return log_error(log, ERROR_MEMORY, "out of memory for %u device extensions", count);
    if (instance->vkEnumerateDeviceExtensionProperties(p->handle, NULL, &count, list) < VK_SUCCESS)
        count = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (!strcmp(list[i].extensionName, VK_EXT_MEMORY_BUDGET_EXTENSION_NAME))
            p->info.features |= GPU_FEATURE_MEMORY_BUDGET;
        else if (!strcmp(list[i].extensionName, "VK_KHR_portability_subset"))
            p->has_portability_subset = true;
        else if (!strcmp(list[i].extensionName, VK_EXT_SUBGROUP_SIZE_CONTROL_EXTENSION_NAME))
            p->has_subgroup_size_control = true;
        else if (!strcmp(list[i].extensionName, VK_KHR_SHADER_INTEGER_DOT_PRODUCT_EXTENSION_NAME))
            p->info.features |= GPU_FEATURE_INTEGER_DOT;
    }
    free(list);
    return OK;
}

/* Left alone, some drivers take another subgroup size for each pipeline, and sums another order. Of
 * the sizes there are, the least from 16 on: more subgroups wait for memory side by side. */
static void find_subgroup_size(const struct vk_instance *instance, struct vk_physical *p)
{
    VkPhysicalDeviceSubgroupSizeControlFeaturesEXT control = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_SIZE_CONTROL_FEATURES_EXT,
    };
    VkPhysicalDeviceFeatures2 features = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2,
        .pNext = &control,
    };
    VkPhysicalDeviceSubgroupSizeControlPropertiesEXT sizes = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_SIZE_CONTROL_PROPERTIES_EXT,
    };
    VkPhysicalDeviceProperties2 properties = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2,
        .pNext = &sizes,
    };
    p->varying_subgroup_size = p->properties.vendorID == VENDOR_INTEL;
    if (!p->has_subgroup_size_control)
        return;
    instance->vkGetPhysicalDeviceFeatures2(p->handle, &features);
    instance->vkGetPhysicalDeviceProperties2(p->handle, &properties);
    const uint32_t size = MIN(MAX(sizes.minSubgroupSize, 16), sizes.maxSubgroupSize);
    p->has_subgroup_size_control =
        control.subgroupSizeControl &&
        (sizes.requiredSubgroupSizeStages & VK_SHADER_STAGE_COMPUTE_BIT) &&
        size * sizes.maxComputeWorkgroupSubgroups >= MIN_INVOCATIONS;
    if (p->has_subgroup_size_control)
        p->required_subgroup_size = size;
    p->varying_subgroup_size =
        !p->has_subgroup_size_control && sizes.minSubgroupSize != sizes.maxSubgroupSize;
}

/* Signed bytes packed in words are part of the one feature that there is. */
static void find_integer_dot(const struct vk_instance *instance, struct vk_physical *p)
{
    VkPhysicalDeviceShaderIntegerDotProductFeaturesKHR dot = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_INTEGER_DOT_PRODUCT_FEATURES_KHR,
    };
    VkPhysicalDeviceFeatures2 features = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2,
        .pNext = &dot,
    };
    if (!(p->info.features & GPU_FEATURE_INTEGER_DOT))
        return;
    instance->vkGetPhysicalDeviceFeatures2(p->handle, &features);
    if (!dot.shaderIntegerDotProduct)
        p->info.features &= ~(uint32_t)GPU_FEATURE_INTEGER_DOT;
}

uint32_t vk_memory_type(const VkPhysicalDeviceMemoryProperties *memory, bool discrete,
                        uint32_t type_bits, enum gpu_memory kind)
{
    /* Memory of these types needs features that are not enabled, or is slow for the device. */
    const VkMemoryPropertyFlags never =
        VK_MEMORY_PROPERTY_PROTECTED_BIT | VK_MEMORY_PROPERTY_LAZILY_ALLOCATED_BIT |
        VK_MEMORY_PROPERTY_DEVICE_COHERENT_BIT_AMD | VK_MEMORY_PROPERTY_DEVICE_UNCACHED_BIT_AMD |
        VK_MEMORY_PROPERTY_RDMA_CAPABLE_BIT_NV;
    const VkMemoryPropertyFlags mapped =
        VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
    uint32_t best = UINT32_MAX;
    int best_score = -1;
    for (uint32_t i = 0; i < memory->memoryTypeCount; i++) {
        VkMemoryPropertyFlags flags = memory->memoryTypes[i].propertyFlags;
        bool local = flags & VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT;
        bool visible = flags & VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT;
        bool cached = flags & VK_MEMORY_PROPERTY_HOST_CACHED_BIT;
        int score = 0;
        if (!(type_bits & (1u << i)) || (flags & never))
            continue;
        if (kind == GPU_MEMORY_DEVICE)
            score = (local ? 4 : 0) + (visible && discrete ? 0 : 2) + (cached ? 0 : 1);
        else if ((flags & mapped) != mapped)
            continue;
        else if (kind == GPU_MEMORY_UPLOAD) /* a discrete device's visible local memory is scarce */
            score = (local == discrete ? 0 : 4) + (cached ? 0 : 2);
        else
            score = (cached ? 4 : 0) + (local == discrete ? 0 : 2);
        if (score > best_score) {
            best_score = score;
            best = i;
        }
    }
    return best;
}

/* A CPU device's heap is the host's memory, but lavapipe reports 2 GiB whatever the machine has.
 * Returns what the kernel says is available, or 0 if it says nothing. */
static uint64_t host_memory(const char *key)
{
    char line[128];
    unsigned long long kib = 0;
    FILE *file = fopen("/proc/meminfo", "r");
    const size_t length = strlen(key);
    if (!file)
        return 0;
    while (fgets(line, sizeof(line), file))
        if (!strncmp(line, key, length) && sscanf(line + length, ": %llu", &kib) == 1)
            break;
    fclose(file);
    return (uint64_t)kib * 1024;
}

uint64_t vk_heap_left(const struct vk_instance *instance, const struct vk_physical *physical,
                      uint32_t heap, uint64_t allocated_bytes)
{
    uint64_t size = physical->memory.memoryHeaps[heap].size;
    uint64_t left = size > allocated_bytes ? size - allocated_bytes : 0;
    if (physical->info.type == GPU_TYPE_CPU) {
        const uint64_t available = host_memory("MemAvailable");
        return available ? available : left;
    }
    if (!(physical->info.features & GPU_FEATURE_MEMORY_BUDGET))
        return left;
    VkPhysicalDeviceMemoryBudgetPropertiesEXT budget = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_BUDGET_PROPERTIES_EXT,
    };
    VkPhysicalDeviceMemoryProperties2 memory = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_PROPERTIES_2,
        .pNext = &budget,
    };
    instance->vkGetPhysicalDeviceMemoryProperties2(physical->handle, &memory);
    if (budget.heapBudget[heap] == 0)
        return left;
    uint64_t unused = budget.heapBudget[heap] > budget.heapUsage[heap]
                          ? budget.heapBudget[heap] - budget.heapUsage[heap]
                          : 0;
    return MIN(left, unused);
}

static uint32_t most_bindings(const VkPhysicalDeviceLimits *limits)
{
    return MIN(limits->maxPerStageDescriptorStorageBuffers, limits->maxDescriptorSetStorageBuffers);
}

#define UNUSABLE(...) snprintf(info->unusable, sizeof(info->unusable), __VA_ARGS__)

static void judge(struct vk_physical *p, bool has_timeline)
{
    const VkPhysicalDeviceLimits *limits = &p->properties.limits;
    struct gpu_device_info *info = &p->info;
    bool discrete = info->type == GPU_TYPE_DISCRETE;
    if (p->queue_family == UINT32_MAX)
        UNUSABLE("it has no compute queue");
    else if (!has_timeline)
        UNUSABLE("it has no timeline semaphores");
    else if (limits->maxStorageBufferRange < MIN_BINDING_BYTES)
        UNUSABLE("a storage buffer may have %u bytes; 128 MiB are needed",
                 limits->maxStorageBufferRange);
    else if (limits->maxPushConstantsSize < GPU_MAX_PARAMS_BYTES)
        UNUSABLE("%u bytes of push constants; %d are needed", limits->maxPushConstantsSize,
                 GPU_MAX_PARAMS_BYTES);
    else if (limits->maxComputeWorkGroupInvocations < MIN_INVOCATIONS ||
             limits->maxComputeWorkGroupSize[0] < MIN_INVOCATIONS)
        UNUSABLE("%u invocations a workgroup; %d are needed",
                 MIN(limits->maxComputeWorkGroupInvocations, limits->maxComputeWorkGroupSize[0]),
                 MIN_INVOCATIONS);
    else if (limits->maxComputeSharedMemorySize < MIN_SHARED_BYTES)
        UNUSABLE("%u bytes of shared memory; %u are needed", limits->maxComputeSharedMemorySize,
                 MIN_SHARED_BYTES);
    else if (most_bindings(limits) < GPU_PLAIN_BINDINGS)
        UNUSABLE("%u storage buffers a stage; %d are needed", most_bindings(limits),
                 GPU_PLAIN_BINDINGS);
    else if (limits->minStorageBufferOffsetAlignment > GPU_OFFSET_ALIGNMENT)
        UNUSABLE("storage buffer offsets must be multiples of %llu; %d is used",
                 (unsigned long long)limits->minStorageBufferOffsetAlignment, GPU_OFFSET_ALIGNMENT);
    else
        for (int kind = 0; kind < VK_N_MEMORIES; kind++)
            if (vk_memory_type(&p->memory, discrete, UINT32_MAX, (enum gpu_memory)kind) ==
                UINT32_MAX)
                UNUSABLE("it has no memory that the host can map coherently");
}

static void describe_memory(const struct vk_instance *instance, struct vk_physical *p)
{
    VkPhysicalDeviceMemoryProperties2 memory = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_PROPERTIES_2};
    instance->vkGetPhysicalDeviceMemoryProperties2(p->handle, &memory);
    p->memory = memory.memoryProperties;
    uint32_t type = vk_memory_type(&p->memory, p->info.type == GPU_TYPE_DISCRETE, UINT32_MAX,
                                   GPU_MEMORY_DEVICE);
    if (type == UINT32_MAX)
        return;
    uint32_t heap = p->memory.memoryTypes[type].heapIndex;
    p->info.memory_bytes = p->memory.memoryHeaps[heap].size;
    if (p->info.type == GPU_TYPE_CPU)
        p->info.memory_bytes = MAX(p->info.memory_bytes, host_memory("MemTotal"));
    p->info.free_memory_bytes = vk_heap_left(instance, p, heap, 0);
}

enum status vk_physical_describe(const struct vk_instance *instance, const struct log *log,
                                 VkPhysicalDevice handle, uint32_t index, struct vk_physical *out)
{
    *out = (struct vk_physical){.handle = handle, .queue_family = UINT32_MAX};
    struct gpu_device_info *info = &out->info;
    instance->vkGetPhysicalDeviceProperties(handle, &out->properties);
    uint32_t api = out->properties.apiVersion;
    info->index = index;
    info->type = device_type(out->properties.deviceType);
    snprintf(info->name, sizeof(info->name), "%s", out->properties.deviceName);
    snprintf(info->driver, sizeof(info->driver), "Vulkan %u.%u.%u", VK_API_VERSION_MAJOR(api),
             VK_API_VERSION_MINOR(api), VK_API_VERSION_PATCH(api));
    if (api < VK_API_VERSION_1_2) {
        UNUSABLE("its driver speaks Vulkan %u.%u; 1.2 or later is needed",
                 VK_API_VERSION_MAJOR(api), VK_API_VERSION_MINOR(api));
        return OK;
    }

    VkPhysicalDeviceDriverProperties driver = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_DRIVER_PROPERTIES};
    VkPhysicalDeviceSubgroupProperties subgroup = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_PROPERTIES,
        .pNext = &driver,
    };
    VkPhysicalDeviceMaintenance3Properties maintenance = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MAINTENANCE_3_PROPERTIES,
        .pNext = &subgroup,
    };
    VkPhysicalDeviceProperties2 properties = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2,
        .pNext = &maintenance,
    };
    instance->vkGetPhysicalDeviceProperties2(handle, &properties);
    VkPhysicalDeviceTimelineSemaphoreFeatures timeline = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_TIMELINE_SEMAPHORE_FEATURES,
    };
    VkPhysicalDeviceFeatures2 features = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2,
        .pNext = &timeline,
    };
    instance->vkGetPhysicalDeviceFeatures2(handle, &features);
    enum status status = find_queue(instance, log, out);
    if (!status)
        status = find_extensions(instance, log, out);
    if (status)
        return status;
    find_subgroup_size(instance, out);
    find_integer_dot(instance, out);

    const VkPhysicalDeviceLimits *limits = &out->properties.limits;
    snprintf(info->driver, sizeof(info->driver), "%.200s, %.200s, Vulkan %u.%u.%u",
             driver.driverName, driver.driverInfo, VK_API_VERSION_MAJOR(api),
             VK_API_VERSION_MINOR(api), VK_API_VERSION_PATCH(api));
    out->max_allocation_bytes = maintenance.maxMemoryAllocationSize;
    info->max_binding_bytes = limits->maxStorageBufferRange & ~3u;
    info->max_invocations = limits->maxComputeWorkGroupInvocations;
    info->max_shared_bytes = limits->maxComputeSharedMemorySize;
    info->subgroup_size = subgroup.subgroupSize;
    const VkSubgroupFeatureFlags arithmetic =
        VK_SUBGROUP_FEATURE_BASIC_BIT | VK_SUBGROUP_FEATURE_ARITHMETIC_BIT;
    if ((subgroup.supportedStages & VK_SHADER_STAGE_COMPUTE_BIT) &&
        (subgroup.supportedOperations & arithmetic) == arithmetic && !out->varying_subgroup_size)
        info->features |= GPU_FEATURE_SUBGROUP_ARITHMETIC;
    const bool shuffles = (subgroup.supportedStages & VK_SHADER_STAGE_COMPUTE_BIT) &&
                          (subgroup.supportedOperations & VK_SUBGROUP_FEATURE_SHUFFLE_BIT) &&
                          (subgroup.subgroupSize == 8 || subgroup.subgroupSize == 16);
    if (info->type != GPU_TYPE_CPU)
        info->features |= GPU_FEATURE_FAST_BARRIERS;
    else if (shuffles &&
             limits->maxTexelBufferElements >= info->max_binding_bytes / VK_TEXEL_BYTES &&
             limits->minTexelBufferOffsetAlignment <= GPU_OFFSET_ALIGNMENT)
        info->features |= GPU_FEATURE_FAST_TEXELS;
    if (most_bindings(limits) >= GPU_MAX_BINDINGS)
        info->features |= GPU_FEATURE_MORE_BINDINGS;
    if (out->timestamp_bits > 0 && limits->timestampPeriod > 0) {
        info->features |= GPU_FEATURE_TIMESTAMPS;
        info->timestamp_ns = (double)limits->timestampPeriod;
    }
    describe_memory(instance, out);
    judge(out, timeline.timelineSemaphore);
    return OK;
}
