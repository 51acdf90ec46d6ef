// SPDX-License-Identifier: MIT
//
// Twin of rmsnorm_wg.comp: a workgroup a column.
//!include sums

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> alpha: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(local_size)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) lane: u32) {
    let col = group_index(group, groups);
    if (col >= p.cols) {
        return;
    }
    let base = col * p.dim;
    var part = 0.0;
    for (var i = lane; i < p.dim; i += local_size) {
        part = fma(x[base + i], x[base + i], part);
    }
    let mean = group_sum(lane, part) / f32(p.dim);
    let scale = 1.0 / sqrt(p.eps + mean);
    for (var i = lane; i < p.dim; i += local_size) {
        y[base + i] = x[base + i] * (alpha[i] * scale);
    }
}
