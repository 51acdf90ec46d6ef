/* SPDX-License-Identifier: MIT
 *
 * The epilogue of the forms of matmul that make queries, keys and values: rows come in the pairs of
 * the rotation, which FLAGS says as for a gate (MATMUL_GATE).
 */
PARAMS(qkv_params);

const uint KV_TYPE = FLAGS >> QKV_TYPE_SHIFT;

#define STATE_BINDING 5
#include "state.glsl"
#include "kv.glsl"
#include "rope.glsl"

layout(set = 0, binding = 6, std430) readonly buffer Table { vec2 table[]; };
layout(set = 0, binding = 7, std430) writeonly buffer Q { vec2 q[]; };
layout(set = 0, binding = 8, std430) writeonly buffer K { uint k_cache[]; };
layout(set = 0, binding = 9, std430) writeonly buffer V { uint v_cache[]; };

void store_word(bool is_key, uint at, uint word)
{
    if (is_key)
        k_cache[at] = word;
    else
        v_cache[at] = word;
}

/* what rows 2 pair and 2 pair + 1 give for column t of a slot */
void finish(uint pair, uint slot, uint t, float even, float odd)
{
    uint row = 2u * pair, width = p.heads * p.head_dim, col = slot * p.per_slot + t;
    uint which = row / width, head = row % width / p.head_dim, d = row % p.head_dim;
    vec2 v = vec2(even, odd);
    if (p.rotate != 0u && which < 2u)
        v = rotate(v, table[(col * p.head_dim + d) / 2u]);
    if (which == 0u) {
        q[((col * p.heads + head) * p.head_dim + d) / 2u] = v;
        return;
    }
    if (!slot_runs(slot, p.source))
        return;
    uint first = first_position(slot, p.source, p.static_position, p.per_slot);
    uint to = 4u * kv_unit_at(slot, head, (first + t) % p.capacity);
    if (KV_TYPE == KV_F16) {
        store_word(which == 1u, to + d / 2u, kv_store_f16(v));
    } else {
        store_word(which == 1u, to + d, floatBitsToUint(v.x));
        store_word(which == 1u, to + d + 1u, floatBitsToUint(v.y));
    }
}
