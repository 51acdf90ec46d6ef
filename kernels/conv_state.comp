#version 450
/* SPDX-License-Identifier: MIT */
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"

PARAMS(conv_state_params);

#include "state.glsl"

layout(set = 0, binding = 1, std430) readonly buffer Table { uint table[]; };
layout(set = 0, binding = 2, std430) buffer Arena { uint arena[]; };

/* An invocation a channel (x) of an entry (y) of a slot (z). The move may overlap: ascending. */
void main()
{
    uint channel = gl_GlobalInvocationID.x, entry = gl_WorkGroupID.y, slot = gl_WorkGroupID.z;
    if (entry >= p.entries || slot >= p.slots)
        return;
    uint at = entry * CONV_ENTRY;
    uint prefix = table[at + 2u], frame = table[at + 3u], channels = table[at + 4u];
    uint flags = slot_state(slot, STATE_FLAGS);
    if (channel >= channels)
        return;
    uint to = table[at] + slot * table[at + 1u] + channel;
    if ((flags & SLOT_RESET) != 0u) {
        for (uint i = 0u; i < prefix; i++)
            arena[to + i * channels] = 0u;
    } else if ((flags & SLOT_AUDIO) != 0u) {
        for (uint i = 0u; i < prefix; i++)
            arena[to + i * channels] = arena[to + (i + frame) * channels];
    }
}
