/* SPDX-License-Identifier: MIT */
#include "kernels/case_state.h"

/* the gaps between the slots' pcm are what the first convolution keeps */
static const struct frame_begin_params shapes[] = {
    {4, 4, 8, 16 + 1920, 1920, 6, 1926, 32, 4}, {3, 8, 5, 16 + 32, 0, 0, 0, 32, 4},
    {1, 1, 1, 16 + 7, 7, 3, 10, 5, 1},          {9, 16, 3, 16 + 130, 129, 2, 140, 130, 3},
    {1, 2, 4, 16 + 1, 0, 0, 0, 0, 1},           {6, 6, 2, 80, 64, 0, 64, 63, 2},
};
static const struct frame_begin_params bench_shapes[] = {
    {1, 8, 8, 16 + 1920, 1920, 6, 1926, 32, 4}, {8, 8, 8, 16 + 1920, 1920, 6, 1926, 32, 4}};

bool frame_begin_cases(enum kernel_id id, uint32_t index, const struct case_source *source,
                       struct kernel_case *out)
{
    static const uint32_t counts[] = {5, 0, 1, 1000003};
    static const uint32_t flags[] = {SLOT_STEP | SLOT_AUDIO,
                                     SLOT_STEP | SLOT_CODES,
                                     SLOT_RESET | SLOT_STEP,
                                     0,
                                     SLOT_STEP,
                                     SLOT_CODES,
                                     SLOT_RESET};
    static const uint32_t ticks[] = {0, 12, 4000000007, 1};
    const struct frame_begin_params *p = CASE_SHAPE(index, shapes, bench_shapes);
    uint32_t *ring, *state, kinds = COUNT_OF(flags);

    (void)id;
    if (!p)
        return false;
    out->params.frame_begin = *p;
    snprintf(out->text, sizeof(out->text), "%u of %u slots, ring %u, %u samples, %u codes",
             p->slots, p->max_slots, p->ring, p->samples, p->n_codes);
    ring = case_integers(source, out, 0, p->ring * p->max_slots * p->input_slot, UINT32_MAX);
    for (uint32_t i = 0; i < p->ring * p->max_slots; i++) {
        uint32_t kind = flags[index < CASE_BENCH ? i % kinds : 0];

        if ((p->samples == 0 && (kind & SLOT_AUDIO)) || (p->n_codes == 0 && (kind & SLOT_CODES)))
            kind = SLOT_STEP;
        ring[i * p->input_slot + INPUT_FLAGS] = kind;
    }
    state =
        case_slots(source, out, 1, p->max_slots, SLOT_STEP, UINT32_MAX, counts, COUNT_OF(counts));
    state[STATE_TICK] = ticks[index % COUNT_OF(ticks)];
    case_integers(source, out, 2, MAX(p->slots * p->pcm_slot_stride, 1), UINT32_MAX);
    case_integers(source, out, 3, MAX(p->slots * p->codes_ring * p->n_codes, 1), 2048);
    out->bytes = 8.0 * p->slots * p->samples;
    return true;
}

void frame_begin_ref(const struct kernel_case *c)
{
    const struct frame_begin_params *p = &c->params.frame_begin;
    uint32_t *state = c->data[1], *pcm = c->data[2], *codes = c->data[3];
    uint32_t tick = state[STATE_TICK];

    for (uint32_t i = 0; i < p->slots; i++) {
        const uint32_t *input =
            (const uint32_t *)c->data[0] + (tick % p->ring * p->max_slots + i) * p->input_slot;
        uint32_t *slot = state + STATE_HEAD + i * STATE_SLOT, flags = input[INPUT_FLAGS];

        slot[STATE_FLAGS] = flags;
        if (flags & SLOT_RESET)
            slot[STATE_STEP] = slot[STATE_FRAME] = 0;
        if (flags & SLOT_AUDIO)
            memcpy(pcm + i * p->pcm_slot_stride + p->pcm_offset, input + INPUT_SLOT_HEAD,
                   sizeof(uint32_t) * p->samples);
        if (flags & SLOT_CODES)
            memcpy(codes + (i * p->codes_ring + slot[STATE_FRAME] % p->codes_ring) * p->n_codes,
                   input + INPUT_SLOT_HEAD, sizeof(uint32_t) * p->n_codes);
    }
    state[STATE_NEXT_TICK] = tick + 1;
}
