// SPDX-License-Identifier: MIT
//
// Plane 0 of f32, read in fours of elements.
@group(0) @binding(0) var<storage, read> plane0: array<vec4<f32>>;

fn load_quad(at: u32) -> vec4<f32> {
    return plane0[at];
}
