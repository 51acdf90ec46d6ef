// SPDX-License-Identifier: MIT
//
// Bias and scale of matmul, read one by one.
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read> scale: array<f32>;

fn bias_at(i: u32) -> f32 {
    return bias[i];
}

fn scale_at(i: u32) -> f32 {
    return scale[i];
}
