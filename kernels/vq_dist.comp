#version 450
/* SPDX-License-Identifier: MIT */
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"

PARAMS(vq_dist_params);

layout(constant_id = 1) const uint BINS = 4u;  /* a tile */
layout(constant_id = 2) const uint SLOTS = 1u; /* a tile */

layout(set = 0, binding = 0, std430) readonly buffer R { float r[]; };
layout(set = 0, binding = 1, std430) readonly buffer Centroids { float centroids[]; };
layout(set = 0, binding = 2, std430) writeonly buffer Dist { float dist[]; };

/* an invocation a tile: slots, bins (fastest) */
void main()
{
    uint bin_tiles = (p.bins + BINS - 1u) / BINS;
    uint index = global_index();
    uint bin0 = index % bin_tiles * BINS, slot0 = index / bin_tiles * SLOTS;
    if (slot0 >= p.slots)
        return;
    uint r_at[4], c_at[16];
    float acc[64];
    for (uint s = 0u; s < SLOTS; s++)
        r_at[s] = min(slot0 + s, p.slots - 1u) * p.dim;
    for (uint b = 0u; b < BINS; b++)
        c_at[b] = min(bin0 + b, p.bins - 1u) * p.dim;
    for (uint j = 0u; j < SLOTS * BINS; j++)
        acc[j] = 0.0;
    for (uint i = 0u; i < p.dim; i++) {
        float values[4];
        for (uint s = 0u; s < SLOTS; s++)
            values[s] = r[r_at[s] + i];
        for (uint b = 0u; b < BINS; b++) {
            float c = centroids[c_at[b] + i];
            for (uint s = 0u; s < SLOTS; s++) {
                float d = values[s] - c;
                acc[s * BINS + b] = fma(d, d, acc[s * BINS + b]);
            }
        }
    }
    for (uint s = 0u; s < SLOTS; s++) {
        for (uint b = 0u; b < BINS; b++) {
            if (slot0 + s < p.slots && bin0 + b < p.bins)
                dist[(slot0 + s) * p.bins + bin0 + b] = acc[s * BINS + b];
        }
    }
}
