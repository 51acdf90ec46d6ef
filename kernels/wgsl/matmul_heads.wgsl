// SPDX-License-Identifier: MIT
//
// How forms of matmul that add up the products of a block make them part of a row's sums, one a
// column. Where a block has two parts, their steps are in the weights.
//!include heads

// the codes of a quad, times their part's step where the block has two
fn unpack_scaled(word: u32, quad: u32, block: u32, head: vec4<u32>) -> vec4<f32> {
    let codes = unpack_quad(word, quad, head);
    if (PARTS > 1u) {
        return codes * block_step(head, block, quad / 4u);
    }
    return codes;
}

// what the sums of a block add to those of a row
fn add_block(head: vec4<u32>, block: u32, sums: vec4<f32>, x_sums: vec4<f32>,
             row_sums: vec4<f32>) -> vec4<f32> {
    var step = 1.0;
    if (PARTS == 1u) {
        step = block_step(head, block, 0u);
    }
    let a = fma(vec4<f32>(step), sums, row_sums);
    if (MINIMA) {
        return fma(vec4<f32>(block_min(head, block)), x_sums, a);
    }
    return a;
}
