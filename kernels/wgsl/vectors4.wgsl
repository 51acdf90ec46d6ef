// SPDX-License-Identifier: MIT
//
// Bias and scale of matmul, read in fours: they are bound with whole vectors, padded to 16 bytes.
@group(0) @binding(3) var<storage, read> bias: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> scale: array<vec4<f32>>;

fn bias_at(i: u32) -> f32 {
    return bias[i >> 2u][i & 3u];
}

fn scale_at(i: u32) -> f32 {
    return scale[i >> 2u][i & 3u];
}
