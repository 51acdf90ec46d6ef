// SPDX-License-Identifier: MIT
//!include vq_merge
//!include vq_write

@group(0) @binding(1) var<storage, read> first: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> rest: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> codes: array<u32>;
@group(0) @binding(4) var<storage, read_write> info: array<u32>;

// a workgroup a chain (x) of a slot (y)
@compute @workgroup_size(local_size)
fn main(@builtin(workgroup_id) place: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let slot = place.y;
    let tiles = vq_tiles(p.bins);
    let row = slot * (vq_row(p.bins, p.dim) / 4u);
    let last = place.x != 0u;
    var found = NO_PICK;
    for (var t = lane; t < tiles; t += local_size) {
        if (last) {
            found = merge_picks(found, rest[row + t]);
        } else {
            found = merge_picks(found, first[row + t]);
        }
    }
    picks[lane] = found;
    found = merge_group(lane, min(tiles, local_size));
    if (lane == 0u) {
        write_pick(slot, select(0u, p.n_codes - 1u, last), found);
    }
}
