/* SPDX-License-Identifier: MIT */
#include "kernels/case_state.h"

/* Convolutions of Mimi's kind, and what is odd: no prefix, longer than the frame, one vector,
 * nothing; with and without a gap between the slots. */
static const struct conv_state_params shapes[] = {
    /* slots, slot_stride beyond the vectors, prefix, frame, channels */
    {1, 0, 6, 1920, 1}, {4, 3, 2, 100, 64}, {11, 0, 4, 7, 65}, {3, 1, 7, 2, 33}, {4, 0, 1, 1, 512},
    {5, 2, 0, 3, 5},    {5, 0, 5, 1, 3},    {9, 7, 3, 3, 130}, {4, 0, 2, 0, 4},
};

bool conv_state_cases(enum kernel_id id, uint32_t index, const struct case_source *source,
                      struct kernel_case *out)
{
    static const uint32_t counts[] = {5, 0, 7};
    static const uint32_t flags[] = {SLOT_AUDIO | SLOT_STEP, SLOT_RESET | SLOT_STEP,
                                     SLOT_STEP | SLOT_CODES, SLOT_AUDIO, 0};
    struct conv_state_params *p = &out->params.conv_state;
    uint32_t *state;

    (void)id;
    if (index >= COUNT_OF(shapes))
        return false;
    *p = shapes[index];
    p->slot_stride += (p->prefix + p->frame) * p->channels;
    snprintf(out->text, sizeof(out->text), "%u slots of %u, %u and %u vectors of %u", p->slots,
             p->slot_stride, p->prefix, p->frame, p->channels);
    state = case_slots(source, out, 0, p->slots, SLOT_AUDIO, UINT32_MAX, counts, COUNT_OF(counts));
    for (uint32_t i = 0; i < p->slots; i++)
        state[STATE_HEAD + i * STATE_SLOT + STATE_FLAGS] = flags[(i + index) % COUNT_OF(flags)];
    case_integers(source, out, 1, p->slots * p->slot_stride, UINT32_MAX);
    out->bytes = 8.0 * p->slots * p->prefix * p->channels;
    return true;
}

void conv_state_ref(const struct kernel_case *c)
{
    const struct conv_state_params *p = &c->params.conv_state;
    const size_t bytes = sizeof(uint32_t) * p->prefix * p->channels;

    for (uint32_t slot = 0; slot < p->slots; slot++) {
        uint32_t *vectors = (uint32_t *)c->data[1] + (size_t)slot * p->slot_stride;
        const uint32_t flags = ref_slot(c, 0, slot)[STATE_FLAGS];

        if (flags & SLOT_RESET)
            memset(vectors, 0, bytes);
        else if (flags & SLOT_AUDIO)
            memmove(vectors, vectors + (size_t)p->frame * p->channels, bytes);
    }
}
