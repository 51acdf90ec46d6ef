/* SPDX-License-Identifier: MIT
 *
 * attn_values: an invocation a tile of one head: slot, queries, head, dims (fastest).
 */
#extension GL_EXT_control_flow_attributes : require
#include "common.glsl"
#include "texels.glsl"

PARAMS(attention_params);

#include "ring.glsl"

layout(constant_id = 1) const uint QUADS = 1u;   /* a tile: 4 dims each */
layout(constant_id = 2) const uint QUERIES = 1u; /* a tile, of one slot */

IN_FLOATS(1, scores)
IN_FLOATS(2, v_cache)
layout(set = 0, binding = 3, std430) writeonly buffer Out { float result[]; };

/* the four dims from d on; those that there are not are anything */
vec4 load_v(uint row, uint d)
{
#ifdef TEXELS
    return v_cache4(row + d);
#else
    uint end = p.head_dim - 1u;
    return vec4(v_cache(row + d), v_cache(row + min(d + 1u, end)), v_cache(row + min(d + 2u, end)),
                v_cache(row + min(d + 3u, end)));
#endif
}

/* the weights of n keys, at most 4, and zeros; rows of scores begin anywhere in a texel */
vec4 load_weights(uint at, uint n)
{
#ifdef TEXELS
    vec4 a = scores4(at), b = scores4(at + min(n, 4u) - 1u);
    uint shift = at & 3u;
    vec4 v = shift < 2u ? (shift == 0u ? a : vec4(a.yzw, b.x))
                        : (shift == 2u ? vec4(a.zw, b.xy) : vec4(a.w, b.xyz));
    return mix(vec4(0.0), v, lessThan(uvec4(0u, 1u, 2u, 3u), uvec4(n)));
#else
    vec4 v = vec4(scores(at), 0.0, 0.0, 0.0);
    if (n > 1u)
        v.y = scores(at + 1u);
    if (n > 2u)
        v.z = scores(at + 2u);
    if (n > 3u)
        v.w = scores(at + 3u);
    return v;
#endif
}

void main()
{
    uint dim_tiles = (p.head_dim + 4u * QUADS - 1u) / (4u * QUADS);
    uint query_tiles = (p.per_slot + QUERIES - 1u) / QUERIES;
    uint index = global_index();
    uint d0 = index % dim_tiles * 4u * QUADS;
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
    uint s_at[QUERIES], d_at[QUADS];
    vec4 total[QUERIES * QUADS];
    [[unroll]] for (uint t = 0u; t < QUERIES; t++) {
        uint col = slot * p.per_slot + min(t0 + t, p.per_slot - 1u);
        s_at[t] = (col * p.heads + head) * p.capacity;
    }
    [[unroll]] for (uint j = 0u; j < QUADS; j++)
        d_at[j] = min(d0 + 4u * j, p.head_dim - 1u);
    [[unroll]] for (uint j = 0u; j < QUERIES * QUADS; j++)
        total[j] = vec4(0.0);
    /* in blocks, so that the error does not grow with n */
    for (uint first = 0u; first < n; first += 64u) {
        uint end = min(first + 64u, n);
        vec4 acc[QUERIES * QUADS];
        [[unroll]] for (uint j = 0u; j < QUERIES * QUADS; j++)
            acc[j] = vec4(0.0);
        for (uint r = first; r < end; r += 4u) {
            vec4 weights[QUERIES];
            [[unroll]] for (uint t = 0u; t < QUERIES; t++)
                weights[t] = load_weights(s_at[t] + r, end - r);
            [[unroll]] for (uint i = 0u; i < 4u; i++) {
                uint row = v_at + min(r + i, end - 1u) * width; /* what follows may be NaN */
                [[unroll]] for (uint j = 0u; j < QUADS; j++) {
                    vec4 v = load_v(row, d_at[j]);
                    [[unroll]] for (uint t = 0u; t < QUERIES; t++)
                        acc[t * QUADS + j] = fma(vec4(weights[t][i]), v, acc[t * QUADS + j]);
                }
            }
        }
        [[unroll]] for (uint j = 0u; j < QUERIES * QUADS; j++)
            total[j] += acc[j];
    }
    [[unroll]] for (uint t = 0u; t < QUERIES; t++) {
        if (t0 + t >= p.per_slot)
            continue;
        uint to = (slot * p.per_slot + t0 + t) * width + head * p.head_dim;
        [[unroll]] for (uint j = 0u; j < 4u * QUADS; j++) {
            if (d0 + j < p.head_dim)
                result[to + d0 + j] = total[t * QUADS + j / 4u][j % 4u];
        }
    }
}
