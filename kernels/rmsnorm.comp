#version 450
/* SPDX-License-Identifier: MIT */
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"

PARAMS(norm_params);

layout(set = 0, binding = 0, std430) readonly buffer X { float x[]; };
layout(set = 0, binding = 1, std430) readonly buffer Alpha { float alpha[]; };
layout(set = 0, binding = 2, std430) writeonly buffer Y { float y[]; };

/* an invocation a column */
void main()
{
    uint col = global_index();
    if (col >= p.cols)
        return;
    uint base = col * p.dim;
    float s0 = 0.0, s1 = 0.0, s2 = 0.0, s3 = 0.0, s4 = 0.0, s5 = 0.0, s6 = 0.0, s7 = 0.0;
    uint i = 0u;
    for (; i + 8u <= p.dim; i += 8u) {
        uint at = base + i;
        float v0 = x[at], v1 = x[at + 1u], v2 = x[at + 2u], v3 = x[at + 3u];
        float v4 = x[at + 4u], v5 = x[at + 5u], v6 = x[at + 6u], v7 = x[at + 7u];
        s0 = fma(v0, v0, s0);
        s1 = fma(v1, v1, s1);
        s2 = fma(v2, v2, s2);
        s3 = fma(v3, v3, s3);
        s4 = fma(v4, v4, s4);
        s5 = fma(v5, v5, s5);
        s6 = fma(v6, v6, s6);
        s7 = fma(v7, v7, s7);
    }
    for (; i < p.dim; i++)
        s0 = fma(x[base + i], x[base + i], s0);
    float sum = ((s0 + s1) + (s2 + s3)) + ((s4 + s5) + (s6 + s7));
    precise float mean = sum / float(p.dim);
    precise float scale = 1.0 / sqrt(p.eps + mean);
    for (i = 0u; i < p.dim; i++)
        y[base + i] = x[base + i] * (alpha[i] * scale);
}
