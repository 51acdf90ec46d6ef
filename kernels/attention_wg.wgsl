// SPDX-License-Identifier: MIT
//
// A workgroup a part of the ring for a head of a column. Chunks of keys with a running maximum:
// lanes first share the dimensions of keys, then the keys of dimensions.
//!include common
//!include ring
//!include kv_read

@id(2) override SHARES: u32 = 8u; // lanes that share a key: 1, 2, 4 or 8

@group(0) @binding(1) var<storage, read> q: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> result: array<f32>;

const LANES = 256u; // the workgroup, and the keys of a chunk
const MAX_QUADS = 64u;
const LEAST = -3.0e38;

var<workgroup> query: array<vec4<f32>, MAX_QUADS>;
// [key][share]; at last [group][lane's dims], two quads a round
var<workgroup> dots: array<f32, LANES * 8u>;
var<workgroup> weights: array<f32, LANES>;
var<workgroup> sums: array<f32, 16>;

fn largest_weight(lane: u32) -> f32 {
    if (lane < 16u) {
        var m = weights[lane * 16u];
        for (var j = 1u; j < 16u; j++) {
            m = max(m, weights[lane * 16u + j]);
        }
        sums[lane] = m;
    }
    workgroupBarrier();
    var m = LEAST;
    for (var j = 0u; j < 16u; j++) {
        m = max(m, sums[j]);
    }
    return m;
}

fn sum_of_weights(lane: u32) -> f32 {
    if (lane < 16u) {
        var s = 0.0;
        for (var j = 0u; j < 16u; j++) {
            s += weights[lane * 16u + j];
        }
        sums[lane] = s;
    }
    workgroupBarrier();
    var s = 0.0;
    for (var j = 0u; j < 16u; j++) {
        s += sums[j];
    }
    return s;
}

fn query_unit(u: u32) -> Quads {
    let at = u * KV_QUADS;
    var x = Quads(query[at], vec4<f32>(), vec4<f32>(), vec4<f32>());
    if (KV_QUADS > 1u) {
        x.b = query[at + 1u];
    }
    if (KV_QUADS > 2u) {
        x.c = query[at + 2u];
        x.d = query[at + 3u];
    }
    return x;
}

// dots of `keys` keys: SHARES lanes read on where the other ends
fn dot_keys(lane: u32, units: u32, k_at: u32, scale_at: u32, keys: u32) {
    let share = lane % SHARES;
    let scale_words = kv_scale_words(KV_TYPE, p.head_dim);
    for (var i = lane / SHARES; i < keys; i += LANES / SHARES) {
        var sum = 0.0;
        for (var u = share; u < units; u += SHARES) {
            let product = kv_dot(query_unit(u), k_cache[k_at + i * units + u]);
            sum = fma(k_scale(scale_at + i * scale_words, u), product, sum);
        }
        dots[i * SHARES + share] = sum;
    }
}

fn put(at: u32, v: vec4<f32>) {
    dots[at] = v.x;
    dots[at + 1u] = v.y;
    dots[at + 2u] = v.z;
    dots[at + 3u] = v.w;
}

// Quads `a` and `b` of each unit, over the groups of lanes that have the same unit, to the result;
// the first of their dims is d0.
fn store(lane: u32, units: u32, a: vec4<f32>, b: vec4<f32>, d0: u32, out_at: u32, inverse: f32) {
    let words = 4u * min(KV_QUADS, 2u);
    let groups = LANES / units; // some lanes may idle
    workgroupBarrier();
    if (lane / units < groups) {
        put(lane * words, a);
        if (KV_QUADS > 1u) {
            put(lane * words + 4u, b);
        }
    }
    workgroupBarrier();
    for (var i = lane; i < units * words; i += LANES) {
        var total = 0.0;
        for (var j = 0u; j < groups; j++) {
            total += dots[j * units * words + i];
        }
        let d = i / words * kv_unit(KV_TYPE) + d0 + i % words;
        if (d < p.head_dim) {
            result[out_at + d] = total * inverse;
        }
    }
}

@compute @workgroup_size(local_size)
fn main(@builtin(workgroup_id) place: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) lane: u32) {
    let index = group_index(place, groups);
    let part = index % p.splits;
    let row = index / p.splits;
    let head = row % p.heads;
    let col = row / p.heads;
    let slot = col / p.per_slot;
    let t = col % p.per_slot;
    if (slot >= p.slots) {
        return;
    }
    let out_at = select(index * partial_words(p.head_dim), row * p.head_dim, p.splits == 1u);
    if (!slot_runs(slot, p.source)) {
        if (p.splits == 1u && lane < p.head_dim) {
            result[out_at + lane] = 0.0;
        }
        return;
    }
    let last = last_position(slot);
    let used = ring_used(last);
    let share = attention_share(used, p.splits);
    let begin = part * share;
    if (begin >= used) {
        return;
    }
    let end = min(begin + share, used);

    let units = kv_head_units(KV_TYPE, p.head_dim);
    let quads = units * KV_QUADS;
    if (lane < quads) {
        query[lane] = q[row * quads + lane];
    }
    workgroupBarrier();

    let scale = 1.0 / sqrt(f32(p.head_dim));
    var most = LEAST;
    var sum = 0.0;
    var acc = Quads();
    for (var first = begin; first < end; first += LANES) {
        let keys = min(end - first, LANES);
        let at = kv_unit_at(slot, head, first);
        let scale_at = kv_scale_at(slot, head, first);
        dot_keys(lane, units, at, scale_at, keys);
        workgroupBarrier();
        var score = LEAST;
        if (lane < keys && visible(last % p.capacity, first + lane, t)) {
            score = 0.0;
            for (var j = 0u; j < SHARES; j++) {
                score += dots[lane * SHARES + j];
            }
            score *= scale;
        }
        weights[lane] = score;
        workgroupBarrier();
        let chunk_most = max(most, largest_weight(lane));
        let shrink = exp_f32(most - chunk_most);
        let e = select(0.0, exp_f32(score - chunk_most), score > LEAST);
        most = chunk_most;
        sum = fma(sum, shrink, e);
        weights[lane] = e;
        workgroupBarrier();
        acc = kv_shrink(acc, shrink);
        let stride = LANES / units;
        for (var i = lane / units; i < keys && lane / units < stride; i += stride) {
            let v_scales = scale_at + i * kv_scale_words(KV_TYPE, p.head_dim);
            acc = kv_add(acc, weights[i] * v_scale(v_scales, lane % units),
                         v_cache[at + i * units + lane % units]);
        }
        workgroupBarrier();
    }

    weights[lane] = sum;
    workgroupBarrier();
    sum = sum_of_weights(lane);
    let inverse = select(0.0, 1.0 / sum, sum > 0.0);
    store(lane, units, acc.a, acc.b, 0u, out_at, inverse);
    if (KV_QUADS > 2u) {
        store(lane, units, acc.c, acc.d, 8u, out_at, inverse);
    }
    if (p.splits > 1u && lane == 0u) {
        result[out_at + partial_most(p.head_dim)] = most;
        result[out_at + partial_most(p.head_dim) + 1u] = sum;
    }
}
