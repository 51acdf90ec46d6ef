// SPDX-License-Identifier: MIT
//
// Twin of layernorm_wg.comp: a workgroup a column.
//!include sums

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> weight: array<f32>;
@group(0) @binding(2) var<storage, read> bias: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

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
        part += x[base + i];
    }
    let mean = group_sum(lane, part) / f32(p.dim);
    part = 0.0;
    for (var i = lane; i < p.dim; i += local_size) {
        let d = x[base + i] - mean;
        part = fma(d, d, part);
    }
    let variance = group_sum(lane, part) / f32(p.dim);
    let scale = 1.0 / sqrt(variance + p.eps);
    for (var i = lane; i < p.dim; i += local_size) {
        y[base + i] = fma((x[base + i] - mean) * scale, weight[i], bias[i]);
    }
}
