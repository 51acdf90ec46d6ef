/* SPDX-License-Identifier: MIT
 *
 * attn_scores: an invocation a tile of one head: slot, queries, keys, head (fastest, so that
 * neighbours read on where the other ends).
 */
#extension GL_EXT_control_flow_attributes : require
#include "common.glsl"
#include "texels.glsl"

PARAMS(attention_params);

#include "ring.glsl"

layout(constant_id = 1) const uint KEYS = 4u;    /* a tile, consecutive ring slots */
layout(constant_id = 2) const uint QUERIES = 1u; /* a tile, of one slot */

IN_FLOATS(1, q)
IN_FLOATS(2, k_cache)
layout(set = 0, binding = 3, std430) writeonly buffer Scores { float scores[]; };

void main()
{
    uint key_tiles = (p.capacity + KEYS - 1u) / KEYS;
    uint query_tiles = (p.per_slot + QUERIES - 1u) / QUERIES;
    uint index = global_index();
    uint head = index % p.heads;
    index /= p.heads;
    uint r0 = index % key_tiles * KEYS;
    index /= key_tiles;
    uint t0 = index % query_tiles * QUERIES;
    uint slot = index / query_tiles;
    if (slot >= p.slots || !slot_runs(slot, p.source))
        return;
    uint last = last_position(slot);
    uint n = ring_used(last);
    if (r0 >= n)
        return;

    uint width = p.heads * p.head_dim;
    uint q_at[QUERIES], k_at[KEYS];
    float acc[QUERIES * KEYS];
    [[unroll]] for (uint t = 0u; t < QUERIES; t++)
        q_at[t] = (slot * p.per_slot + min(t0 + t, p.per_slot - 1u)) * width + head * p.head_dim;
    [[unroll]] for (uint j = 0u; j < KEYS; j++)
        k_at[j] = (slot * p.capacity + min(r0 + j, n - 1u)) * width + head * p.head_dim;
    [[unroll]] for (uint j = 0u; j < QUERIES * KEYS; j++)
        acc[j] = 0.0;
    uint d = 0u;
    for (; d + 4u <= p.head_dim; d += 4u) {
        vec4 values[QUERIES];
        [[unroll]] for (uint t = 0u; t < QUERIES; t++)
            values[t] = q4(q_at[t] + d);
        [[unroll]] for (uint j = 0u; j < KEYS; j++) {
            vec4 key = k_cache4(k_at[j] + d);
            [[unroll]] for (uint t = 0u; t < QUERIES; t++) {
                precise vec4 v = values[t] * key;
                precise float sum = (v.x + v.y) + (v.z + v.w);
                acc[t * KEYS + j] += sum;
            }
        }
    }
    for (; d < p.head_dim; d++) {
        [[unroll]] for (uint j = 0u; j < KEYS; j++) {
            float key = k_cache(k_at[j] + d);
            [[unroll]] for (uint t = 0u; t < QUERIES; t++)
                acc[t * KEYS + j] = fma(q(q_at[t] + d), key, acc[t * KEYS + j]);
        }
    }
    float scale = 1.0 / sqrt(float(p.head_dim));
    [[unroll]] for (uint t = 0u; t < QUERIES; t++) {
        if (t0 + t >= p.per_slot)
            continue;
        uint to = ((slot * p.per_slot + t0 + t) * p.heads + head) * p.capacity;
        [[unroll]] for (uint j = 0u; j < KEYS; j++) {
            uint r = r0 + j;
            if (r < n)
                scores[to + r] = visible(last, r, t0 + t) ? acc[t * KEYS + j] * scale : -3.0e38;
        }
    }
}
