/* SPDX-License-Identifier: MIT */
#include "kernels/case_state.h"

struct entry {
    uint32_t prefix, length, channels;
};

/* Convolutions of Mimi's kind, and what is odd: no prefix, longer than the frame, one vector,
 * nothing */
static const struct entry entries[] = {
    {6, 1920, 1}, {2, 100, 64}, {4, 7, 65},  {7, 2, 33}, {1, 1, 512},
    {0, 3, 5},    {5, 1, 3},    {3, 3, 130}, {2, 0, 4},
};

static const struct conv_state_params shapes[] = {
    {1, 2, 64}, {4, COUNT_OF(entries), 512}, {11, 4, 65}, {1, 1, 1}, {3, COUNT_OF(entries), 512},
};

bool conv_state_cases(enum kernel_id id, uint32_t index, const struct case_source *source,
                      struct kernel_case *out)
{
    static const uint32_t counts[] = {5, 0, 7};
    static const uint32_t flags[] = {SLOT_AUDIO | SLOT_STEP, SLOT_RESET | SLOT_STEP,
                                     SLOT_STEP | SLOT_CODES, SLOT_AUDIO, 0};
    const struct conv_state_params *p;
    uint32_t *state, *table, end = 64;

    (void)id;
    if (index >= COUNT_OF(shapes))
        return false;
    p = &shapes[index];
    out->params.conv_state = *p;
    snprintf(out->text, sizeof(out->text), "%u slots, %u entries, at most %u channels", p->slots,
             p->entries, p->max_channels);
    state = case_slots(source, out, 0, p->slots, SLOT_AUDIO, UINT32_MAX, counts, COUNT_OF(counts));
    for (uint32_t i = 0; i < p->slots; i++)
        state[STATE_HEAD + i * STATE_SLOT + STATE_FLAGS] = flags[(i + index) % COUNT_OF(flags)];
    table = case_integers(source, out, 1, p->entries * CONV_ENTRY, UINT32_MAX);
    for (uint32_t i = 0; i < p->entries; i++) {
        uint32_t size = (entries[i].prefix + entries[i].length) * entries[i].channels;

        table[i * CONV_ENTRY] = end;
        table[i * CONV_ENTRY + 1] = size + i;
        table[i * CONV_ENTRY + 2] = entries[i].prefix;
        table[i * CONV_ENTRY + 3] = entries[i].length;
        table[i * CONV_ENTRY + 4] = entries[i].channels;
        end += p->slots * (size + i) + 5;
        out->bytes += 8.0 * p->slots * entries[i].prefix * entries[i].channels;
    }
    case_integers(source, out, 2, end, UINT32_MAX);
    return true;
}

void conv_state_ref(const struct kernel_case *c)
{
    const struct conv_state_params *p = &c->params.conv_state;

    for (uint32_t i = 0; i < p->slots * p->entries; i++) {
        uint32_t slot = i / p->entries, flags = ref_slot(c, 0, slot)[STATE_FLAGS];
        const uint32_t *entry = (const uint32_t *)c->data[1] + i % p->entries * CONV_ENTRY;
        uint32_t *vectors = (uint32_t *)c->data[2] + entry[0] + slot * entry[1];
        size_t prefix_bytes = sizeof(uint32_t) * entry[2] * entry[4];

        if (flags & SLOT_RESET)
            memset(vectors, 0, prefix_bytes);
        else if (flags & SLOT_AUDIO)
            memmove(vectors, vectors + entry[3] * entry[4], prefix_bytes);
    }
}
