/* SPDX-License-Identifier: MIT
 *
 * rope_kv: an invocation some units of a head of q, k or v of a column, so that it writes whole
 * words.
 */
#extension GL_EXT_control_flow_attributes : require
#include "common.glsl"
#include "state.glsl"
#include "texels.glsl"

PARAMS(rope_kv_params);

layout(constant_id = 1) const uint KV_TYPE = KV_F32;
layout(constant_id = 2) const uint UNITS = 1u; /* that an invocation stores */

#include "kv.glsl"
#include "rope.glsl"

IN_FLOATS(1, table)
IN_FLOATS(2, qkv)
layout(set = 0, binding = 3, std430) writeonly buffer Q { vec4 q[]; };
layout(set = 0, binding = 4, std430) writeonly buffer K { uint k_cache[]; };
layout(set = 0, binding = 5, std430) writeonly buffer V { uint v_cache[]; };

const uint QUADS = UNITS * KV_QUADS;

vec4 x[QUADS];

/* the four elements of a head from d on; zeros beyond its end */
vec4 load_quad(uint from, uint d)
{
#ifdef TEXELS
    return d < p.head_dim ? qkv4(from + d) : vec4(0.0);
#else
    vec4 v = vec4(0.0);
    [[unroll]] for (uint i = 0u; i < 4u; i++) {
        if (d + i < p.head_dim)
            v[i] = qkv(from + d + i);
    }
    return v;
#endif
}

/* x = the elements of a head from d on, rotated */
void load_x(uint from, uint table_at, uint d, bool rotated)
{
    [[unroll]] for (uint i = 0u; i < QUADS; i++) {
        uint at = d + 4u * i;
        vec4 v = load_quad(from, at);
        if (rotated && at < p.head_dim) {
#ifdef TEXELS
            vec4 cs = table4(table_at + at);
#else
            uint second = table_at + min(at + 2u, p.head_dim - 2u);
            vec4 cs = vec4(table(table_at + at), table(table_at + at + 1u), table(second),
                           table(second + 1u));
#endif
            v = vec4(rotate(v.xy, cs.xy), rotate(v.zw, cs.zw));
        }
        x[i] = v;
    }
}

void store_word(bool is_key, uint at, uint word)
{
    if (is_key)
        k_cache[at] = word;
    else
        v_cache[at] = word;
}

/* two blocks, whose scales share a word; the last one of a head may lack the second half */
void store_q8(bool is_key, uint to, uint words, uint scale_to)
{
    vec2 scales;
    [[unroll]] for (uint block = 0u; block < 2u; block++) {
        vec4 m = vec4(0.0);
        [[unroll]] for (uint i = 0u; i < 8u; i++)
            m = max(m, abs(x[(block * 8u + i) % QUADS]));
        float scale = kv_scale(max(max(m.x, m.y), max(m.z, m.w)));
        float inverse = scale > 0.0 ? 1.0 / scale : 0.0;
        [[unroll]] for (uint i = block * 8u; i < block * 8u + 8u; i++) {
            if (i < words)
                store_word(is_key, to + i, kv_store_i8(x[i % QUADS], inverse));
        }
        scales[block] = scale;
    }
    store_word(is_key, scale_to, packHalf2x16(scales));
}

void main()
{
    uint units = KV_HEAD_UNITS(KV_TYPE, p.head_dim), parts = (units + UNITS - 1u) / UNITS;
    uint index = global_index();
    uint part = index % parts;
    index /= parts;
    uint head = index % p.heads;
    index /= p.heads;
    uint which = index % 3u, col = index / 3u, slot = col / p.per_slot;
    if (slot >= p.slots || (which > 0u && !slot_runs(slot, p.source)))
        return;

    uint first_unit = part * UNITS, d = first_unit * KV_UNIT(KV_TYPE);
    load_x(((col * 3u + which) * p.heads + head) * p.head_dim, col * p.head_dim, d,
           p.rotate != 0u && which < 2u);
    if (which == 0u) {
        uint to = (col * p.heads + head) * units * KV_QUADS + d / 4u;
        [[unroll]] for (uint i = 0u; i < QUADS; i++) {
            if (first_unit + i / KV_QUADS < units)
                q[to + i] = x[i];
        }
        return;
    }
    uint first = first_position(slot, p.source, p.static_position, p.per_slot);
    uint position = (first + col % p.per_slot) % p.capacity;
    uint to = 4u * (kv_unit_at(slot, head, position) + first_unit);
    if (KV_TYPE == KV_Q8) {
        store_q8(which == 1u, to, 4u * (units - first_unit),
                 kv_scale_at(slot, head, position) + part);
        return;
    }
    [[unroll]] for (uint i = 0u; i < 4u * UNITS; i++) {
        uint word = floatBitsToUint(x[i / 4u % QUADS][i % 4u]);
        if (KV_TYPE == KV_F16) {
            vec4 quad = x[i / 2u % QUADS];
            word = kv_store_f16(i % 2u == 0u ? quad.xy : quad.zw);
        }
        store_word(which == 1u, to + i, word);
    }
}
