#version 450
/* SPDX-License-Identifier: MIT */
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "common.glsl"

PARAMS(attention_params);

layout(constant_id = 1) const uint KV_TYPE = KV_F32;
layout(constant_id = 2) const uint SHARES = 8u; /* lanes that share a key: 1, 2, 4 or 8 */

#include "ring.glsl"
#include "kv.glsl"

layout(set = 0, binding = 1, std430) readonly buffer Q { vec4 q[]; };
KV_IN(2, k_cache)
KV_IN(3, v_cache)
layout(set = 0, binding = 4, std430) writeonly buffer Out { float result[]; };

#define LANES 256u /* the workgroup, and the keys of a chunk */
#define MAX_QUADS 64u
#define LEAST -3.0e38

shared vec4 query[MAX_QUADS];
shared float dots[LANES * 8u]; /* [key][share]; at last [group][lane's dims], two quads a round */
shared float weights[LANES];
shared float sums[16];

float largest_weight(uint lane)
{
    if (lane < 16u) {
        float m = weights[lane * 16u];
        for (uint j = 1u; j < 16u; j++)
            m = max(m, weights[lane * 16u + j]);
        sums[lane] = m;
    }
    barrier();
    float m = LEAST;
    for (uint j = 0u; j < 16u; j++)
        m = max(m, sums[j]);
    return m;
}

float sum_of_weights(uint lane)
{
    if (lane < 16u) {
        float s = 0.0;
        for (uint j = 0u; j < 16u; j++)
            s += weights[lane * 16u + j];
        sums[lane] = s;
    }
    barrier();
    float s = 0.0;
    for (uint j = 0u; j < 16u; j++)
        s += sums[j];
    return s;
}

/* dots of `keys` keys: SHARES lanes read on where the other ends */
void dot_keys(uint lane, uint units, uint k_at, uint scale_at, uint keys)
{
    uint share = lane % SHARES, scale_words = KV_SCALE_WORDS(KV_TYPE, p.head_dim);
    for (uint i = lane / SHARES; i < keys; i += LANES / SHARES) {
        float sum = 0.0;
        for (uint u = share; u < units; u += SHARES) {
            uvec4 unit = k_cache_unit(k_at + i * units + u);
            vec4 products = vec4(0.0);
            [[unroll]] for (uint j = 0u; j < KV_QUADS; j++)
                products = fma(query[u * KV_QUADS + j], kv_load(unit, j), products);
            float scale = KV_SCALE(k_cache, scale_at + i * scale_words, u);
            sum = fma(scale, (products.x + products.y) + (products.z + products.w), sum);
        }
        dots[i * SHARES + share] = sum;
    }
}

/* A workgroup a part of the ring for a head of a column. Chunks of keys with a running maximum:
 * lanes first share the dimensions of keys, then the keys of dimensions. */
void main()
{
    uint lane = gl_LocalInvocationID.x, index = group_index();
    uint part = index % p.splits, row = index / p.splits;
    uint head = row % p.heads, col = row / p.heads, slot = col / p.per_slot, t = col % p.per_slot;
    if (slot >= p.slots)
        return;
    uint out_at = p.splits == 1u ? row * p.head_dim : index * PARTIAL_WORDS(p.head_dim);
    if (!slot_runs(slot, p.source)) {
        if (p.splits == 1u && lane < p.head_dim)
            result[out_at + lane] = 0.0;
        return;
    }
    uint last = last_position(slot), used = ring_used(last), newest = last % p.capacity;
    uint share = ATTENTION_SHARE(used, p.splits), begin = part * share;
    if (begin >= used)
        return;
    uint end = min(begin + share, used);

    uint units = KV_HEAD_UNITS(KV_TYPE, p.head_dim), quads = units * KV_QUADS;
    if (lane < quads)
        query[lane] = q[row * quads + lane];
    barrier();

    uint unit = lane % units, group = lane / units, groups = LANES / units; /* some may idle */
    float scale = 1.0 / sqrt(float(p.head_dim)), most = LEAST, sum = 0.0;
    vec4 acc[KV_QUADS];
    [[unroll]] for (uint j = 0u; j < KV_QUADS; j++)
        acc[j] = vec4(0.0);
    for (uint first = begin; first < end; first += LANES) {
        uint keys = min(end - first, LANES);
        dot_keys(lane, units, kv_unit_at(slot, head, first), kv_scale_at(slot, head, first), keys);
        barrier();
        float score = LEAST;
        if (lane < keys && visible(newest, first + lane, t)) {
            score = 0.0;
            for (uint j = 0u; j < SHARES; j++)
                score += dots[lane * SHARES + j];
            score *= scale;
        }
        weights[lane] = score;
        barrier();
        float chunk_most = max(most, largest_weight(lane));
        precise float less = most - chunk_most;
        precise float below = score - chunk_most;
        float shrink = exp_f32(less), e = score > LEAST ? exp_f32(below) : 0.0;
        most = chunk_most;
        sum = fma(sum, shrink, e);
        weights[lane] = e;
        barrier();
        [[unroll]] for (uint j = 0u; j < KV_QUADS; j++)
            acc[j] *= shrink;
        uint v_at = kv_unit_at(slot, head, first) + unit;
        uint scale_at = kv_scale_at(slot, head, first);
        for (uint i = group; i < keys && group < groups; i += groups) {
            uvec4 values = v_cache_unit(v_at + i * units);
            float weight = weights[i] * KV_SCALE(v_cache,
                scale_at + i * KV_SCALE_WORDS(KV_TYPE, p.head_dim), unit);
            [[unroll]] for (uint j = 0u; j < KV_QUADS; j++)
                acc[j] = fma(vec4(weight), kv_load(values, j), acc[j]);
        }
        barrier();
    }

    weights[lane] = sum;
    barrier();
    sum = sum_of_weights(lane);
    float inverse = sum > 0.0 ? 1.0 / sum : 0.0;
    uint words = 4u * min(KV_QUADS, 2u); /* a lane's of a round */
    [[unroll]] for (uint round = 0u; round < (KV_QUADS + 1u) / 2u; round++) {
        barrier();
        if (group < groups) {
            [[unroll]] for (uint j = 0u; j < words; j++)
                dots[(group * units + unit) * words + j] = acc[round * 2u + j / 4u][j % 4u];
        }
        barrier();
        for (uint i = lane; i < units * words; i += LANES) {
            float total = 0.0;
            for (uint j = 0u; j < groups; j++)
                total += dots[j * units * words + i];
            uint d = i / words * 4u * KV_QUADS + round * 8u + i % words;
            if (d < p.head_dim)
                result[out_at + d] = total * inverse;
        }
    }
    if (p.splits > 1u && lane == 0u) {
        result[out_at + PARTIAL_MOST(p.head_dim)] = most;
        result[out_at + PARTIAL_MOST(p.head_dim) + 1u] = sum;
    }
}
