/* SPDX-License-Identifier: MIT
 *
 * Device memory in chunks: a large buffer has a chunk of its own, small ones share. What is free in
 * a chunk are the gaps of its buffer list, so that releasing never needs memory.
 */
#include "runtime/vulkan/vk.h"

#include <stdlib.h>
#include <string.h>

#define DEVICE_CHUNK_BYTES (32ull << 20)
#define MAPPED_CHUNK_BYTES (4ull << 20)
/* A buffer above this part of a chunk owns one, and a shared chunk takes at most this part of what
 * is left: what the gaps waste stays small. */
#define CHUNK_PART 8

static double mib(uint64_t bytes)
{
    return (double)bytes / (1 << 20);
}

static uint32_t heap_of(const gpu_device *device, enum gpu_memory kind)
{
    return device->physical.memory.memoryTypes[device->arena.types[kind]].heapIndex;
}

static uint64_t limit_left(const struct vk_arena *arena)
{
    if (arena->limit_bytes == 0)
        return UINT64_MAX;
    return arena->limit_bytes > arena->now_bytes ? arena->limit_bytes - arena->now_bytes : 0;
}

static uint64_t heap_left(const gpu_device *device, enum gpu_memory kind)
{
    uint32_t heap = heap_of(device, kind);
    return vk_heap_left(&device->instance, &device->physical, heap, device->arena.heap_bytes[heap]);
}

/* Inserts into the first gap that fits. */
static bool place_in(struct vk_chunk *chunk, gpu_buffer *buffer, uint64_t bytes, uint64_t alignment)
{
    uint64_t offset = 0;
    gpu_buffer **link = &chunk->buffers;
    for (; *link; link = &(*link)->next) {
        if (offset + bytes <= (*link)->chunk_offset)
            break;
        offset = align_up((*link)->chunk_offset + (*link)->chunk_bytes, alignment);
    }
    if (offset > chunk->size || bytes > chunk->size - offset)
        return false;
    buffer->next = *link;
    *link = buffer;
    buffer->chunk = chunk;
    buffer->chunk_offset = offset;
    buffer->chunk_bytes = bytes;
    buffer->map = chunk->map ? (char *)chunk->map + offset : NULL;
    return true;
}

static void chunk_free(gpu_device *device, struct vk_chunk *chunk)
{
    device->vk.vkFreeMemory(device->handle, chunk->memory, NULL); /* unmaps, too */
    free(chunk);
}

static VkResult chunk_allocate(gpu_device *device, enum gpu_memory kind, uint64_t size,
                               struct vk_chunk **out)
{
    struct vk_chunk *chunk = calloc(1, sizeof(*chunk));
    if (!chunk)
        return VK_ERROR_OUT_OF_HOST_MEMORY;
    const VkMemoryAllocateInfo info = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
        .allocationSize = size,
        .memoryTypeIndex = device->arena.types[kind],
    };
    VkResult result = device->vk.vkAllocateMemory(device->handle, &info, NULL, &chunk->memory);
    if (result == VK_SUCCESS && kind != GPU_MEMORY_DEVICE)
        result =
            device->vk.vkMapMemory(device->handle, chunk->memory, 0, VK_WHOLE_SIZE, 0, &chunk->map);
    if (result != VK_SUCCESS) {
        chunk_free(device, chunk);
        return result;
    }
    device->work_count++;
    chunk->size = size;
    chunk->kind = kind;
    *out = chunk;
    return VK_SUCCESS;
}

static enum status check_room(gpu_device *device, const gpu_buffer *buffer, uint64_t bytes,
                              uint64_t heap, uint64_t limit)
{
    const struct vk_arena *arena = &device->arena;
    const struct vk_physical *physical = &device->physical;
    const char *name = buffer->name;
    if (bytes > limit)
        return log_error(&device->log, ERROR_DEVICE_MEMORY,
                         "buffer %s needs %.1f MiB; %.1f MiB of the limit of %.1f MiB are left",
                         name, mib(bytes), mib(limit), mib(arena->limit_bytes));
    if (bytes > heap)
        return log_error(
            &device->log, ERROR_DEVICE_MEMORY,
            "buffer %s needs %.1f MiB; %s has %.1f MiB left (of %.1f MiB; %.1f MiB are ours)", name,
            mib(bytes), physical->info.name, mib(heap),
            mib(physical->memory.memoryHeaps[heap_of(device, buffer->memory)].size),
            mib(arena->heap_bytes[heap_of(device, buffer->memory)]));
    if (physical->max_allocation_bytes && bytes > physical->max_allocation_bytes)
        return log_error(&device->log, ERROR_DEVICE_MEMORY,
                         "buffer %s needs %.1f MiB in one piece; %s allows %.1f MiB", name,
                         mib(bytes), physical->info.name, mib(physical->max_allocation_bytes));
    if (arena->n_chunks >= physical->properties.limits.maxMemoryAllocationCount)
        return log_error(&device->log, ERROR_DEVICE_MEMORY,
                         "buffer %s: %u memory allocations are all that %s allows", name,
                         arena->n_chunks, physical->info.name);
    return OK;
}

static enum status chunk_create(gpu_device *device, const gpu_buffer *buffer, uint64_t bytes,
                                bool counted, struct vk_chunk **out)
{
    struct vk_arena *arena = &device->arena;
    uint64_t heap = heap_left(device, buffer->memory);
    uint64_t limit = counted ? limit_left(arena) : UINT64_MAX;
    uint64_t shared = buffer->memory == GPU_MEMORY_DEVICE ? DEVICE_CHUNK_BYTES : MAPPED_CHUNK_BYTES;
    enum status status = check_room(device, buffer, bytes, heap, limit);
    if (status)
        return status;
    if (!counted || bytes > shared / CHUNK_PART || shared > MIN(heap, limit) / CHUNK_PART ||
        (device->physical.max_allocation_bytes && shared > device->physical.max_allocation_bytes))
        shared = 0;

    struct vk_chunk *chunk = NULL;
    VkResult result = chunk_allocate(device, buffer->memory, shared ? shared : bytes, &chunk);
    if (result == VK_ERROR_OUT_OF_DEVICE_MEMORY && shared) {
        shared = 0;
        result = chunk_allocate(device, buffer->memory, bytes, &chunk);
    }
    if (result == VK_ERROR_OUT_OF_DEVICE_MEMORY)
        return log_error(&device->log, ERROR_DEVICE_MEMORY,
                         "buffer %s needs %.1f MiB; %s refused, though %.1f MiB seem to be left",
                         buffer->name, mib(bytes), device->physical.info.name, mib(heap));
    if (result != VK_SUCCESS)
        return vk_check(device, result, "vkAllocateMemory for buffer", buffer->name);

    chunk->shared = shared > 0;
    chunk->counted = counted;
    chunk->next = arena->chunks;
    arena->chunks = chunk;
    arena->n_chunks++;
    arena->heap_bytes[heap_of(device, chunk->kind)] += chunk->size;
    if (counted)
        arena->now_bytes += chunk->size;
    arena->peak_bytes = MAX(arena->peak_bytes, arena->now_bytes);
    *out = chunk;
    return OK;
}

void vk_arena_init(gpu_device *device)
{
    bool discrete = device->physical.info.type == GPU_TYPE_DISCRETE;
    for (int kind = 0; kind < VK_N_MEMORIES; kind++)
        device->arena.types[kind] =
            vk_memory_type(&device->physical.memory, discrete, UINT32_MAX, (enum gpu_memory)kind);
}

enum status vk_arena_place(gpu_device *device, gpu_buffer *buffer,
                           const VkMemoryRequirements *needs, bool counted)
{
    uint64_t alignment = MAX(needs->alignment, (uint64_t)GPU_OFFSET_ALIGNMENT);
    uint64_t bytes = align_up(needs->size, GPU_OFFSET_ALIGNMENT);
    struct vk_chunk *chunk;
    /* The same for every buffer, since all are created with the same usage. */
    uint32_t type =
        vk_memory_type(&device->physical.memory, device->physical.info.type == GPU_TYPE_DISCRETE,
                       needs->memoryTypeBits, buffer->memory);
    if (type == UINT32_MAX)
        return log_error(&device->log, ERROR_UNSUPPORTED,
                         "buffer %s: %s has no memory of this kind", buffer->name,
                         device->physical.info.name);
    device->arena.types[buffer->memory] = type;

    for (chunk = device->arena.chunks; chunk; chunk = chunk->next)
        if (counted && chunk->shared && chunk->kind == buffer->memory &&
            place_in(chunk, buffer, bytes, alignment))
            return OK;
    enum status status = chunk_create(device, buffer, bytes, counted, &chunk);
    if (!status)
        place_in(chunk, buffer, bytes, alignment);
    return status;
}

void vk_arena_release(gpu_device *device, gpu_buffer *buffer)
{
    struct vk_arena *arena = &device->arena;
    struct vk_chunk *chunk = buffer->chunk;
    if (!chunk)
        return;
    gpu_buffer **link = &chunk->buffers;
    while (*link != buffer)
        link = &(*link)->next;
    *link = buffer->next;
    buffer->chunk = NULL;
    if (chunk->buffers)
        return;

    struct vk_chunk **chunk_link = &arena->chunks;
    while (*chunk_link != chunk)
        chunk_link = &(*chunk_link)->next;
    *chunk_link = chunk->next;
    arena->n_chunks--;
    arena->heap_bytes[heap_of(device, chunk->kind)] -= chunk->size;
    if (chunk->counted)
        arena->now_bytes -= chunk->size;
    chunk_free(device, chunk);
}

void gpu_device_memory(const gpu_device *device, uint64_t *now_bytes, uint64_t *peak_bytes)
{
    if (now_bytes)
        *now_bytes = device->arena.now_bytes;
    if (peak_bytes)
        *peak_bytes = device->arena.peak_bytes;
}

uint64_t gpu_device_memory_left(const gpu_device *device)
{
    return MIN(limit_left(&device->arena), heap_left(device, GPU_MEMORY_DEVICE));
}
