#version 450
/* SPDX-License-Identifier: MIT */
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"

PARAMS(attention_params);

#include "ring.glsl"

layout(set = 0, binding = 1, std430) buffer Scores { float scores[]; };

/* an invocation a head of a column */
void main()
{
    uint index = global_index();
    if (index >= p.slots * p.per_slot * p.heads)
        return;
    uint slot = index / (p.per_slot * p.heads);
    if (!slot_runs(slot, p.source))
        return;
    uint n = ring_used(last_position(slot)), base = index * p.capacity;
    float most = -3.0e38;
    for (uint r = 0u; r < n; r++)
        most = max(most, scores[base + r]);
    /* in blocks, so that the error does not grow with n */
    float sum = 0.0;
    for (uint first = 0u; first < n; first += 64u) {
        uint end = min(first + 64u, n);
        float part = 0.0;
        for (uint r = first; r < end; r++) {
            precise float x = scores[base + r] - most;
            float e = exp_f32(x); /* 0 for the invisible */
            scores[base + r] = e;
            part += e;
        }
        sum += part;
    }
    float scale = 1.0 / sum;
    for (uint r = 0u; r < n; r++)
        scores[base + r] *= scale;
}
