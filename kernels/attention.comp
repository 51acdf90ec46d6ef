#version 450
/* SPDX-License-Identifier: MIT */
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"

PARAMS(attention_params);

#include "ring.glsl"

layout(set = 0, binding = 1, std430) readonly buffer Q { vec4 q[]; };
layout(set = 0, binding = 2, std430) readonly buffer K { vec4 k_cache[]; };
layout(set = 0, binding = 3, std430) readonly buffer V { vec4 v_cache[]; };
layout(set = 0, binding = 4, std430) writeonly buffer Out { vec4 result[]; };

#define LANES 256u /* the workgroup, and the keys of a chunk */
#define SHARES 8u  /* lanes that share a key */
#define MAX_QUADS 64u

shared vec4 query[MAX_QUADS];
shared float partial[LANES * SHARES]; /* [key][share]; at last [group][quad] as 4 floats */
shared float weights[LANES];
shared float sums[16];

/* A workgroup a head of a column; head_dim a multiple of 4, at most 256. Chunks of keys with a
 * running maximum: lanes first share the dimensions of keys, then the keys of dimensions. */
void main()
{
    uint lane = gl_LocalInvocationID.x;
    uint index = group_index();
    if (index >= p.slots * p.per_slot * p.heads)
        return;
    uint col = index / p.heads, head = index % p.heads;
    uint slot = col / p.per_slot, t = col % p.per_slot;
    uint quads = p.head_dim / 4u, width = p.heads * quads;
    uint q_at = col * width + head * quads;
    if (!slot_runs(slot, p.source)) {
        if (lane < quads)
            result[q_at + lane] = vec4(0.0);
        return;
    }
    uint last = last_position(slot), n = ring_used(last);
    uint cache_at = slot * p.capacity * width + head * quads;
    if (lane < quads)
        query[lane] = q[q_at + lane];
    barrier();

    uint share = lane % SHARES, quad = lane % quads;
    uint group = lane / quads, groups = LANES / quads; /* of the second part; some may idle */
    float scale = 1.0 / sqrt(float(p.head_dim));
    float most = -3.0e38, sum = 0.0;
    vec4 acc = vec4(0.0);
    for (uint first = 0u; first < n; first += LANES) {
        uint keys = min(n - first, LANES);
        for (uint i = lane / SHARES; i < keys; i += LANES / SHARES) {
            uint at = cache_at + (first + i) * width;
            vec4 dots = vec4(0.0);
            for (uint j = share; j < quads; j += SHARES)
                dots = fma(query[j], k_cache[at + j], dots);
            partial[i * SHARES + share] = (dots.x + dots.y) + (dots.z + dots.w);
        }
        barrier();
        float score = -3.0e38;
        if (lane < keys && visible(last, first + lane, t)) {
            float dots = 0.0;
            for (uint j = 0u; j < SHARES; j++)
                dots += partial[lane * SHARES + j];
            score = dots * scale;
        }
        weights[lane] = score;
        barrier();
        if (lane < 16u) {
            float m = weights[lane * 16u];
            for (uint j = 1u; j < 16u; j++)
                m = max(m, weights[lane * 16u + j]);
            sums[lane] = m;
        }
        barrier();
        float chunk_most = most;
        for (uint j = 0u; j < 16u; j++)
            chunk_most = max(chunk_most, sums[j]);
        precise float less = most - chunk_most;
        precise float below = score - chunk_most;
        float shrink = exp_f32(less);
        most = chunk_most;
        float e = score > -3.0e38 ? exp_f32(below) : 0.0;
        sum = fma(sum, shrink, e);
        weights[lane] = e;
        barrier();
        acc *= shrink;
        if (group < groups) {
            for (uint i = group; i < keys; i += groups)
                acc = fma(vec4(weights[i]), v_cache[cache_at + (first + i) * width + quad], acc);
        }
        barrier();
    }

    weights[lane] = sum;
    if (group < groups) {
        uint at = (group * quads + quad) * 4u;
        partial[at] = acc.x;
        partial[at + 1u] = acc.y;
        partial[at + 2u] = acc.z;
        partial[at + 3u] = acc.w;
    }
    barrier();
    if (lane < 16u) {
        float s = 0.0;
        for (uint j = 0u; j < 16u; j++)
            s += weights[lane * 16u + j];
        sums[lane] = s;
    }
    barrier();
    if (lane >= quads)
        return;
    sum = 0.0;
    for (uint j = 0u; j < 16u; j++)
        sum += sums[j];
    acc = vec4(0.0);
    for (uint j = 0u; j < groups; j++) {
        uint at = (j * quads + lane) * 4u;
        acc += vec4(partial[at], partial[at + 1u], partial[at + 2u], partial[at + 3u]);
    }
    result[q_at + lane] = acc / sum;
}
