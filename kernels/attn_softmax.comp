#version 450
/* SPDX-License-Identifier: MIT */
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "common.glsl"

PARAMS(attention_params);

#include "ring.glsl"

layout(set = 0, binding = 1, std430) buffer Scores { float scores[]; };

#define LEAST -3.0e38 /* what invisible ones have */
#define CHUNK 8u

float exp_below(float x, float most)
{
    precise float d = x - most;
    return exp_f32(d);
}

/* An invocation a head of a column. Loads are what a CPU device is slow at, exp_f32 is not: the sum
 * is scaled as chunks raise the maximum. What all-invisible chunks add vanishes in the same way. */
void main()
{
    uint index = global_index();
    if (index >= p.slots * p.per_slot * p.heads)
        return;
    uint slot = index / (p.per_slot * p.heads);
    if (!slot_runs(slot, p.source))
        return;
    uint n = ring_used(last_position(slot)), base = index * p.capacity;
    float most = LEAST, sum = 0.0;
    for (uint first = 0u; first < n; first += CHUNK) {
        float x[CHUNK], before = most, part = 0.0;
        [[unroll]] for (uint i = 0u; i < CHUNK; i++) {
            x[i] = LEAST;
            if (first + i < n)
                x[i] = scores[base + first + i];
            most = max(most, x[i]);
        }
        [[unroll]] for (uint i = 0u; i < CHUNK; i++)
            part += exp_below(x[i], most);
        sum = fma(sum, exp_below(before, most), part);
    }
    precise float scale = 1.0 / sum;
    for (uint r = 0u; r < n; r++)
        scores[base + r] = exp_below(scores[base + r], most) * scale;
}
