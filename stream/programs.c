/* SPDX-License-Identifier: MIT */
#include "stream/internal.h"

#include <assert.h>

static void record_begin(stapes_model *m, struct recorder *r)
{
    const struct frame_begin_params p = {
        .slots = r->slots,
        .max_slots = m->slots,
        .ring = RING,
        .input_slot = m->input_slot,
        .samples = m->config.mimi.frame_samples,
        .pcm_offset = m->mimi.pcm.prefix,
        .pcm_slot_stride = m->mimi.pcm.slot_stride,
        .n_codes = m->n_codes,
        .codes_ring = m->lm.codes_ring,
    };
    record_stage(r, "input");
    record_kernel(r, KERNEL_frame_begin, &p,
                  (const struct gpu_range[]){m->input, m->state, m->mimi.pcm.range, m->lm.codes});
    if (m->scoring)
        score_record_begin(m, r);
}

static void record_end(stapes_model *m, struct recorder *r)
{
    const struct lm_config *c = &m->config.lm;
    const struct frame_end_params p = {
        .slots = r->slots,
        .max_slots = m->slots,
        .ring = RING,
        .result_slot = m->result_slot,
        .n_heads = c->extra_heads,
        .head_dim = c->extra_heads_dim,
        .dep_q = c->dep_q,
        .n_codes = m->n_codes,
        .codes_ring = m->lm.codes_ring,
    };
    record_stage(r, "results");
    record_tap(r, TAP_TOKENS, m->lm.tokens, 0, 0, 1 + c->dep_q);
    record_tap(r, TAP_MARGINS, m->lm.margins, 0, 0, 1 + c->dep_q);
    record_tap(r, TAP_CODES, m->lm.codes, 0, 0, m->lm.codes_ring * m->n_codes);
    if (m->scoring)
        score_record_end(m, r);
    mimi_record_end(&m->mimi, r);
    record_kernel(r, KERNEL_frame_end, &p,
                  (const struct gpu_range[]){m->state, m->lm.tokens, m->lm.margins, m->lm.probs,
                                             m->lm.codes, m->results});
}

static enum status record_program(stapes_model *m, enum program_kind kind, uint32_t slots,
                                  gpu_program **out)
{
    struct recorder r = {.kernels = m->kernels,
                         .slots = slots,
                         .model_slots = m->slots,
                         .state = m->state,
                         .taps = m->has_taps ? &m->taps : NULL,
                         .capture = m->capture};
    const char *name = kind == PROGRAM_FRAME ? "frame" : "step";
    r.status = gpu_program_begin(m->device, name, m->timed, &r.program);
    if (r.status)
        return r.status;
    if (m->capture)
        m->capture->next = 0;
    record_begin(m, &r);
    if (kind == PROGRAM_FRAME)
        mimi_record(&m->mimi, &r, m->lm.codes, m->lm.codes_ring);
    lm_record(&m->lm, &r);
    if (m->config.lm.dep_q)
        depformer_record(&m->depformer, &r, &m->lm);
    record_end(m, &r);
    assert(r.status || !m->capture || m->capture->next == m->capture->list.n_inputs);
    if (r.status == OK)
        r.status = gpu_program_end(r.program);
    if (r.status) {
        gpu_program_destroy(m->device, &r.program);
        return r.status;
    }
    *out = r.program;
    return OK;
}

static enum status record_all(stapes_model *m)
{
    for (uint32_t i = 0; i < MAX_PROGRAMS; i++) {
        const uint32_t slots = MIN(1u << i, m->slots);
        for (uint32_t kind = 0; kind < PROGRAM_KINDS; kind++) {
            const enum status status = record_program(m, kind, slots, &m->programs[kind][i]);
            if (status)
                return status;
        }
        if (slots == m->slots)
            break;
    }
    return OK;
}

/* Measures on programs of one slot, which are thrown away: a row that turns out to be wrong may be in
 * them already. */
static enum status tune(stapes_model *m)
{
    enum status status = kernel_set_tune(m->kernels);
    for (uint32_t kind = 0; kind < PROGRAM_KINDS && status == OK; kind++) {
        gpu_program *program = NULL;
        status = record_program(m, kind, 1, &program);
        gpu_program_destroy(m->device, &program);
    }
    kernel_set_tuned(m->kernels);
    return status;
}

enum status programs_create(stapes_model *m)
{
    const enum status status = m->tune ? tune(m) : OK;
    return status ? status : record_all(m);
}

void programs_destroy(stapes_model *m)
{
    for (uint32_t kind = 0; kind < PROGRAM_KINDS; kind++)
        for (uint32_t i = 0; i < MAX_PROGRAMS; i++)
            gpu_program_destroy(m->device, &m->programs[kind][i]);
}
