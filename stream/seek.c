/* SPDX-License-Identifier: MIT */
#include "stream/internal.h"

#include <stdlib.h>

/* Words whose value is small and finite whether a cache holds f32 or f16. */
#define CACHE_WORD 0x2c002c00u
#define CHUNK_BYTES (1u << 20)

static enum status fill_range(stapes_model *m, const struct gpu_range *range, const uint32_t *chunk)
{
    const uint64_t bytes = gpu_buffer_size(range->buffer);
    enum status status = OK;
    for (uint64_t at = 0; at < bytes && status == OK; at += CHUNK_BYTES)
        status =
            gpu_buffer_write(m->device, range->buffer, at, chunk, MIN(bytes - at, CHUNK_BYTES));
    return status;
}

static enum status fill_caches(stapes_model *m)
{
    uint32_t *chunk = malloc(CHUNK_BYTES);
    enum status status = OK;
    if (!chunk)
        return log_error(&m->log, ERROR_MEMORY, "out of memory");
    for (uint32_t i = 0; i < CHUNK_BYTES / 4; i++)
        chunk[i] = CACHE_WORD;
    for (uint32_t i = 0; i < m->config.lm.n_layers && status == OK; i++)
        if ((status = fill_range(m, &m->lm.layers[i].k_cache, chunk)) == OK)
            status = fill_range(m, &m->lm.layers[i].v_cache, chunk);
    for (uint32_t i = 0; i < m->config.mimi.n_layers && status == OK; i++)
        if ((status = fill_range(m, &m->mimi.layers[i].k_cache, chunk)) == OK)
            status = fill_range(m, &m->mimi.layers[i].v_cache, chunk);
    free(chunk);
    return status;
}

enum status model_seek(stapes_model *m, uint32_t step)
{
    if (m->failed || m->submitted != m->collected || step == 0)
        return log_error(&m->log, ERROR_ARGUMENT,
                         "seek: to a step after 0, with nothing in flight");
    for (uint32_t i = 0; i < m->slots; i++)
        if (m->streams[i] && m->streams[i]->fresh)
            return log_error(&m->log, ERROR_ARGUMENT, "seek: stream %u is before its first step",
                             i);
    enum status status = fill_caches(m);
    const uint32_t frame = step - 1; /* the tick of step s encodes frame s - 1 */
    for (uint32_t i = 0; i < m->slots && status == OK; i++) {
        const uint64_t slot = (STATE_HEAD + (uint64_t)STATE_SLOT * i) * 4;
        status = gpu_buffer_write(m->device, m->state.buffer, slot + STATE_STEP * 4, &step, 4);
        if (status == OK)
            status =
                gpu_buffer_write(m->device, m->state.buffer, slot + STATE_FRAME * 4, &frame, 4);
    }
    return status;
}
