// SPDX-License-Identifier: MIT
//
// Twin of rmsnorm.comp: PARTS invocations a column, which all make its sum and share its
// elements.
//!include common

@id(1) override PARTS: u32 = 1u;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> alpha: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

fn x4(i: u32) -> vec4<f32> {
    return vec4<f32>(x[i], x[i + 1u], x[i + 2u], x[i + 3u]);
}

fn alpha4(i: u32) -> vec4<f32> {
    return vec4<f32>(alpha[i], alpha[i + 1u], alpha[i + 2u], alpha[i + 3u]);
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
    var even = vec4<f32>();
    var odd = vec4<f32>();
    var i = 0u;
    for (; i + 8u <= p.dim; i += 8u) {
        let v = x4(base + i);
        let w = x4(base + i + 4u);
        even = fma(v, v, even);
        odd = fma(w, w, odd);
    }
    for (; i < p.dim; i++) {
        even.x = fma(x[base + i], x[base + i], even.x);
    }
    let sum = ((even.x + even.y) + (even.z + even.w)) + ((odd.x + odd.y) + (odd.z + odd.w));
    let mean = sum / f32(p.dim);
    let scale = 1.0 / sqrt(p.eps + mean);
    for (i = 4u * part; i < quads; i += 4u * PARTS) {
        let v = x4(base + i) * (alpha4(i) * scale);
        y[base + i] = v.x;
        y[base + i + 1u] = v.y;
        y[base + i + 2u] = v.z;
        y[base + i + 3u] = v.w;
    }
    for (i = quads + part; i < p.dim; i += PARTS) {
        y[base + i] = x[base + i] * (alpha[i] * scale);
    }
}
