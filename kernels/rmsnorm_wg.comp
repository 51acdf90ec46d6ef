#version 450
/* SPDX-License-Identifier: MIT */
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
#include "sums.glsl"

PARAMS(norm_params);

layout(set = 0, binding = 0, std430) readonly buffer X { float x[]; };
layout(set = 0, binding = 1, std430) readonly buffer Alpha { float alpha[]; };
layout(set = 0, binding = 2, std430) writeonly buffer Y { float y[]; };

/* a workgroup a column */
void main()
{
    uint col = group_index();
    if (col >= p.cols)
        return;
    uint base = col * p.dim;
    float part = 0.0;
    for (uint i = gl_LocalInvocationID.x; i < p.dim; i += gl_WorkGroupSize.x)
        part = fma(x[base + i], x[base + i], part);
    precise float mean = group_sum(part) / float(p.dim);
    precise float scale = 1.0 / sqrt(p.eps + mean);
    for (uint i = gl_LocalInvocationID.x; i < p.dim; i += gl_WorkGroupSize.x)
        y[base + i] = x[base + i] * (alpha[i] * scale);
}
