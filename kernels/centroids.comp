#version 450
/* SPDX-License-Identifier: MIT */
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"

layout(set = 0, binding = 0) buffer Sum { float sum[]; };
layout(set = 0, binding = 1) readonly buffer Usage { float usage[]; };

PARAMS(centroids_params);

void main()
{
    uint index = global_index();
    if (index < p.bins * p.dim)
        sum[index] = sum[index] / max(usage[index / p.dim], 1e-5);
}
