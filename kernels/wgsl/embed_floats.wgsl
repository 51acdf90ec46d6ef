// SPDX-License-Identifier: MIT
//
// Units of embed for f32, f16 and bf16: four elements.
//!include embed
const QUADS = 1u;

fn unit_count() -> u32 {
    return (p.dim + 3u) / 4u;
}

fn first_element(unit: u32) -> u32 {
    return 4u * unit;
}

fn add_unit(row: u32, unit: u32, sum: mat2x4<f32>) -> mat2x4<f32> {
    return mat2x4<f32>(sum[0] + load_quad(row * unit_count() + unit), sum[1]);
}
