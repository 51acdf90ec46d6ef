#version 450
/* SPDX-License-Identifier: MIT */
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"

PARAMS(attention_params);

#include "ring.glsl"

layout(constant_id = 1) const uint DIMS = 4u;    /* a tile */
layout(constant_id = 2) const uint QUERIES = 1u; /* a tile, of one slot */

layout(set = 0, binding = 1, std430) readonly buffer Scores { float scores[]; };
layout(set = 0, binding = 2, std430) readonly buffer V { float v_cache[]; };
layout(set = 0, binding = 3, std430) writeonly buffer Out { float result[]; };

/* an invocation a tile of one head: slot, queries, head, dims (fastest) */
void main()
{
    uint dim_tiles = (p.head_dim + DIMS - 1u) / DIMS;
    uint query_tiles = (p.per_slot + QUERIES - 1u) / QUERIES;
    uint index = global_index();
    uint d0 = index % dim_tiles * DIMS;
    index /= dim_tiles;
    uint head = index % p.heads;
    index /= p.heads;
    uint t0 = index % query_tiles * QUERIES;
    uint slot = index / query_tiles;
    if (slot >= p.slots)
        return;
    uint n = slot_runs(slot, p.source) ? ring_used(last_position(slot)) : 0u;

    uint width = p.heads * p.head_dim;
    uint v_at = slot * p.capacity * width + head * p.head_dim;
    uint s_at[4], d_at[16];
    float total[64];
    for (uint t = 0u; t < QUERIES; t++) {
        uint col = slot * p.per_slot + min(t0 + t, p.per_slot - 1u);
        s_at[t] = (col * p.heads + head) * p.capacity;
    }
    for (uint j = 0u; j < DIMS; j++)
        d_at[j] = v_at + min(d0 + j, p.head_dim - 1u);
    for (uint j = 0u; j < QUERIES * DIMS; j++)
        total[j] = 0.0;
    /* in blocks, so that the error does not grow with n */
    for (uint first = 0u; first < n; first += 64u) {
        uint end = min(first + 64u, n);
        float acc[64];
        for (uint j = 0u; j < QUERIES * DIMS; j++)
            acc[j] = 0.0;
        for (uint r = first; r < end; r++) {
            float weights[4];
            for (uint t = 0u; t < QUERIES; t++)
                weights[t] = scores[s_at[t] + r];
            for (uint j = 0u; j < DIMS; j++) {
                float v = v_cache[d_at[j] + r * width];
                for (uint t = 0u; t < QUERIES; t++)
                    acc[t * DIMS + j] = fma(weights[t], v, acc[t * DIMS + j]);
            }
        }
        for (uint j = 0u; j < QUERIES * DIMS; j++)
            total[j] += acc[j];
    }
    for (uint t = 0u; t < QUERIES; t++) {
        if (t0 + t >= p.per_slot)
            continue;
        uint to = (slot * p.per_slot + t0 + t) * width + head * p.head_dim;
        for (uint j = 0u; j < DIMS; j++) {
            if (d0 + j < p.head_dim)
                result[to + d0 + j] = total[t * DIMS + j];
        }
    }
}
