#version 450
/* SPDX-License-Identifier: MIT */
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
#include "state.glsl"

PARAMS(rope_kv_params);

layout(set = 0, binding = 1, std430) readonly buffer Table { float table[]; };
layout(set = 0, binding = 2, std430) readonly buffer Qkv { float qkv[]; };
layout(set = 0, binding = 3, std430) writeonly buffer Q { float q[]; };
layout(set = 0, binding = 4, std430) writeonly buffer K { float k_cache[]; };
layout(set = 0, binding = 5, std430) writeonly buffer V { float v_cache[]; };

vec2 rotate(float a, float b, vec2 cs)
{
    precise float x = a * cs.x - b * cs.y;
    precise float y = a * cs.y + b * cs.x;
    return vec2(x, y);
}

/* an invocation a pair of a column */
void main()
{
    uint width = p.heads * p.head_dim, pairs = width / 2u;
    uint index = global_index();
    if (index >= p.slots * p.per_slot * pairs)
        return;
    uint col = index / pairs, i = 2u * (index % pairs);
    uint slot = col / p.per_slot, from = col * 3u * width + i;
    vec2 cs = vec2(1.0, 0.0);
    if (p.rotate != 0u) {
        uint at = col * p.head_dim + i % p.head_dim;
        cs = vec2(table[at], table[at + 1u]);
    }
    vec2 v = vec2(qkv[from], qkv[from + 1u]);
    if (p.rotate != 0u)
        v = rotate(v.x, v.y, cs);
    q[col * width + i] = v.x;
    q[col * width + i + 1u] = v.y;
    if (!slot_runs(slot, p.source))
        return;
    uint first = first_position(slot, p.source, p.static_position, p.per_slot);
    uint position = first + col % p.per_slot;
    uint to = (slot * p.capacity + position % p.capacity) * width + i;
    v = vec2(qkv[from + width], qkv[from + width + 1u]);
    if (p.rotate != 0u)
        v = rotate(v.x, v.y, cs);
    k_cache[to] = v.x;
    k_cache[to + 1u] = v.y;
    v_cache[to] = qkv[from + 2u * width];
    v_cache[to + 1u] = qkv[from + 2u * width + 1u];
}
