// SPDX-License-Identifier: MIT
//
// Units of embed for the block types: a word; of nibbles four elements, and the four 16 behind.
//!include embed
//!include heads
const QUADS = select(1u, 2u, NIBBLES);

@group(0) @binding(0) var<storage, read> plane0: array<u32>;

fn unit_count() -> u32 {
    return p.dim / 32u * BLOCK_WORDS;
}

fn first_element(unit: u32) -> u32 {
    return unit / BLOCK_WORDS * 32u + unit % BLOCK_WORDS * 4u;
}

fn add_unit(row: u32, unit: u32, sum: mat2x4<f32>) -> mat2x4<f32> {
    let block = unit / BLOCK_WORDS;
    let head = load_head(row * plane1_words(TYPE, p.dim), block, p.dim);
    let word = plane0[row * unit_count() + unit];
    var total = sum;
    for (var j = 0u; j < QUADS; j++) {
        let codes = unpack_quad(word, unit % BLOCK_WORDS + 4u * j, head);
        let step = vec4<f32>(block_step(head, block, select(0u, j, PARTS > 1u)));
        if (MINIMA) {
            total[j] += fma(step, codes, vec4<f32>(block_min(head, block)));
        } else {
            total[j] = fma(step, codes, total[j]);
        }
    }
    return total;
}
