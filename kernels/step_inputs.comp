#version 450
/* SPDX-License-Identifier: MIT */
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"

PARAMS(step_inputs_params);

#include "state.glsl"

layout(set = 0, binding = 1, std430) readonly buffer Delays { uint delays[]; };
layout(set = 0, binding = 2, std430) readonly buffer Tokens { uint tokens[]; };
layout(set = 0, binding = 3, std430) readonly buffer Codes { uint codes[]; };
layout(set = 0, binding = 4, std430) writeonly buffer Ids { uint ids[]; };

/* an invocation a stream k of a slot */
void main()
{
    uint index = global_index();
    if (index >= p.slots * (1u + p.n_q))
        return;
    uint slot = index / (1u + p.n_q), k = index % (1u + p.n_q);
    uint s = slot_state(slot, STATE_STEP), d = delays[k];
    uint id;
    if (s <= d)
        id = k == 0u ? p.text_card : p.card;
    else if (k <= p.dep_q)
        id = tokens[slot * (1u + p.dep_q) + k];
    else {
        uint frame = (s - d - 1u) % p.codes_ring;
        id = codes[(slot * p.codes_ring + frame) * p.n_codes + k - 1u - p.dep_q];
    }
    ids[index] = id;
}
