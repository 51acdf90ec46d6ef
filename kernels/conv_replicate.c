/* SPDX-License-Identifier: MIT */
#include "kernels/case_state.h"

/* stride 0 stands for dense slots */
static const struct conv_replicate_params shapes[] = {
    {1, 0, 0, 2, 512},   {5, 64, 1300, 2, 257}, {4, 3, 0, 1, 1},
    {9, 64, 200, 4, 33}, {2, 64, 100, 0, 7},    {3, 0, 1000, 2, 64},
};
static const struct conv_replicate_params bench_shapes[] = {{1, 0, 0, 2, 512}};

bool conv_replicate_cases(enum kernel_id id, uint32_t index, const struct case_source *source,
                          struct kernel_case *out)
{
    static const uint32_t counts[] = {0, 0, 3, 0};
    const struct conv_replicate_params *shape = CASE_SHAPE(index, shapes, bench_shapes);
    struct conv_replicate_params *p = &out->params.conv_replicate;

    (void)id;
    if (!shape)
        return false;
    *p = *shape;
    if (p->slot_stride == 0)
        p->slot_stride = (p->prefix + 1) * p->channels;
    snprintf(out->text, sizeof(out->text), "%u slots, %u vectors of %u", p->slots, p->prefix,
             p->channels);
    case_slots(source, out, 0, p->slots, SLOT_AUDIO, 1, counts, COUNT_OF(counts));
    case_integers(source, out, 1, p->base + p->slots * p->slot_stride + 7, UINT32_MAX);
    out->bytes = 4.0 * p->slots * (p->prefix + 1) * p->channels;
    return true;
}

void conv_replicate_ref(const struct kernel_case *c)
{
    const struct conv_replicate_params *p = &c->params.conv_replicate;

    for (uint32_t slot = 0; slot < p->slots; slot++) {
        const uint32_t *state = ref_slot(c, 0, slot);
        uint32_t *vectors = (uint32_t *)c->data[1] + p->base + slot * p->slot_stride;

        if (!(state[STATE_FLAGS] & SLOT_AUDIO) || state[STATE_FRAME] != 0)
            continue;
        for (uint32_t i = 0; i < p->prefix; i++)
            memcpy(vectors + i * p->channels, vectors + p->prefix * p->channels,
                   sizeof(uint32_t) * p->channels);
    }
}
