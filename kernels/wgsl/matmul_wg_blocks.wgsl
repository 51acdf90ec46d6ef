// SPDX-License-Identifier: MIT
//
// Units of matmul_wg for the block types: half a block, of nibbles two words.
//!include matmul_wg
//!include matmul_heads
fn unit_count() -> u32 {
    return p.k / 16u;
}

// quad j of a half
fn quad_of(side: u32, j: u32) -> u32 {
    if (NIBBLES) {
        return 2u * side + (j & 1u) + 4u * (j >> 1u);
    }
    return 4u * side + j;
}

fn load_unit_head(row: u32, block: u32) -> vec4<u32> {
    return load_head(row * plane1_words(TYPE, p.k), block, p.k);
}

// acc plus unit i of the rows times the columns
fn multiply_unit(row: vec4<u32>, i: u32, units: u32, acc: mat4x4<f32>) -> mat4x4<f32> {
    let block = i / 2u;
    let at = row * units + i;
    let head0 = load_unit_head(row.x, block);
    let half0 = load_half(at.x);
    var head1 = vec4<u32>(0u);
    var head2 = vec4<u32>(0u);
    var head3 = vec4<u32>(0u);
    var half1 = vec4<u32>(0u);
    var half2 = vec4<u32>(0u);
    var half3 = vec4<u32>(0u);
    if (ROWS > 1u) {
        head1 = load_unit_head(row.y, block);
        half1 = load_half(at.y);
    }
    if (ROWS > 2u) {
        head2 = load_unit_head(row.z, block);
        half2 = load_half(at.z);
        head3 = load_unit_head(row.w, block);
        half3 = load_half(at.w);
    }
    var s0 = vec4<f32>(0.0);
    var s1 = vec4<f32>(0.0);
    var s2 = vec4<f32>(0.0);
    var s3 = vec4<f32>(0.0);
    var x_sums = vec4<f32>(0.0);
    for (var j = 0u; j < 4u; j++) {
        let quad = quad_of(i % 2u, j);
        let v = load_columns(32u * block + 4u * quad, 4u);
        if (MINIMA) {
            x_sums = dot_columns(vec4<f32>(1.0), v, x_sums);
        }
        s0 = dot_columns(unpack_scaled(half0[j], quad, block, head0), v, s0);
        if (ROWS > 1u) {
            s1 = dot_columns(unpack_scaled(half1[j], quad, block, head1), v, s1);
        }
        if (ROWS > 2u) {
            s2 = dot_columns(unpack_scaled(half2[j], quad, block, head2), v, s2);
            s3 = dot_columns(unpack_scaled(half3[j], quad, block, head3), v, s3);
        }
    }
    return mat4x4<f32>(add_block(head0, block, s0, x_sums, acc[0]),
                       add_block(head1, block, s1, x_sums, acc[1]),
                       add_block(head2, block, s2, x_sums, acc[2]),
                       add_block(head3, block, s3, x_sums, acc[3]));
}
