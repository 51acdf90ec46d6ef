// SPDX-License-Identifier: MIT
//
// An invocation a part of the ring for some queries of a head: slot, queries, part, head (fastest,
// so that neighbours have the same number of keys). Parts longer than ROOM come in chunks with a
// running maximum.
//!include common
//!include ring
//!include kv_read

@id(2) override SHARE: u32 = 8u; // no part has more ring slots
@id(3) override QUERIES: u32 = 1u; // of one slot, one after the other

@group(0) @binding(1) var<storage, read> q: array<f32>;
@group(0) @binding(4) var<storage, read_write> result: array<f32>;

const KEYS = 4u; // whose dot products are summed side by side
const ROOM = 256u;
const LEAST = -3.0e38;

var<private> weights: array<f32, ROOM>; // of a chunk: first scores, then exp(score - most)

fn load_q(at: u32) -> vec4<f32> {
    return vec4<f32>(q[at], q[at + 1u], q[at + 2u], q[at + 3u]);
}

fn load_q_unit(at: u32) -> Quads {
    var x = Quads(load_q(at), vec4<f32>(), vec4<f32>(), vec4<f32>());
    if (KV_QUADS > 1u) {
        x.b = load_q(at + 4u);
    }
    if (KV_QUADS > 2u) {
        x.c = load_q(at + 8u);
        x.d = load_q(at + 12u);
    }
    return x;
}

// What a query needs to know.
struct Query {
    slot: u32,
    head: u32,
    t: u32,
    newest: u32, // ring slot
}

// Scores of KEYS ring slots from `first` on; those from `end` on are beyond the chunk.
fn score(query: Query, first: u32, end: u32) -> vec4<f32> {
    let units = kv_head_units(KV_TYPE, p.head_dim);
    let row = (query.slot * p.per_slot + query.t) * p.heads + query.head;
    let q_at = row * kv_q_words(KV_TYPE, p.head_dim);
    let keys = min(vec4<u32>(first, first + 1u, first + 2u, first + 3u), vec4<u32>(end - 1u));
    let k_at = vec4<u32>(kv_unit_at(query.slot, query.head, 0u)) + keys * units;
    let scale_at = vec4<u32>(kv_scale_at(query.slot, query.head, 0u)) +
                   keys * kv_scale_words(KV_TYPE, p.head_dim);
    var sum = vec4<f32>();
    for (var u = 0u; u < units; u++) {
        let x = load_q_unit(q_at + u * kv_unit(KV_TYPE));
        let scales = vec4<f32>(k_scale(scale_at.x, u), k_scale(scale_at.y, u),
                               k_scale(scale_at.z, u), k_scale(scale_at.w, u));
        let dots = vec4<f32>(kv_dot(x, k_cache[k_at.x + u]), kv_dot(x, k_cache[k_at.y + u]),
                             kv_dot(x, k_cache[k_at.z + u]), kv_dot(x, k_cache[k_at.w + u]));
        sum = fma(scales, dots, sum);
    }
    return sum * (1.0 / sqrt(f32(p.head_dim)));
}

// Scores of the ring slots of a chunk become weights[0 ..]; returns the largest one.
fn score_chunk(query: Query, first: u32, end: u32) -> f32 {
    var most = LEAST;
    for (var key = first; key < end; key += KEYS) {
        let scores = score(query, key, end);
        for (var j = 0u; j < KEYS && key + j < end; j++) {
            let s = select(LEAST, scores[j], visible(query.newest, key + j, query.t));
            weights[key + j - first] = s;
            most = max(most, s);
        }
    }
    return most;
}

// Scores of n ring slots become weights; returns their sum.
fn soften(n: u32, most: f32) -> f32 {
    var sum = 0.0;
    for (var i = 0u; i < n; i++) {
        let x = weights[i];
        let weight = select(0.0, exp_f32(x - most), x > LEAST);
        weights[i] = weight;
        sum += weight;
    }
    return sum;
}

fn store(at: u32, d: u32, v: vec4<f32>) {
    for (var i = 0u; i < 4u && d + i < p.head_dim; i++) {
        result[at + d + i] = v[i];
    }
}

fn load(at: u32, d: u32) -> vec4<f32> {
    var v = vec4<f32>();
    for (var i = 0u; i < 4u && d + i < p.head_dim; i++) {
        v[i] = result[at + d + i];
    }
    return v;
}

// Adds a chunk's weighted values to `shrink` times what the result holds (nothing, if it is 0), and
// scales all of that.
fn add_values(query: Query, first: u32, n: u32, to: u32, shrink: f32, scale: f32) {
    let units = kv_head_units(KV_TYPE, p.head_dim);
    let v_at = kv_unit_at(query.slot, query.head, first);
    let scale_at = kv_scale_at(query.slot, query.head, first);
    let scale_words = kv_scale_words(KV_TYPE, p.head_dim);
    for (var u = 0u; u < units; u++) {
        let d = u * kv_unit(KV_TYPE);
        var acc = Quads();
        if (SHARE > ROOM && shrink > 0.0) {
            acc = kv_shrink(Quads(load(to, d), load(to, d + 4u), load(to, d + 8u),
                                  load(to, d + 12u)), shrink);
        }
        for (var i = 0u; i < n; i++) {
            acc = kv_add(acc, weights[i] * v_scale(scale_at + i * scale_words, u),
                         v_cache[v_at + i * units + u]);
        }
        acc = kv_shrink(acc, scale);
        store(to, d, acc.a);
        if (KV_QUADS > 1u) {
            store(to, d + 4u, acc.b);
        }
        if (KV_QUADS > 2u) {
            store(to, d + 8u, acc.c);
            store(to, d + 12u, acc.d);
        }
    }
}

fn attend(query: Query, begin: u32, end: u32, to: u32) {
    var most = LEAST;
    var sum = 0.0;
    for (var first = begin; first < end; first += ROOM) {
        let chunk_end = min(first + ROOM, end);
        let chunk_most = max(most, score_chunk(query, first, chunk_end));
        let shrink = select(0.0, exp_f32(most - chunk_most), sum > 0.0);
        most = chunk_most;
        sum = fma(sum, shrink, soften(chunk_end - first, most));
        let last = chunk_end == end;
        let inverse = select(0.0, 1.0 / sum, sum > 0.0);
        add_values(query, first, chunk_end - first, to, shrink, select(1.0, inverse, last));
    }
    if (p.splits > 1u) {
        result[to + partial_most(p.head_dim)] = most;
        result[to + partial_most(p.head_dim) + 1u] = sum;
    }
}

@compute @workgroup_size(local_size)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let query_tiles = (p.per_slot + QUERIES - 1u) / QUERIES;
    let index = global_index(id, groups);
    let head = index % p.heads;
    let part = index / p.heads % p.splits;
    let tile = index / p.heads / p.splits;
    let slot = tile / query_tiles;
    if (slot >= p.slots) {
        return;
    }
    let runs = slot_runs(slot, p.source);
    let last = last_position(slot);
    let used = ring_used(last);
    let share = attention_share(used, p.splits);
    let begin = part * share;
    let t0 = tile % query_tiles * QUERIES;
    for (var t = t0; t < min(t0 + QUERIES, p.per_slot); t++) {
        let row = (slot * p.per_slot + t) * p.heads + head;
        if (runs && begin < used) {
            let to = select((row * p.splits + part) * partial_words(p.head_dim),
                            row * p.head_dim, p.splits == 1u);
            attend(Query(slot, head, t, last % p.capacity), begin, min(begin + share, used), to);
        } else if (!runs && p.splits == 1u) {
            for (var d = 0u; d < p.head_dim; d++) {
                result[row * p.head_dim + d] = 0.0;
            }
        }
    }
}
