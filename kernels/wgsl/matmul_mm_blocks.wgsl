// SPDX-License-Identifier: MIT
//
// Rows of the block types for matmul_mm.
//!include matmul_mm
//!include heads
@group(0) @binding(0) var<storage, read> plane0: array<u32>;

// the packed elements i to i + 3 of a row
fn load_row(row: u32, i: u32) -> vec4<u32> {
    let block = i / 32u;
    let quad = i / 4u % 8u;
    let head = load_head(row * plane1_words(TYPE, p.k), block, p.k);
    let word = plane0[(row * (p.k / 32u) + block) * BLOCK_WORDS + quad % BLOCK_WORDS];
    return vec4<u32>(word, head.xy, select(head.w, head.z, quad < 4u));
}

// A scale times a whole number is exact: it takes 23 bits at most.
fn unpack_row(packed: vec4<u32>, i: u32) -> vec4<f32> {
    let head = packed.yzww;
    let block = i / 32u;
    let quad = i / 4u % 8u;
    let codes = unpack_quad(packed.x, quad, head);
    let d = block_step(head, block, quad / 4u);
    if (MINIMA) {
        return fma(vec4<f32>(d), codes, vec4<f32>(block_min(head, block)));
    }
    return d * codes;
}
