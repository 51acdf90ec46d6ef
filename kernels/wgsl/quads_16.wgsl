// SPDX-License-Identifier: MIT
//
// Plane 0 of f16 or bf16, read in fours of elements.
//!include packed_16
//!include unpack_floats
fn load_quad(at: u32) -> vec4<f32> {
    return unpack_floats(load_packed(at));
}
