// SPDX-License-Identifier: MIT
//!include repack_superblocks
const TYPE = TYPE_Q6_K;
const FILE_HALVES = 105u; // 16-bit words of a superblock

// the high two bits of 16 elements of which the first four are at 16-bit word `at`
fn join_pairs(at: u32, shift: u32) -> u32 {
    var pairs = 0u;
    for (var i = 0u; i < 4u; i++) {
        pairs |= ((load_u32(at + 2u * i) >> shift) & 0x03030303u) << (2u * i);
    }
    return pairs;
}

// returns its scale
fn move_block(row: u32, to_row: u32, index: u32) -> u32 {
    let blocks = p.k / 256u;
    let at = (row * blocks + index) * FILE_HALVES;
    let to = (to_row * blocks + index) * 32u;
    let head = to_row * plane1_words(TYPE, p.k);
    for (var block = 0u; block < 8u; block++) {
        let low = at + block / 4u * 32u + block % 2u * 16u;
        let high = at + 64u + block / 4u * 16u;
        for (var i = 0u; i < 4u; i++) {
            plane0[to + 4u * block + i] = join_nibbles(low + 2u * i, block / 2u % 2u);
        }
        for (var part = 0u; part < 2u; part++) {
            plane1[head + 16u * index + 2u * block + part] =
                join_pairs(high + 8u * part, 2u * (block % 4u));
        }
    }
    for (var i = 0u; i < 4u; i++) {
        plane1[head + 16u * blocks + 4u * index + i] = load_u32(at + 96u + 2u * i);
    }
    return load_u16(at + 104u);
}
