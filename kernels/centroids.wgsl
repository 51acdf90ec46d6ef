// SPDX-License-Identifier: MIT
//!include common
@group(0) @binding(0) var<storage, read_write> sum: array<f32>;
@group(0) @binding(1) var<storage, read> usage: array<f32>;

@compute @workgroup_size(local_size)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let index = global_index(id, groups);
    if (index < p.bins * p.dim) {
        sum[index] = sum[index] / max(usage[index / p.dim], 1e-5);
    }
}
