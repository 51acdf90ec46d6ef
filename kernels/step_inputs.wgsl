// SPDX-License-Identifier: MIT
//!include common
//!include state

@group(0) @binding(1) var<storage, read> delays: array<u32>;
@group(0) @binding(2) var<storage, read> tokens: array<u32>;
@group(0) @binding(3) var<storage, read> codes: array<u32>;
@group(0) @binding(4) var<storage, read_write> ids: array<u32>;

// an invocation a stream k of a slot
@compute @workgroup_size(local_size)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let index = global_index(id, groups);
    if (index >= p.slots * (1u + p.n_q)) {
        return;
    }
    let slot = index / (1u + p.n_q);
    let k = index % (1u + p.n_q);
    let s = slot_state(slot, STATE_STEP);
    let d = delays[k];
    var token: u32;
    if (s <= d) {
        token = select(p.card, p.text_card, k == 0u);
    } else if (k <= p.dep_q) {
        token = tokens[slot * (1u + p.dep_q) + k];
    } else {
        let frame = (s - d - 1u) % p.codes_ring;
        token = codes[(slot * p.codes_ring + frame) * p.n_codes + k - 1u - p.dep_q];
    }
    ids[index] = token;
}
