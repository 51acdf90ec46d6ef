/* SPDX-License-Identifier: MIT
 *
 * What the files of this directory share. Vulkan types stop here: nothing outside runtime/vulkan/
 * includes this header.
 */
#ifndef STAPES_RUNTIME_VULKAN_VK_H
#define STAPES_RUNTIME_VULKAN_VK_H

#include <volk.h>

#include "runtime/checks.h"
#include "runtime/stages.h"

#define VK_NAME_BYTES 64
#define VK_TEXEL_BYTES 16 /* of the one texel format, R32G32B32A32_UINT */
#define VK_N_MEMORIES 3   /* enum gpu_memory */

/* instance.c: the loader and an instance of our own. Each device has one, so that devices share
 * nothing. The functions are looked up per instance: volk's globals would be those of the last. */
struct vk_instance {
    VkInstance handle;
    PFN_vkDestroyInstance vkDestroyInstance;
    PFN_vkEnumeratePhysicalDevices vkEnumeratePhysicalDevices;
    PFN_vkEnumerateDeviceExtensionProperties vkEnumerateDeviceExtensionProperties;
    PFN_vkGetPhysicalDeviceProperties vkGetPhysicalDeviceProperties;
    PFN_vkGetPhysicalDeviceProperties2 vkGetPhysicalDeviceProperties2;
    PFN_vkGetPhysicalDeviceFeatures2 vkGetPhysicalDeviceFeatures2;
    PFN_vkGetPhysicalDeviceMemoryProperties2 vkGetPhysicalDeviceMemoryProperties2;
    PFN_vkGetPhysicalDeviceQueueFamilyProperties vkGetPhysicalDeviceQueueFamilyProperties;
    PFN_vkCreateDevice vkCreateDevice;
    /* With validation only. */
    PFN_vkCreateDebugUtilsMessengerEXT vkCreateDebugUtilsMessengerEXT;
    PFN_vkDestroyDebugUtilsMessengerEXT vkDestroyDebugUtilsMessengerEXT;
    PFN_vkSetDebugUtilsObjectNameEXT vkSetDebugUtilsObjectNameEXT;
    VkDebugUtilsMessengerEXT messenger;
};

/* validated: the device that counts the validation layer's messages; NULL for no validation. It
 * must outlive the instance. */
enum status vk_instance_init(struct vk_instance *instance, const struct log *log,
                             gpu_device *validated);
void vk_instance_deinit(struct vk_instance *instance);
/* vkCreateDevice and its function table; vkDestroyDevice. */
VkResult vk_open_device(const struct vk_instance *instance, VkPhysicalDevice physical,
                        const VkDeviceCreateInfo *info, VkDevice *out,
                        struct VolkDeviceTable *table);
void vk_close_device(VkDevice device, const struct VolkDeviceTable *table);
/* Names an object for the validation layer and debuggers. */
void vk_set_name(const gpu_device *device, VkObjectType type, uint64_t handle, const char *name);
/* The physical devices, in the loader's order, which is gpu_device_info.index. The caller frees. */
enum status vk_instance_list(const struct vk_instance *instance, const struct log *log,
                             VkPhysicalDevice **out, uint32_t *count);

/* physical.c: what a device can do, beyond what gpu_device_info tells the world. */
struct vk_physical {
    VkPhysicalDevice handle;
    VkPhysicalDeviceProperties properties;
    VkPhysicalDeviceMemoryProperties memory;
    uint64_t max_allocation_bytes;
    uint32_t queue_family;
    uint32_t timestamp_bits;
    bool has_portability_subset;
    bool has_subgroup_size_control;
    uint32_t required_subgroup_size; /* of pipelines with subgroups; 0: the driver chooses */
    bool varying_subgroup_size;      /* and maybe another for each pipeline */
    struct gpu_device_info info;
};

enum status vk_physical_describe(const struct vk_instance *instance, const struct log *log,
                                 VkPhysicalDevice handle, uint32_t index, struct vk_physical *out);
/* The memory type for buffers of this kind among type_bits; UINT32_MAX if there is none. */
uint32_t vk_memory_type(const VkPhysicalDeviceMemoryProperties *memory, bool discrete,
                        uint32_t type_bits, enum gpu_memory kind);
/* What is left of a heap: the driver's budget, or the heap without `allocated_bytes`. */
uint64_t vk_heap_left(const struct vk_instance *instance, const struct vk_physical *physical,
                      uint32_t heap, uint64_t allocated_bytes);

/* arena.c: one VkDeviceMemory, shared by small buffers or owned by one large one. */
struct vk_chunk {
    struct vk_chunk *next;
    gpu_buffer *buffers; /* by offset; the gaps between them are what is free */
    VkDeviceMemory memory;
    uint64_t size;
    void *map;
    enum gpu_memory kind;
    bool shared;
    bool counted; /* the staging buffers are an overhead, like the driver's own */
};

struct vk_arena {
    struct vk_chunk *chunks;
    uint32_t n_chunks;
    uint32_t types[VK_N_MEMORIES];
    uint64_t heap_bytes[VK_MAX_MEMORY_HEAPS]; /* allocated by us, uncounted chunks included */
    uint64_t now_bytes, peak_bytes;
    uint64_t limit_bytes;
};

struct gpu_buffer {
    VkBuffer handle;
    uint64_t size;
    void *map;
    enum gpu_memory memory;
    struct vk_chunk *chunk;
    struct gpu_buffer *next; /* in the chunk */
    uint64_t chunk_offset, chunk_bytes;
    char name[VK_NAME_BYTES];
};

void vk_arena_init(gpu_device *device);
/* Finds memory for buffer->handle and sets chunk, chunk_offset, chunk_bytes and map. */
enum status vk_arena_place(gpu_device *device, gpu_buffer *buffer,
                           const VkMemoryRequirements *needs, bool counted);
void vk_arena_release(gpu_device *device, gpu_buffer *buffer);

/* pipeline.c, cache.c */
struct gpu_pipeline {
    VkPipeline handle;
    VkPipelineLayout layout;
    VkDescriptorSetLayout set_layout;
    uint32_t n_bindings, texel_bindings;
    uint32_t params_bytes;
    char name[VK_NAME_BYTES];
};

static inline VkDescriptorType vk_descriptor_type(const gpu_pipeline *pipeline, uint32_t binding)
{
    return pipeline->texel_bindings >> binding & 1 ? VK_DESCRIPTOR_TYPE_UNIFORM_TEXEL_BUFFER
                                                   : VK_DESCRIPTOR_TYPE_STORAGE_BUFFER;
}

/* Pipeline cache on disk. Damage, a full disk and the like are logged, never errors. */
enum status vk_cache_load(gpu_device *device, const char *dir);
void vk_cache_save(gpu_device *device);

struct vk_cache {
    VkPipelineCache handle;
    char *dir, *path;    /* NULL: nothing on disk */
    size_t loaded_bytes; /* of the driver's blob */
};

struct gpu_device {
    struct log log;
    struct vk_instance instance;
    struct vk_physical physical;
    VkDevice handle;
    struct VolkDeviceTable vk;
    VkQueue queue;

    struct vk_arena arena;
    struct vk_cache cache;

    VkSemaphore timeline;
    uint64_t last_ticket;
    bool lost;

    /* submit.c: blocking commands of set-up */
    VkCommandPool once_pool;
    VkCommandBuffer once;
    gpu_buffer *staging[VK_N_MEMORIES]; /* UPLOAD and READBACK, made at first use */

    uint64_t work_count;
    uint32_t validation_messages;
};

/* device.c */
/* Logs what failed, once for a lost device, and maps the result. OK stays silent. */
enum status vk_check(gpu_device *device, VkResult result, const char *what, const char *name);
const char *vk_result_text(VkResult result);
void vk_copy_name(char name[VK_NAME_BYTES], const char *from);

/* submit.c */
enum status vk_submit(gpu_device *device, VkCommandBuffer commands, const char *name,
                      uint64_t *ticket);
/* Waits without a word; for clean-up, where there is no one left to tell. */
void vk_wait_quietly(gpu_device *device, uint64_t ticket);
/* Between these two, record into *commands; run returns when the device has finished. */
enum status vk_once_begin(gpu_device *device, VkCommandBuffer *commands);
enum status vk_once_run(gpu_device *device);
#define VK_DEVICE_STAGES (VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT | VK_PIPELINE_STAGE_TRANSFER_BIT)
/* Everything before, the host's writes included, happens before everything after. */
void vk_full_barrier(const gpu_device *device, VkCommandBuffer commands);
void vk_host_barrier(const gpu_device *device, VkCommandBuffer commands);

/* hazards.c: what was read and written since the last barrier of a recording. */
struct vk_span {
    VkBuffer buffer;
    uint64_t begin, end;
};

struct vk_spans {
    struct vk_span *items;
    size_t count, capacity;
};

struct vk_hazards {
    struct vk_spans reads, writes;
    VkPipelineStageFlags stages;
    VkAccessFlags written; /* write accesses among them */
};

/* Whether this access must wait for those added since the last clear. */
bool vk_hazards_conflict(const struct vk_hazards *hazards, const struct vk_span *span,
                         enum gpu_access access);
enum status vk_hazards_add(struct vk_hazards *hazards, const struct vk_span *span,
                           enum gpu_access access, VkPipelineStageFlags stage);
void vk_hazards_clear(struct vk_hazards *hazards);
void vk_hazards_deinit(struct vk_hazards *hazards);

/* program.c */
struct vk_descriptor_pool {
    VkDescriptorPool handle;
    uint32_t sets_left;
};

struct vk_view {
    VkBufferView handle;
    VkBuffer buffer;
    uint64_t begin, end;
};

struct gpu_program {
    gpu_device *device;
    VkCommandPool command_pool;
    VkCommandBuffer commands;
    struct vk_descriptor_pool *pools; /* the last one has room */
    uint32_t n_pools;
    struct vk_view *views; /* texel buffers that the sets point to */
    uint32_t n_views, views_capacity;
    struct vk_hazards hazards;
    VkQueryPool timestamps; /* i: mark i begins; the last one: the end. Timed programs only */
    struct gpu_stages stages;
    VkPipeline bound;
    struct gpu_program_counts counts;
    uint64_t last_ticket;
    enum status failed; /* the first recording error; every later call returns it */
    bool ended;
    bool wrote_host; /* a mapped buffer was written */
    char name[VK_NAME_BYTES];
};

/* OK while the program records; otherwise what the caller of a recording function gets. */
enum status vk_program_check(const gpu_program *program);

/* timers.c */
enum status vk_timers_create(gpu_program *program);
/* The timestamp that ends one mark and begins the next, which is number `mark`. */
void vk_timers_mark(gpu_program *program, uint32_t mark);

#endif
