#version 450
/* SPDX-License-Identifier: MIT */
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"

PARAMS(norm_params);

layout(set = 0, binding = 0, std430) readonly buffer X { float x[]; };
layout(set = 0, binding = 1, std430) readonly buffer Weight { float weight[]; };
layout(set = 0, binding = 2, std430) readonly buffer Bias { float bias[]; };
layout(set = 0, binding = 3, std430) writeonly buffer Y { float y[]; };

/* an invocation a column */
void main()
{
    uint col = global_index();
    if (col >= p.cols)
        return;
    uint base = col * p.dim;
    vec4 sums = vec4(0.0);
    uint i = 0u;
    for (; i + 4u <= p.dim; i += 4u)
        sums += vec4(x[base + i], x[base + i + 1u], x[base + i + 2u], x[base + i + 3u]);
    for (; i < p.dim; i++)
        sums.x += x[base + i];
    float mean = ((sums.x + sums.y) + (sums.z + sums.w)) / float(p.dim);

    vec4 squares = vec4(0.0);
    for (i = 0u; i + 4u <= p.dim; i += 4u) {
        vec4 d = vec4(x[base + i], x[base + i + 1u], x[base + i + 2u], x[base + i + 3u]) - mean;
        squares = fma(d, d, squares);
    }
    for (; i < p.dim; i++) {
        float d = x[base + i] - mean;
        squares.x = fma(d, d, squares.x);
    }
    precise float var = ((squares.x + squares.y) + (squares.z + squares.w)) / float(p.dim);
    precise float scale = 1.0 / sqrt(var + p.eps);
    for (i = 0u; i < p.dim; i++)
        y[base + i] = fma((x[base + i] - mean) * scale, weight[i], bias[i]);
}
