#version 450
/* SPDX-License-Identifier: MIT */
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"

PARAMS(conv_state_params);

#include "state.glsl"

layout(set = 0, binding = 1, std430) buffer Vectors { uint vectors[]; };

/* An invocation a channel (x) of a slot (y). The move may overlap: ascending. */
void main()
{
    uint channel = gl_GlobalInvocationID.x, slot = gl_WorkGroupID.y;
    if (channel >= p.channels || slot >= p.slots)
        return;
    uint flags = slot_state(slot, STATE_FLAGS), to = slot * p.slot_stride + channel;
    if ((flags & SLOT_RESET) != 0u) {
        for (uint i = 0u; i < p.prefix; i++)
            vectors[to + i * p.channels] = 0u;
    } else if ((flags & SLOT_AUDIO) != 0u) {
        for (uint i = 0u; i < p.prefix; i++)
            vectors[to + i * p.channels] = vectors[to + (i + p.frame) * p.channels];
    }
}
