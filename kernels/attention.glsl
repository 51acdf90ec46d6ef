/* SPDX-License-Identifier: MIT
 *
 * attention: an invocation a part of the ring for some queries of a head: slot, queries, part, head
 * (fastest, so that neighbours have the same number of keys).
 */
#extension GL_EXT_control_flow_attributes : require
#include "common.glsl"
#include "texels.glsl"

PARAMS(attention_params);

layout(constant_id = 1) const uint KV_TYPE = KV_F32;
layout(constant_id = 2) const uint SHARE = 8u;   /* room for the ring slots of a part */
layout(constant_id = 3) const uint QUERIES = 1u; /* of one slot */

#include "ring.glsl"
#include "kv.glsl"

#define KEYS 8u     /* whose dot products are summed side by side */
const uint OUT_UNITS = 4u / KV_QUADS; /* of values, summed side by side */
#define OUT_QUADS 4u
#define LEAST -3.0e38

IN_FLOATS(1, q)
KV_IN(2, k_cache)
KV_IN(3, v_cache)
layout(set = 0, binding = 4, std430) writeonly buffer Out { float result[]; };

float weights[QUERIES * SHARE]; /* of the part: first scores, then exp(score - most) */

/* Scores of KEYS ring slots from `first` on; those from `end` on are beyond the part. */
void score(uint slot, uint head, uint t0, uint first, uint begin, uint end, uint newest)
{
    uint units = KV_HEAD_UNITS(KV_TYPE, p.head_dim);
    uint q_at[QUERIES], k_at[KEYS], scale_at[KEYS];
    float acc[QUERIES * KEYS];
    [[unroll]] for (uint t = 0u; t < QUERIES; t++) {
        uint col = slot * p.per_slot + min(t0 + t, p.per_slot - 1u);
        q_at[t] = (col * p.heads + head) * KV_Q_WORDS(KV_TYPE, p.head_dim);
    }
    [[unroll]] for (uint j = 0u; j < KEYS; j++) {
        k_at[j] = kv_unit_at(slot, head, min(first + j, end - 1u));
        scale_at[j] = kv_scale_at(slot, head, min(first + j, end - 1u));
    }
    [[unroll]] for (uint j = 0u; j < QUERIES * KEYS; j++)
        acc[j] = 0.0;
    for (uint u = 0u; u < units; u++) {
        vec4 values[QUERIES * KV_QUADS];
        [[unroll]] for (uint i = 0u; i < QUERIES * KV_QUADS; i++)
            values[i] = q4(q_at[i / KV_QUADS] + (u * KV_QUADS + i % KV_QUADS) * 4u);
        [[unroll]] for (uint j = 0u; j < KEYS; j++) {
            uvec4 unit = k_cache_unit(k_at[j] + u);
            float scale = KV_SCALE(k_cache, scale_at[j], u);
            [[unroll]] for (uint t = 0u; t < QUERIES; t++) {
                vec4 dots = vec4(0.0);
                [[unroll]] for (uint i = 0u; i < KV_QUADS; i++)
                    dots = fma(values[t * KV_QUADS + i], kv_load(unit, i), dots);
                precise float sum = (dots.x + dots.y) + (dots.z + dots.w);
                acc[t * KEYS + j] = fma(scale, sum, acc[t * KEYS + j]);
            }
        }
    }
    float scale = 1.0 / sqrt(float(p.head_dim));
    [[unroll]] for (uint t = 0u; t < QUERIES; t++) {
        [[unroll]] for (uint j = 0u; j < KEYS; j++) {
            bool sees = first + j < end && visible(newest, first + j, min(t0 + t, p.per_slot - 1u));
            weights[t * SHARE + first - begin + j] = sees ? acc[t * KEYS + j] * scale : LEAST;
        }
    }
}

/* Scores become weights; returns the largest score and the weights' sum. */
vec2 soften(uint t, uint n)
{
    float most = LEAST, sum = 0.0;
    for (uint i = 0u; i < n; i++)
        most = max(most, weights[t * SHARE + i]);
    for (uint i = 0u; i < n; i++) {
        float x = weights[t * SHARE + i];
        precise float below = x - most;
        float e = x > LEAST ? exp_f32(below) : 0.0;
        weights[t * SHARE + i] = e;
        sum += e;
    }
    return vec2(most, sum);
}

uint result_at(uint slot, uint head, uint t, uint part)
{
    uint row = (slot * p.per_slot + t) * p.heads + head;
    return p.splits == 1u ? row * p.head_dim
                          : (row * p.splits + part) * PARTIAL_WORDS(p.head_dim);
}

void zero_results(uint slot, uint head, uint t0)
{
    for (uint t = t0; t < min(t0 + QUERIES, p.per_slot); t++) {
        for (uint d = 0u; d < p.head_dim; d++)
            result[result_at(slot, head, t, 0u) + d] = 0.0;
    }
}

void main()
{
    uint query_tiles = (p.per_slot + QUERIES - 1u) / QUERIES;
    uint index = global_index();
    uint head = index % p.heads;
    index /= p.heads;
    uint part = index % p.splits;
    index /= p.splits;
    uint t0 = index % query_tiles * QUERIES;
    uint slot = index / query_tiles;
    if (slot >= p.slots)
        return;
    if (!slot_runs(slot, p.source)) {
        if (p.splits == 1u)
            zero_results(slot, head, t0);
        return;
    }
    uint last = last_position(slot), used = ring_used(last);
    uint share = ATTENTION_SHARE(used, p.splits), begin = part * share;
    if (begin >= used)
        return;
    uint end = min(begin + share, used), n = end - begin;

    for (uint first = begin; first < end; first += KEYS)
        score(slot, head, t0, first, begin, end, last % p.capacity);
    float inverse[QUERIES];
    [[unroll]] for (uint t = 0u; t < QUERIES; t++) {
        vec2 most_sum = soften(t, n);
        inverse[t] = most_sum.y > 0.0 ? 1.0 / most_sum.y : 0.0;
        if (p.splits > 1u && t0 + t < p.per_slot) {
            uint to = result_at(slot, head, t0 + t, part) + PARTIAL_MOST(p.head_dim);
            result[to] = most_sum.x;
            result[to + 1u] = most_sum.y;
        }
    }

    uint units = KV_HEAD_UNITS(KV_TYPE, p.head_dim);
    uint v_at = kv_unit_at(slot, head, begin), scale_at = kv_scale_at(slot, head, begin);
    uint scale_words = KV_SCALE_WORDS(KV_TYPE, p.head_dim);
    for (uint first_unit = 0u; first_unit < units; first_unit += OUT_UNITS) {
        vec4 acc[QUERIES * OUT_QUADS];
        [[unroll]] for (uint j = 0u; j < QUERIES * OUT_QUADS; j++)
            acc[j] = vec4(0.0);
        for (uint i = 0u; i < n; i++) {
            [[unroll]] for (uint u = 0u; u < OUT_UNITS; u++) {
                uint at = min(first_unit + u, units - 1u);
                uvec4 unit = v_cache_unit(v_at + i * units + at);
                float scale = KV_SCALE(v_cache, scale_at + i * scale_words, at);
                [[unroll]] for (uint t = 0u; t < QUERIES; t++) {
                    float weight = weights[t * SHARE + i] * scale;
                    [[unroll]] for (uint j = 0u; j < KV_QUADS; j++) {
                        uint to = t * OUT_QUADS + u * KV_QUADS + j;
                        acc[to] = fma(vec4(weight), kv_load(unit, j), acc[to]);
                    }
                }
            }
        }
        uint d0 = first_unit * KV_UNIT(KV_TYPE);
        [[unroll]] for (uint t = 0u; t < QUERIES; t++) {
            uint to = result_at(slot, head, t0 + t, part);
            [[unroll]] for (uint j = 0u; j < 4u * OUT_QUADS; j++) {
                if (t0 + t < p.per_slot && d0 + j < p.head_dim)
                    result[to + d0 + j] = acc[t * OUT_QUADS + j / 4u][j % 4u] * inverse[t];
            }
        }
    }
}
