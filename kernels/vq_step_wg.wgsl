// SPDX-License-Identifier: MIT
//!include vq_merge
//!include vq_write

@id(1) override DIM: u32 = 4u; // p.dim
@id(2) override PICKS: bool = false;

@group(0) @binding(1) var<storage, read> vectors: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> previous: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> centroids: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> to: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> codes: array<u32>;
@group(0) @binding(6) var<storage, read_write> info: array<u32>;

const SHARES = 8u; // lanes that share a bin, so that they read neighbours
const LANES = VQ_TILE * SHARES;

var<workgroup> shares: array<f32, LANES>;
var<workgroup> residual: array<vec4<f32>, DIM / 4u>;

fn pick_previous(lane: u32, row: u32) -> vec4<f32> {
    let tiles = vq_tiles(p.bins);
    var found = NO_PICK;
    for (var t = lane; t < tiles; t += local_size) {
        found = merge_picks(found, vectors[row + t]);
    }
    picks[lane] = found;
    return merge_group(lane, min(tiles, local_size));
}

fn distance_share(bin: u32, share: u32) -> f32 {
    var sum = vec4<f32>();
    let at = bin * (DIM / 4u);
    for (var i = share; i < DIM / 4u; i += SHARES) {
        let d = residual[i] - centroids[at + i];
        sum = fma(d, d, sum);
    }
    return (sum.x + sum.y) + (sum.z + sum.w);
}

// a workgroup of LANES: a tile of bins (x) of a slot (y)
@compute @workgroup_size(local_size)
fn main(@builtin(workgroup_id) place: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let tile = place.x;
    let slot = place.y;
    let row = slot * (vq_row(p.bins, DIM) / 4u);
    let r_at = row + vq_tiles(p.bins);
    var previous_at = 0u;
    if (PICKS) {
        let pick = pick_previous(lane, row);
        previous_at = u32(pick.z) * (DIM / 4u);
        if (tile == 0u && lane == 0u) {
            write_pick(slot, p.codebook, pick);
        }
    }
    for (var i = lane; i < DIM / 4u; i += LANES) {
        var v = vectors[r_at + i];
        if (PICKS) {
            v -= previous[previous_at + i];
        }
        residual[i] = v;
        if (tile == 0u) {
            to[r_at + i] = v;
        }
    }
    workgroupBarrier();
    let measured = tile * VQ_TILE + lane / SHARES;
    if (measured < p.bins) {
        shares[lane] = distance_share(measured, lane % SHARES);
    }
    workgroupBarrier();
    let bin = tile * VQ_TILE + lane;
    if (lane < VQ_TILE && bin < p.bins) {
        var sum = 0.0;
        for (var i = 0u; i < SHARES; i++) {
            sum += shares[lane * SHARES + i];
        }
        picks[lane] = take_distance(NO_PICK, sum, bin);
    }
    let found = merge_group(lane, min(VQ_TILE, p.bins - tile * VQ_TILE));
    if (lane == 0u) {
        to[row + tile] = found;
    }
}
