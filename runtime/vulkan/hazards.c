/* SPDX-License-Identifier: MIT */
#include "runtime/vulkan/vk.h"

#include <stdlib.h>

static bool overlaps(const struct vk_spans *spans, const struct vk_span *span)
{
    for (size_t i = 0; i < spans->count; i++) {
        const struct vk_span *item = &spans->items[i];
        if (item->buffer == span->buffer && item->begin < span->end && span->begin < item->end)
            return true;
    }
    return false;
}

static enum status spans_add(struct vk_spans *spans, const struct vk_span *span)
{
    /* Weights and scratch buffers come again and again, whole. */
    for (size_t i = 0; i < spans->count; i++) {
        const struct vk_span *item = &spans->items[i];
        if (item->buffer == span->buffer && item->begin <= span->begin && span->end <= item->end)
            return OK;
    }
    if (spans->count == spans->capacity) {
        size_t capacity = spans->capacity ? 2 * spans->capacity : 64;
        struct vk_span *items = realloc(spans->items, capacity * sizeof(*items));
        if (!items)
            return ERROR_MEMORY;
        spans->items = items;
        spans->capacity = capacity;
    }
    spans->items[spans->count++] = *span;
    return OK;
}

bool vk_hazards_conflict(const struct vk_hazards *hazards, const struct vk_span *span,
                         enum gpu_access access)
{
    return overlaps(&hazards->writes, span) ||
           ((access & GPU_WRITE) && overlaps(&hazards->reads, span));
}

enum status vk_hazards_add(struct vk_hazards *hazards, const struct vk_span *span,
                           enum gpu_access access, VkPipelineStageFlags stage)
{
    enum status status = OK;
    hazards->stages |= stage;
    if (access & GPU_READ)
        status = spans_add(&hazards->reads, span);
    if (!status && (access & GPU_WRITE)) {
        hazards->written |= stage == VK_PIPELINE_STAGE_TRANSFER_BIT ? VK_ACCESS_TRANSFER_WRITE_BIT
                                                                    : VK_ACCESS_SHADER_WRITE_BIT;
        status = spans_add(&hazards->writes, span);
    }
    return status;
}

void vk_hazards_clear(struct vk_hazards *hazards)
{
    hazards->reads.count = 0;
    hazards->writes.count = 0;
    hazards->stages = 0;
    hazards->written = 0;
}

void vk_hazards_deinit(struct vk_hazards *hazards)
{
    free(hazards->reads.items);
    free(hazards->writes.items);
    *hazards = (struct vk_hazards){0};
}
