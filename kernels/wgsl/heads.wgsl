// SPDX-License-Identifier: MIT
//
// Plane 1 of the block types, where a kernel reads it.
//!include blocks
@group(0) @binding(1) var<storage, read> plane1: array<u32>;

// of a block of the row of plane 1 that begins at word `at`; k elements a row
fn load_head(at: u32, block: u32, k: u32) -> vec4<u32> {
    if (TYPE == TYPE_Q4_K) {
        let first = at + block / 8u * 4u;
        let minima = plane1[first + 3u];
        return vec4<u32>(plane1[first], plane1[first + 1u + block / 4u % 2u], minima, minima);
    }
    let scales = at + HIGH_WORDS * (k / 32u);
    if (TYPE == TYPE_Q6_K) {
        return vec4<u32>(plane1[scales + k / 64u + block / 16u], plane1[scales + block / 2u],
                         plane1[at + 2u * block], plane1[at + 2u * block + 1u]);
    }
    let scale = plane1[scales + select(block / 2u, block, MINIMA)];
    if (FIFTH_BITS) {
        let high = plane1[at + block];
        return vec4<u32>(scale, 0u, high, high);
    }
    return vec4<u32>(scale, 0u, 0u, 0u);
}
