// SPDX-License-Identifier: MIT
//
// Rows of f32, f16 and bf16 for matmul_mm.
//!include matmul_mm
//!include unpack_floats

// the packed elements i to i + 3 of a row
fn load_row(row: u32, i: u32) -> vec4<u32> {
    return load_packed(row * ((p.k + 3u) / 4u) + i / 4u);
}

fn unpack_row(packed: vec4<u32>, i: u32) -> vec4<f32> {
    return unpack_floats(packed);
}
