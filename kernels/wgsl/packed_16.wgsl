// SPDX-License-Identifier: MIT
//
// Four elements of f16 or bf16 as they lie in plane 0.
@group(0) @binding(0) var<storage, read> plane0: array<vec2<u32>>;

fn load_packed(at: u32) -> vec4<u32> {
    return vec4<u32>(plane0[at], 0u, 0u);
}
