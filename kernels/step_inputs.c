/* SPDX-License-Identifier: MIT */
#include "kernels/case_state.h"

/* as stt-1b, as moshi, and odd ones */
static const struct step_inputs_params shapes[] = {
    {4, 32, 0, 32, 4, 2048, 8000},  {9, 16, 8, 8, 4, 2048, 32000}, {1, 1, 0, 1, 1, 3, 5},
    {13, 33, 1, 40, 3, 2048, 8000}, {3, 0, 0, 1, 1, 7, 9},         {2, 4, 4, 1, 2, 2048, 8000},
};
static const struct step_inputs_params bench_shapes[] = {{1, 32, 0, 32, 4, 2048, 8000},
                                                         {8, 32, 0, 32, 4, 2048, 8000}};

bool step_inputs_cases(enum kernel_id id, uint32_t index, const struct case_source *source,
                       struct kernel_case *out)
{
    static const uint32_t counts[] = {7, 0, 1, 2, 3, 4, 1000003};
    const struct step_inputs_params *p = CASE_SHAPE(index, shapes, bench_shapes);

    (void)id;
    if (!p)
        return false;
    out->params.step_inputs = *p;
    snprintf(out->text, sizeof(out->text), "%u slots, %u streams, %u generated, %u codes, ring %u",
             p->slots, p->n_q, p->dep_q, p->n_codes, p->codes_ring);
    case_slots(source, out, 0, p->slots, SLOT_STEP, 2, counts, COUNT_OF(counts));
    case_integers(source, out, 1, 1 + p->n_q, index == 0 ? 1 : 4);
    case_integers(source, out, 2, p->slots * (1 + p->dep_q), p->text_card);
    case_integers(source, out, 3, p->slots * p->codes_ring * p->n_codes, p->card);
    case_buffer(source, out, 4, p->slots * (1 + p->n_q));
    out->bytes = 8.0 * p->slots * (1 + p->n_q);
    return true;
}

void step_inputs_ref(const struct kernel_case *c)
{
    const struct step_inputs_params *p = &c->params.step_inputs;
    const uint32_t *delays = c->data[1], *tokens = c->data[2], *codes = c->data[3];
    uint32_t *ids = c->data[4];

    for (uint32_t slot = 0; slot < p->slots; slot++) {
        uint32_t s = ref_slot(c, 0, slot)[STATE_STEP];

        for (uint32_t k = 0; k <= p->n_q; k++) {
            uint32_t *id = ids + slot * (1 + p->n_q) + k;

            if (s <= delays[k])
                *id = k == 0 ? p->text_card : p->card;
            else if (k <= p->dep_q)
                *id = tokens[slot * (1 + p->dep_q) + k];
            else
                *id = codes[(slot * p->codes_ring + (s - delays[k] - 1) % p->codes_ring) *
                                p->n_codes +
                            k - 1 - p->dep_q];
        }
    }
}
