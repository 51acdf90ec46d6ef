#version 450
/* SPDX-License-Identifier: MIT */
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"

PARAMS(vq_dist_params);

layout(set = 0, binding = 0, std430) readonly buffer R { float r[]; };
layout(set = 0, binding = 1, std430) readonly buffer Centroids { float centroids[]; };
layout(set = 0, binding = 2, std430) writeonly buffer Dist { float dist[]; };

#define SHARES 8u /* lanes that share a bin, so that they read neighbours */

shared float partial[256];

/* a workgroup of 256: 32 bins (x) of a slot (y) */
void main()
{
    uint lane = gl_LocalInvocationID.x, share = lane % SHARES;
    uint bin0 = gl_WorkGroupID.x * 32u, bin = bin0 + lane / SHARES, slot = gl_WorkGroupID.y;
    if (slot >= p.slots)
        return;
    float sum = 0.0;
    if (bin < p.bins) {
        for (uint i = share; i < p.dim; i += SHARES) {
            float d = r[slot * p.dim + i] - centroids[bin * p.dim + i];
            sum = fma(d, d, sum);
        }
    }
    partial[lane] = sum;
    barrier();
    if (lane >= 32u || bin0 + lane >= p.bins)
        return;
    sum = 0.0;
    for (uint i = 0u; i < SHARES; i++)
        sum += partial[lane * SHARES + i];
    dist[slot * p.bins + bin0 + lane] = sum;
}
