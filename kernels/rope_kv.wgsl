// SPDX-License-Identifier: MIT
//
// An invocation some units of a head of q, k or v of a column, so that it writes whole words.
//!include common
//!include state
//!include kv

@id(2) override UNITS: u32 = 1u; // that an invocation stores; 4 with KV_Q8, 1 otherwise

@group(0) @binding(1) var<storage, read> table: array<f32>;
@group(0) @binding(2) var<storage, read> qkv: array<f32>;
@group(0) @binding(3) var<storage, read_write> q: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> k_cache: array<u32>;
@group(0) @binding(5) var<storage, read_write> v_cache: array<u32>;

override QUADS: u32 = UNITS * KV_QUADS;
const MAX_QUADS = 16u;

var<private> x: array<vec4<f32>, MAX_QUADS>;

// element d of a head, 0 beyond its end
fn load_element(head_at: u32, d: u32) -> f32 {
    if (d < p.head_dim) {
        return qkv[head_at + d];
    }
    return 0.0;
}

// The rotation of a pair (2i, 2i + 1) of a head.
fn rotate(v: vec2<f32>, cs: vec2<f32>) -> vec2<f32> {
    return vec2<f32>(v.x * cs.x - v.y * cs.y, v.x * cs.y + v.y * cs.x);
}

// x = the elements of a head from d on, rotated
fn load_x(head_at: u32, table_at: u32, d: u32, rotated: bool) {
    for (var i = 0u; i < QUADS; i++) {
        let at = d + 4u * i;
        var v = vec4<f32>(load_element(head_at, at), load_element(head_at, at + 1u),
                          load_element(head_at, at + 2u), load_element(head_at, at + 3u));
        if (rotated && at < p.head_dim) {
            let first = table_at + at;
            let second = table_at + min(at + 2u, p.head_dim - 2u);
            v = vec4<f32>(rotate(v.xy, vec2<f32>(table[first], table[first + 1u])),
                          rotate(v.zw, vec2<f32>(table[second], table[second + 1u])));
        }
        x[i] = v;
    }
}

fn store_word(is_key: bool, at: u32, word: u32) {
    if (is_key) {
        k_cache[at] = word;
    } else {
        v_cache[at] = word;
    }
}

// v as f16, to nearest even, beyond 65504 infinite: WGSL leaves both open for its own conversion.
fn nearest_f16(v: f32) -> u32 {
    let bits = bitcast<u32>(v);
    let size = bits & 0x7fffffffu;
    let sign = (bits >> 16u) & 0x8000u;
    if (size >= 0x47800000u) { // 65536
        return sign | select(0x7c00u, 0x7e00u, size > 0x7f800000u);
    }
    if (size >= 0x38800000u) { // 2^-14
        return sign | ((size - 0x38000000u + 0xfffu + ((size >> 13u) & 1u)) >> 13u);
    }
    // units of 2^-24
    let shift = min(126u - (size >> 23u), 25u);
    let m = (size & 0x7fffffu) | 0x800000u;
    return sign | ((m + (1u << (shift - 1u)) - 1u + ((m >> shift) & 1u)) >> shift);
}

fn store_i8(v: vec4<f32>, inverse_scale: f32) -> u32 {
    let rounded = clamp(round(v * inverse_scale), vec4<f32>(-127.0), vec4<f32>(127.0));
    let bytes = bitcast<vec4<u32>>(vec4<i32>(rounded)) & vec4<u32>(255u);
    return bytes.x | (bytes.y << 8u) | (bytes.z << 16u) | (bytes.w << 24u);
}

// Two blocks, whose scales share a word; the last one of a head may lack the second half.
fn store_q8(is_key: bool, to: u32, words: u32, scale_to: u32) {
    var scales = 0u;
    for (var block = 0u; block < 2u; block++) {
        var m = vec4<f32>();
        for (var i = 0u; i < 8u; i++) {
            m = max(m, abs(x[block * 8u + i]));
        }
        let scale = nearest_f16(max(max(m.x, m.y), max(m.z, m.w)) * (1.0 / 127.0));
        let inverse = select(0.0, 1.0 / load_f16(scale).x, scale != 0u);
        for (var i = block * 8u; i < block * 8u + 8u; i++) {
            if (i < words) {
                store_word(is_key, to + i, store_i8(x[i], inverse));
            }
        }
        scales |= scale << (16u * block);
    }
    store_word(is_key, scale_to, scales);
}

@compute @workgroup_size(local_size)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let units = kv_head_units(KV_TYPE, p.head_dim);
    let parts = (units + UNITS - 1u) / UNITS;
    let index = global_index(id, groups);
    let part = index % parts;
    let head = index / parts % p.heads;
    let which = index / parts / p.heads % 3u;
    let col = index / parts / p.heads / 3u;
    let slot = col / p.per_slot;
    if (slot >= p.slots || (which > 0u && !slot_runs(slot, p.source))) {
        return;
    }

    let first_unit = part * UNITS;
    let d = first_unit * kv_unit(KV_TYPE);
    load_x(((col * 3u + which) * p.heads + head) * p.head_dim, col * p.head_dim, d,
           p.rotate != 0u && which < 2u);
    if (which == 0u) {
        let to = (col * p.heads + head) * units * KV_QUADS + d / 4u;
        for (var i = 0u; i < QUADS && first_unit + i / KV_QUADS < units; i++) {
            q[to + i] = x[i];
        }
        return;
    }
    let first = first_position(slot, p.source, p.static_position, p.per_slot);
    let position = (first + col % p.per_slot) % p.capacity;
    let to = 4u * (kv_unit_at(slot, head, position) + first_unit);
    if (KV_TYPE == KV_Q8) {
        store_q8(which == 1u, to, 4u * (units - first_unit),
                 kv_scale_at(slot, head, position) + part);
        return;
    }
    for (var i = 0u; i < 4u; i++) {
        var word = bitcast<u32>(x[0][i]);
        if (KV_TYPE == KV_F16) {
            let quad = x[i / 2u];
            let pair = select(quad.zw, quad.xy, i % 2u == 0u);
            word = nearest_f16(pair.x) | (nearest_f16(pair.y) << 16u);
        }
        store_word(which == 1u, to + i, word);
    }
}
