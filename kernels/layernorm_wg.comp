#version 450
/* SPDX-License-Identifier: MIT */
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
#include "sums.glsl"

PARAMS(norm_params);

layout(set = 0, binding = 0, std430) readonly buffer X { float x[]; };
layout(set = 0, binding = 1, std430) readonly buffer Weight { float weight[]; };
layout(set = 0, binding = 2, std430) readonly buffer Bias { float bias[]; };
layout(set = 0, binding = 3, std430) writeonly buffer Y { float y[]; };

/* a workgroup a column */
void main()
{
    uint col = group_index();
    if (col >= p.cols)
        return;
    uint base = col * p.dim;
    float part = 0.0;
    for (uint i = gl_LocalInvocationID.x; i < p.dim; i += gl_WorkGroupSize.x)
        part += x[base + i];
    float mean = group_sum(part) / float(p.dim);
    part = 0.0;
    for (uint i = gl_LocalInvocationID.x; i < p.dim; i += gl_WorkGroupSize.x) {
        float d = x[base + i] - mean;
        part = fma(d, d, part);
    }
    precise float var = group_sum(part) / float(p.dim);
    precise float scale = 1.0 / sqrt(var + p.eps);
    for (uint i = gl_LocalInvocationID.x; i < p.dim; i += gl_WorkGroupSize.x)
        y[base + i] = fma((x[base + i] - mean) * scale, weight[i], bias[i]);
}
