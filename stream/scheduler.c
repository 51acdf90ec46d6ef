/* SPDX-License-Identifier: MIT
 *
 * Ticks: what is ready goes to the device, what is finished comes back.
 */
#include "stream/internal.h"

#include <math.h>
#include <string.h>

static enum status fail(stapes_model *m, enum status status)
{
    if (status == ERROR_DEVICE)
        m->failed = true;
    return status;
}

/* Some drivers report success for work they dropped, or return garbage: the entry says itself which
 * tick wrote it, and what it holds is checked before anyone believes it. */
static enum status check_result(const stapes_model *m, const uint32_t *result, uint64_t tick,
                                uint32_t flags)
{
    float margin;
    if (result[RESULT_TICK] != (uint32_t)(tick + 1))
        return log_error(
            &m->log, ERROR_DEVICE,
            "%s reported success but did not do the work of tick %llu: driver or hardware fault",
            gpu_device_get_info(m->device)->name, (unsigned long long)tick);
    if (!(flags & SLOT_STEP))
        return OK;
    memcpy(&margin, &result[RESULT_MARGIN], sizeof(margin));
    if (result[RESULT_TOKEN] >= m->config.lm.text_card || !(margin >= 0 && isfinite(margin)))
        return log_error(&m->log, ERROR_DEVICE,
                         "%s returned token %u with margin %g: damaged model or faulty driver",
                         gpu_device_get_info(m->device)->name, result[RESULT_TOKEN],
                         (double)margin);
    return OK;
}

static enum status collect_one(stapes_model *m)
{
    const uint64_t number = m->collected;
    struct tick *tick = &m->ticks[number % RING];
    const uint32_t *results = gpu_buffer_map(m->results.buffer);
    results += (size_t)(number % RING) * m->slots * m->result_slot;
    m->collected++;
    for (uint32_t i = 0; i < tick->slots; i++) {
        const uint32_t *result = results + (size_t)i * m->result_slot;
        const enum status status = check_result(m, result, number, tick->slot[i].flags);
        if (status)
            return fail(m, status);
        if (i == 0) {
            m->last_flags = tick->slot[0].flags;
            m->last_step = result[RESULT_STEP];
        }
        if (tick->slot[i].stream && tick->slot[i].flags)
            stream_result(tick->slot[i].stream, tick->slot[i].flags, result);
    }
    return m->capture ? capture_deliver(m, tick) : OK;
}

static enum status collect(stapes_model *m)
{
    while (m->collected < m->submitted) {
        bool done = false;
        enum status status = gpu_done(m->device, m->ticks[m->collected % RING].ticket, &done);
        if (status)
            return fail(m, status);
        if (!done)
            return OK;
        if ((status = collect_one(m)))
            return status;
    }
    return OK;
}

static enum status wait_one(stapes_model *m)
{
    const enum status status = gpu_wait(m->device, m->ticks[m->collected % RING].ticket, WAIT_NS);
    return status ? fail(m, status) : collect(m);
}

/* Fills the next tick from the streams that are ready. *slots: how many of the first slots it
 * needs, 0 if none is ready. */
static void build(stapes_model *m, struct tick *tick, uint32_t *slots, enum program_kind *kind)
{
    uint32_t *input = gpu_buffer_map(m->input.buffer);
    input += (size_t)(m->submitted % RING) * m->slots * m->input_slot;
    *slots = 0;
    *kind = PROGRAM_STEP;
    for (uint32_t i = 0; i < m->slots; i++) {
        uint32_t *entry = input + (size_t)i * m->input_slot;
        stapes_stream *stream = m->streams[i];
        tick->slot[i] = (struct tick_slot){0};
        if (stream && stream_ready(stream)) {
            tick->slot[i] = (struct tick_slot){stream, stream_take(stream, entry)};
            *slots = i + 1;
            if (tick->slot[i].flags & SLOT_AUDIO)
                *kind = PROGRAM_FRAME;
        }
        entry[INPUT_FLAGS] = tick->slot[i].flags;
    }
}

static bool any_ready(const stapes_model *m)
{
    for (uint32_t i = 0; i < m->slots; i++)
        if (m->streams[i] && stream_ready(m->streams[i]))
            return true;
    return false;
}

static enum status submit_one(stapes_model *m)
{
    struct tick *tick = &m->ticks[m->submitted % RING];
    enum program_kind kind;
    uint32_t needed, program = 0;
    build(m, tick, &needed, &kind);
    while ((1u << program) < needed)
        program++;
    tick->slots = MIN(1u << program, m->slots);
    if (m->scoring)
        score_feed(m, tick);
    const enum status status = gpu_program_submit(m->programs[kind][program], &tick->ticket);
    if (status) {
        m->failed = true;
        return status;
    }
    m->last_program = m->programs[kind][program];
    m->submitted++;
    return OK;
}

/* Where gpu_wait cannot wait, it says ERROR_AGAIN. */
enum status scheduler_run(stapes_model *m, bool wait)
{
    enum status status;
    if (m->failed)
        return log_error(&m->log, ERROR_DEVICE, "the device has failed: close the model");
    for (;;) {
        if ((status = collect(m)))
            return status;
        if (any_ready(m)) {
            if (m->submitted - m->collected == m->queue)
                status = wait_one(m);
            else
                status = submit_one(m);
        } else if (wait && m->collected < m->submitted) {
            status = wait_one(m);
        } else {
            return OK;
        }
        if (status)
            return status == ERROR_AGAIN && !wait ? OK : status;
    }
}

void scheduler_forget(stapes_model *m, stapes_stream *stream)
{
    for (uint64_t t = m->collected; t < m->submitted; t++) {
        struct tick_slot *slot = &m->ticks[t % RING].slot[stream->slot];
        if (slot->stream == stream)
            slot->stream = NULL;
    }
    stream->in_flight = 0;
}
