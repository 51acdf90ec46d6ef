// SPDX-License-Identifier: MIT
//!include vq
//!include vq_write

@group(0) @binding(1) var<storage, read> first: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> rest: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> codes: array<u32>;
@group(0) @binding(4) var<storage, read_write> info: array<u32>;

// an invocation a slot of a chain
@compute @workgroup_size(local_size)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let chains = min(p.n_codes, 2u);
    let index = global_index(id, groups);
    let slot = index / chains;
    let row = slot * (vq_row(p.bins, p.dim) / 4u);
    let last = index % chains != 0u;
    if (slot >= p.slots) {
        return;
    }
    var pick = NO_PICK;
    for (var t = row; t < row + vq_tiles(p.bins); t++) {
        if (last) {
            pick = merge_picks(pick, rest[t]);
        } else {
            pick = merge_picks(pick, first[t]);
        }
    }
    write_pick(slot, select(0u, p.n_codes - 1u, last), pick);
}
