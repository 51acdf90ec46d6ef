/* SPDX-License-Identifier: MIT */
#include "kernels/case_state.h"

/* Convolutions of Mimi's kind, and what is odd: no prefix, longer than the frame, one vector,
 * nothing, unused bindings between others. */
static const struct conv_state_params shapes[] = {
    {1, {6}, {1920}, {1}},
    {4,
     {6, 2, 4, 2, 5, 2, 6},
     {1920, 1920, 1920, 480, 480, 96, 96},
     {1, 64, 64, 128, 128, 256, 256}},
    {11, {4, 7, 1}, {7, 2, 1}, {65, 33, 512}},
    {5, {0, 5, 3, 2, 0, 1, 1}, {3, 1, 3, 0, 0, 1, 0}, {5, 3, 130, 4, 0, 64, 63}},
    {3, {9, 1, 1, 1, 1, 1, 8}, {8, 1, 1, 1, 1, 1, 16}, {257, 0, 0, 0, 1, 0, 512}},
};

static const struct conv_state_params bench_shape = {
    1, {2, 6, 2, 8, 2, 2}, {96, 96, 16, 16, 2, 2}, {256, 256, 512, 512, 1024, 512}};

bool conv_state_cases(enum kernel_id id, uint32_t index, const struct case_source *source,
                      struct kernel_case *out)
{
    static const uint32_t counts[] = {5, 0, 7};
    static const uint32_t flags[] = {SLOT_AUDIO | SLOT_STEP, SLOT_RESET | SLOT_STEP,
                                     SLOT_STEP | SLOT_CODES, SLOT_AUDIO, 0};
    struct conv_state_params *p = &out->params.conv_state;

    (void)id;
    if (index >= COUNT_OF(shapes) && index != CASE_BENCH)
        return false;
    *p = index == CASE_BENCH ? bench_shape : shapes[index];
    snprintf(out->text, sizeof(out->text), "%u slots, first %u and %u vectors of %u", p->slots,
             p->prefix[0], p->frame[0], p->channels[0]);
    uint32_t *state =
        case_slots(source, out, 0, p->slots, SLOT_AUDIO, UINT32_MAX, counts, COUNT_OF(counts));
    for (uint32_t i = 0; i < p->slots; i++)
        state[STATE_HEAD + i * STATE_SLOT + STATE_FLAGS] = flags[(i + index) % COUNT_OF(flags)];
    for (uint32_t n = 0; n < CONV_STATES; n++) {
        const uint32_t words = (p->prefix[n] + p->frame[n]) * p->channels[n];

        if (words)
            case_integers(source, out, 1 + n, p->slots * words, UINT32_MAX);
        out->bytes += 8.0 * p->slots * p->prefix[n] * p->channels[n];
    }
    return true;
}

void conv_state_ref(const struct kernel_case *c)
{
    const struct conv_state_params *p = &c->params.conv_state;

    for (uint32_t n = 0; n < CONV_STATES; n++) {
        const size_t bytes = sizeof(uint32_t) * p->prefix[n] * p->channels[n];
        const size_t frame = (size_t)p->frame[n] * p->channels[n];
        uint32_t *vectors = c->data[1 + n];

        for (uint32_t slot = 0; slot < p->slots && bytes; slot++, vectors += frame + bytes / 4) {
            const uint32_t flags = ref_slot(c, 0, slot)[STATE_FLAGS];

            if (flags & SLOT_RESET)
                memset(vectors, 0, bytes);
            else if (flags & SLOT_AUDIO)
                memmove(vectors, vectors + frame, bytes);
        }
    }
}
