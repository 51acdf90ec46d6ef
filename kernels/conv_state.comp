#version 450
/* SPDX-License-Identifier: MIT */
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"

PARAMS(conv_state_params);

#include "state.glsl"

#define CONVOLUTION(N)                                                                             \
    layout(set = 0, binding = N + 1, std430) buffer Vectors##N                                     \
    {                                                                                              \
        uint vectors##N[];                                                                         \
    };                                                                                             \
    void move##N(uint slot, uint channel, bool reset)                                              \
    {                                                                                              \
        uint channels = p.channels[N], length = p.prefix[N] + p.frame[N];                          \
        uint to = slot * length * channels + channel;                                              \
        for (uint i = 0u; i < p.prefix[N]; i++, to += channels)                                    \
            vectors##N[to] = reset ? 0u : vectors##N[to + p.frame[N] * channels];                  \
    }

CONVOLUTION(0)
CONVOLUTION(1)
CONVOLUTION(2)
CONVOLUTION(3)
CONVOLUTION(4)
CONVOLUTION(5)
CONVOLUTION(6)

/* An invocation a channel (x, one convolution after the other) of a slot (y). The move may overlap:
 * ascending. */
void main()
{
    uint group = gl_WorkGroupID.x, slot = gl_WorkGroupID.y, n = 0u;
    for (; n + 1u < CONV_STATES; n++) {
        uint groups = (p.channels[n] + gl_WorkGroupSize.x - 1u) / gl_WorkGroupSize.x;
        if (group < groups)
            break;
        group -= groups;
    }
    uint flags = slot_state(slot, STATE_FLAGS);
    uint channel = group * gl_WorkGroupSize.x + gl_LocalInvocationID.x;
    bool reset = (flags & SLOT_RESET) != 0u;
    if (channel >= p.channels[n] || (!reset && (flags & SLOT_AUDIO) == 0u))
        return;
    switch (n) {
    case 0u: move0(slot, channel, reset); break;
    case 1u: move1(slot, channel, reset); break;
    case 2u: move2(slot, channel, reset); break;
    case 3u: move3(slot, channel, reset); break;
    case 4u: move4(slot, channel, reset); break;
    case 5u: move5(slot, channel, reset); break;
    default: move6(slot, channel, reset); break;
    }
}
