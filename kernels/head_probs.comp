#version 450
/* SPDX-License-Identifier: MIT */
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"

PARAMS(head_probs_params);

layout(set = 0, binding = 0, std430) readonly buffer Logits { float logits[]; };
layout(set = 0, binding = 1, std430) writeonly buffer Probs { float probs[]; };

/* an invocation a head of a slot */
void main()
{
    uint index = global_index();
    if (index >= p.slots * p.heads)
        return;
    uint base = index * p.dim;
    float most = logits[base];
    for (uint i = 1u; i < p.dim; i++)
        most = max(most, logits[base + i]);
    float sum = 0.0;
    for (uint i = 0u; i < p.dim; i++) {
        precise float x = logits[base + i] - most;
        sum += exp_f32(x);
    }
    for (uint i = 0u; i < p.dim; i++) {
        precise float x = logits[base + i] - most;
        probs[base + i] = exp_f32(x) / sum;
    }
}
