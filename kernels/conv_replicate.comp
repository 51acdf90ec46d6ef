#version 450
/* SPDX-License-Identifier: MIT */
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"

PARAMS(conv_replicate_params);

#include "state.glsl"

layout(set = 0, binding = 1, std430) buffer Vectors { uint vectors[]; };

/* an invocation a channel (x) of a slot (y) */
void main()
{
    uint channel = gl_GlobalInvocationID.x, slot = gl_WorkGroupID.y;
    if (channel >= p.channels || slot >= p.slots)
        return;
    if ((slot_state(slot, STATE_FLAGS) & SLOT_AUDIO) == 0u || slot_state(slot, STATE_FRAME) != 0u)
        return;
    uint to = p.base + slot * p.slot_stride + channel;
    uint value = vectors[to + p.prefix * p.channels];
    for (uint i = 0u; i < p.prefix; i++)
        vectors[to + i * p.channels] = value;
}
