// SPDX-License-Identifier: MIT
//
// Twin of layernorm.comp: PARTS invocations a column, which all make its sums and share its
// elements.
//!include common

@id(1) override PARTS: u32 = 1u;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> weight: array<f32>;
@group(0) @binding(2) var<storage, read> bias: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

fn x4(i: u32) -> vec4<f32> {
    return vec4<f32>(x[i], x[i + 1u], x[i + 2u], x[i + 3u]);
}

fn weight4(i: u32) -> vec4<f32> {
    return vec4<f32>(weight[i], weight[i + 1u], weight[i + 2u], weight[i + 3u]);
}

fn bias4(i: u32) -> vec4<f32> {
    return vec4<f32>(bias[i], bias[i + 1u], bias[i + 2u], bias[i + 3u]);
}

@compute @workgroup_size(local_size)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let index = global_index(id, groups);
    let col = index / PARTS;
    let part = index % PARTS;
    if (col >= p.cols) {
        return;
    }
    let base = col * p.dim;
    let quads = p.dim / 4u * 4u;
    var sums = vec4<f32>();
    var i = 0u;
    for (; i < quads; i += 4u) {
        sums += x4(base + i);
    }
    for (; i < p.dim; i++) {
        sums.x += x[base + i];
    }
    let mean = ((sums.x + sums.y) + (sums.z + sums.w)) / f32(p.dim);

    var squares = vec4<f32>();
    for (i = 0u; i < quads; i += 4u) {
        let d = x4(base + i) - mean;
        squares = fma(d, d, squares);
    }
    for (; i < p.dim; i++) {
        let d = x[base + i] - mean;
        squares.x = fma(d, d, squares.x);
    }
    let variance = ((squares.x + squares.y) + (squares.z + squares.w)) / f32(p.dim);
    let scale = 1.0 / sqrt(variance + p.eps);
    for (i = 4u * part; i < quads; i += 4u * PARTS) {
        let v = fma((x4(base + i) - mean) * scale, weight4(i), bias4(i));
        y[base + i] = v.x;
        y[base + i + 1u] = v.y;
        y[base + i + 2u] = v.z;
        y[base + i + 3u] = v.w;
    }
    for (i = quads + part; i < p.dim; i += PARTS) {
        y[base + i] = fma((x[base + i] - mean) * scale, weight[i], bias[i]);
    }
}
