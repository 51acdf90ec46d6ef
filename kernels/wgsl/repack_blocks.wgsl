// SPDX-License-Identifier: MIT
//
// Twin of repack_blocks.glsl. Blocks of 32 elements: an f16 scale, a minimum if MINIMA, a word of
// fifth bits if HIGH_WORDS, then BLOCK_WORDS words.
//!include repack_pairs
const SCALES = select(1u, 2u, MINIMA);
const FILE_CODES = SCALES + 2u * HIGH_WORDS; // in 16-bit words, from the block's first on

// four neighbours' bits go to the lowest free ones of the bytes
fn spread_fifth_bits(bits: u32) -> u32 {
    var spread = 0u;
    for (var quad = 0u; quad < 8u; quad++) {
        spread |= ((((bits >> (4u * quad)) & 15u) * 0x00204081u) & 0x01010101u) << quad;
    }
    return spread;
}

// block `block` of a row; returns its scale
fn move_block(row: u32, to_row: u32, block: u32) -> u32 {
    let blocks = p.k / 32u;
    let at = (row * blocks + block) * (FILE_CODES + 2u * BLOCK_WORDS);
    let to = (to_row * blocks + block) * BLOCK_WORDS;
    let head = to_row * plane1_words(TYPE, p.k);
    for (var i = 0u; i < BLOCK_WORDS; i++) {
        plane0[to + i] = load_u32(at + FILE_CODES + 2u * i);
    }
    if (FIFTH_BITS) {
        plane1[head + block] = spread_fifth_bits(load_u32(at + SCALES));
    }
    let scale = load_u16(at);
    if (MINIMA) {
        plane1[head + HIGH_WORDS * blocks + block] = scale | (load_u16(at + 1u) << 16u);
    }
    return scale;
}
