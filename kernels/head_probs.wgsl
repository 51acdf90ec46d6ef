// SPDX-License-Identifier: MIT
//
// Twin of head_probs.comp: an invocation a head of a slot.
//!include common

@group(0) @binding(0) var<storage, read> logits: array<f32>;
@group(0) @binding(1) var<storage, read_write> probs: array<f32>;

@compute @workgroup_size(local_size)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let index = global_index(id, groups);
    if (index >= p.slots * p.heads) {
        return;
    }
    let base = index * p.dim;
    var most = logits[base];
    for (var i = 1u; i < p.dim; i++) {
        most = max(most, logits[base + i]);
    }
    var sum = 0.0;
    for (var i = 0u; i < p.dim; i++) {
        sum += exp_f32(logits[base + i] - most);
    }
    for (var i = 0u; i < p.dim; i++) {
        probs[base + i] = exp_f32(logits[base + i] - most) / sum;
    }
}
