/* SPDX-License-Identifier: MIT */
#include "kernels/case_state.h"

static const struct frame_end_params shapes[] = {
    {4, 4, 8, 8 + 4 + 32, 4, 6, 0, 32, 4},
    {9, 16, 3, 64, 0, 0, 8, 8, 3},
    {1, 1, 1, 8 + 1 + 1, 1, 1, 0, 1, 1},
    {5, 7, 2, 50, 2, 3, 5, 7, 2},
};
static const struct frame_end_params bench_shapes[] = {{1, 8, 8, 8 + 4 + 32, 4, 6, 0, 32, 4},
                                                       {8, 8, 8, 8 + 4 + 32, 4, 6, 0, 32, 4}};

bool frame_end_cases(enum kernel_id id, uint32_t index, const struct case_source *source,
                     struct kernel_case *out)
{
    static const uint32_t counts[] = {5, 0, 1, 1000003, 8};
    static const uint32_t flags[] = {SLOT_STEP | SLOT_AUDIO,
                                     SLOT_STEP | SLOT_CODES,
                                     SLOT_RESET | SLOT_STEP,
                                     0,
                                     SLOT_STEP,
                                     SLOT_CODES,
                                     SLOT_AUDIO};
    static const uint32_t ticks[] = {0, 12, 4000000007, 1};
    const struct frame_end_params *p = CASE_SHAPE(index, shapes, bench_shapes);
    uint32_t *state;

    (void)id;
    if (!p)
        return false;
    out->params.frame_end = *p;
    snprintf(out->text, sizeof(out->text),
             "%u of %u slots, ring %u, %u heads, %u generated, %u codes", p->slots, p->max_slots,
             p->ring, p->n_heads, p->dep_q, p->n_codes);
    state = case_slots(source, out, 0, p->max_slots, 0, UINT32_MAX, counts, COUNT_OF(counts));
    for (uint32_t i = 0; i < p->max_slots; i++) {
        uint32_t *slot = state + STATE_HEAD + i * STATE_SLOT;

        slot[STATE_FLAGS] = flags[i % COUNT_OF(flags)];
        slot[STATE_FRAME] += i; /* not the step's */
    }
    state[STATE_NEXT_TICK] = ticks[index % COUNT_OF(ticks)] + 1;
    case_integers(source, out, 1, p->slots * (1 + p->dep_q), 8000);
    case_floats(source, out, 2, p->slots * (1 + p->dep_q), 9.0f);
    case_floats(source, out, 3, MAX(p->slots * p->n_heads * p->head_dim, 1), 1.0f);
    case_integers(source, out, 4, p->slots * p->codes_ring * p->n_codes, 2048);
    case_integers(source, out, 5, p->ring * p->max_slots * p->result_slot, UINT32_MAX);
    out->bytes = 8.0 * p->slots * (RESULT_HEAD + p->n_heads + p->dep_q + p->n_codes);
    return true;
}

void frame_end_ref(const struct kernel_case *c)
{
    const struct frame_end_params *p = &c->params.frame_end;
    const uint32_t *codes = c->data[4];
    const float *margins = c->data[2], *probs = c->data[3];
    uint32_t *state = c->data[0], *results = c->data[5];
    uint32_t tick = state[STATE_NEXT_TICK] - 1;

    for (uint32_t i = 0; i < p->slots; i++) {
        const uint32_t *tokens = (const uint32_t *)c->data[1] + i * (1 + p->dep_q);
        uint32_t *slot = state + STATE_HEAD + i * STATE_SLOT;
        uint32_t *result = results + (tick % p->ring * p->max_slots + i) * p->result_slot;
        uint32_t *rest = result + RESULT_HEAD, s = slot[STATE_STEP];

        result[RESULT_TICK] = tick + 1;
        result[RESULT_FLAGS] = slot[STATE_FLAGS];
        result[RESULT_STEP] = s;
        result[RESULT_TOKEN] = tokens[0];
        result[RESULT_MARGIN] = float_bits(margins[i * (1 + p->dep_q)]);
        for (uint32_t h = 0; h < p->n_heads; h++)
            *rest++ = float_bits(probs[(i * p->n_heads + h) * p->head_dim]);
        for (uint32_t k = 0; k < p->dep_q; k++)
            *rest++ = tokens[1 + k];
        for (uint32_t k = 0; k < p->n_codes; k++)
            *rest++ =
                s == 0 ? 0 : codes[(i * p->codes_ring + (s - 1) % p->codes_ring) * p->n_codes + k];
        if (slot[STATE_FLAGS] & SLOT_STEP)
            slot[STATE_STEP]++;
        if (slot[STATE_FLAGS] & (SLOT_AUDIO | SLOT_CODES))
            slot[STATE_FRAME]++;
    }
    state[STATE_TICK] = tick + 1;
}
