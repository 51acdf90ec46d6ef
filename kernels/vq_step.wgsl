// SPDX-License-Identifier: MIT
//
// An invocation a tile of bins (fastest) of SLOTS slots. Each finds the best of the picks of the
// codebook before by itself; the first tile's writes what it found.
//!include vq
//!include vq_write

@id(1) override SLOTS: u32 = 1u; // one after the other
@id(2) override PICKS: bool = false;

@group(0) @binding(1) var<storage, read> vectors: array<f32>;
@group(0) @binding(2) var<storage, read> previous: array<f32>;
@group(0) @binding(3) var<storage, read> centroids: array<f32>;
@group(0) @binding(4) var<storage, read_write> to: array<f32>;
@group(0) @binding(5) var<storage, read_write> codes: array<u32>;
@group(0) @binding(6) var<storage, read_write> info: array<u32>;

const BINS = 4u; // at a time, of the VQ_TILE

fn from4(at: u32) -> vec4<f32> {
    return vec4<f32>(vectors[at], vectors[at + 1u], vectors[at + 2u], vectors[at + 3u]);
}

fn residual4(at: u32, previous_at: u32) -> vec4<f32> {
    let v = from4(at);
    if (PICKS) {
        return v - vec4<f32>(previous[previous_at], previous[previous_at + 1u],
                             previous[previous_at + 2u], previous[previous_at + 3u]);
    }
    return v;
}

// What the codebook before has found.
fn pick_previous(row: u32) -> vec4<f32> {
    var pick = from4(row);
    for (var t = 1u; t < vq_tiles(p.bins); t++) {
        pick = merge_picks(pick, from4(row + 4u * t));
    }
    return pick;
}

fn square_distance4(a: vec4<f32>, at: u32) -> f32 {
    let d = a - vec4<f32>(centroids[at], centroids[at + 1u], centroids[at + 2u],
                          centroids[at + 3u]);
    let square = d * d;
    return (square.x + square.y) + (square.z + square.w);
}

// from the residual to BINS bins from bin0 on
fn distances(r_at: u32, previous_at: u32, bin0: u32) -> vec4<f32> {
    let bins = min(vec4<u32>(bin0, bin0 + 1u, bin0 + 2u, bin0 + 3u), vec4<u32>(p.bins - 1u));
    let at = bins * p.dim;
    var sum = vec4<f32>();
    for (var i = 0u; i < p.dim; i += 4u) {
        let r = residual4(r_at + i, previous_at + i);
        sum += vec4<f32>(square_distance4(r, at.x + i), square_distance4(r, at.y + i),
                         square_distance4(r, at.z + i), square_distance4(r, at.w + i));
    }
    return sum;
}

fn put4(at: u32, v: vec4<f32>) {
    to[at] = v.x;
    to[at + 1u] = v.y;
    to[at + 2u] = v.z;
    to[at + 3u] = v.w;
}

fn step_slot(slot: u32, tile: u32) {
    let row = slot * vq_row(p.bins, p.dim);
    let r_at = row + 4u * vq_tiles(p.bins);
    var previous_at = 0u;
    if (PICKS) {
        let pick = pick_previous(row);
        previous_at = u32(pick.z) * p.dim;
        if (tile == 0u) {
            write_pick(slot, p.codebook, pick);
        }
    }
    var found = NO_PICK;
    for (var bin = tile * VQ_TILE; bin < min((tile + 1u) * VQ_TILE, p.bins); bin += BINS) {
        let d = distances(r_at, previous_at, bin);
        for (var b = 0u; b < BINS && bin + b < p.bins; b++) {
            found = take_distance(found, d[b], bin + b);
        }
    }
    put4(row + 4u * tile, found);
    for (var i = 0u; tile == 0u && i < p.dim; i += 4u) {
        put4(r_at + i, residual4(r_at + i, previous_at + i));
    }
}

@compute @workgroup_size(local_size)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let tiles = vq_tiles(p.bins);
    let index = global_index(id, groups);
    let slot0 = index / tiles * SLOTS;
    for (var slot = slot0; slot < min(slot0 + SLOTS, p.slots); slot++) {
        step_slot(slot, index % tiles);
    }
}
