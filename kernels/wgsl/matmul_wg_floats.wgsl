// SPDX-License-Identifier: MIT
//
// Units of matmul_wg for f32, f16 and bf16: four elements.
//!include matmul_wg
fn unit_count() -> u32 {
    return (p.k + 3u) / 4u;
}

// acc plus unit i of the rows times the columns
fn multiply_unit(row: vec4<u32>, i: u32, units: u32, acc: mat4x4<f32>) -> mat4x4<f32> {
    let n = min(p.k - 4u * i, 4u);
    let at = row * units + i;
    let v = load_columns(4u * i, n);
    var sums = acc;
    sums[0] = dot_columns(load_quad(at.x), v, sums[0]);
    if (ROWS > 1u) {
        sums[1] = dot_columns(load_quad(at.y), v, sums[1]);
    }
    if (ROWS > 2u) {
        sums[2] = dot_columns(load_quad(at.z), v, sums[2]);
        sums[3] = dot_columns(load_quad(at.w), v, sums[3]);
    }
    return sums;
}
