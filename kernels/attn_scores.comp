#version 450
/* SPDX-License-Identifier: MIT */
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"

PARAMS(attention_params);

#include "ring.glsl"

layout(constant_id = 1) const uint KEYS = 4u;    /* a tile, consecutive ring slots */
layout(constant_id = 2) const uint QUERIES = 1u; /* a tile, of one slot */

layout(set = 0, binding = 1, std430) readonly buffer Q { float q[]; };
layout(set = 0, binding = 2, std430) readonly buffer K { float k_cache[]; };
layout(set = 0, binding = 3, std430) writeonly buffer Scores { float scores[]; };

/* an invocation a tile of one head: slot, queries, head, keys (fastest) */
void main()
{
    uint key_tiles = (p.capacity + KEYS - 1u) / KEYS;
    uint query_tiles = (p.per_slot + QUERIES - 1u) / QUERIES;
    uint index = global_index();
    uint r0 = index % key_tiles * KEYS;
    index /= key_tiles;
    uint head = index % p.heads;
    index /= p.heads;
    uint t0 = index % query_tiles * QUERIES;
    uint slot = index / query_tiles;
    if (slot >= p.slots || !slot_runs(slot, p.source))
        return;
    uint last = last_position(slot);
    uint n = ring_used(last);
    if (r0 >= n)
        return;

    uint width = p.heads * p.head_dim;
    uint q_at[4], k_at[16];
    float acc[64];
    for (uint t = 0u; t < QUERIES; t++)
        q_at[t] = (slot * p.per_slot + min(t0 + t, p.per_slot - 1u)) * width + head * p.head_dim;
    for (uint j = 0u; j < KEYS; j++)
        k_at[j] = (slot * p.capacity + min(r0 + j, n - 1u)) * width + head * p.head_dim;
    for (uint j = 0u; j < QUERIES * KEYS; j++)
        acc[j] = 0.0;
    for (uint d = 0u; d < p.head_dim; d++) {
        float values[4];
        for (uint t = 0u; t < QUERIES; t++)
            values[t] = q[q_at[t] + d];
        for (uint j = 0u; j < KEYS; j++) {
            float key = k_cache[k_at[j] + d];
            for (uint t = 0u; t < QUERIES; t++)
                acc[t * KEYS + j] = fma(values[t], key, acc[t * KEYS + j]);
        }
    }
    float scale = 1.0 / sqrt(float(p.head_dim));
    for (uint t = 0u; t < QUERIES; t++) {
        if (t0 + t >= p.per_slot)
            continue;
        uint to = ((slot * p.per_slot + t0 + t) * p.heads + head) * p.capacity;
        for (uint j = 0u; j < KEYS; j++) {
            uint r = r0 + j;
            if (r < n)
                scores[to + r] = visible(last, r, t0 + t) ? acc[t * KEYS + j] * scale : -3.0e38;
        }
    }
}
