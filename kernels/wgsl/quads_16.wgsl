// SPDX-License-Identifier: MIT
//
// Plane 0 of f16 or bf16, read in fours of elements.
//!include common
@group(0) @binding(0) var<storage, read> plane0: array<vec2<u32>>;

fn load_quad(at: u32) -> vec4<f32> {
    let words = plane0[at];
    if (TYPE == TYPE_F16) {
        return vec4<f32>(load_f16(words.x), load_f16(words.y));
    }
    return vec4<f32>(load_bf16(words.x), load_bf16(words.y));
}
