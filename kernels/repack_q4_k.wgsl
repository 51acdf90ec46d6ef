// SPDX-License-Identifier: MIT
//!include repack_superblocks
const TYPE = TYPE_Q4_K;
const FILE_HALVES = 72u; // 16-bit words of a superblock

// the six bits of scale `part`, or of the minimum: they are four bytes behind
fn load_six(at: u32, part: u32, minimum: u32) -> u32 {
    let mine = load_u32(at + 2u + 2u * minimum);
    let shift = 8u * (part % 4u);
    if (part < 4u) {
        return (mine >> shift) & 63u;
    }
    let last = load_u32(at + 6u);
    return ((last >> (shift + 4u * minimum)) & 15u) | (((mine >> (shift + 6u)) & 3u) << 4u);
}

// returns nothing to be shared
fn move_block(row: u32, to_row: u32, index: u32) -> u32 {
    let blocks = p.k / 256u;
    let at = (row * blocks + index) * FILE_HALVES;
    let to = (to_row * blocks + index) * 32u;
    let head = (to_row * blocks + index) * 4u;
    for (var i = 0u; i < 32u; i++) {
        plane0[to + i] = join_nibbles(at + 8u + i / 8u * 16u + i % 4u * 2u, i / 4u % 2u);
    }
    plane1[head] = load_u32(at);
    var high = 0u; // of the minima
    for (var four = 0u; four < 2u; four++) {
        var word = 0u;
        for (var place = 0u; place < 4u; place++) {
            let part = 4u * four + place;
            let minimum = load_six(at, part, 1u);
            word |= load_six(at, part, 0u) << (6u * place);
            word |= (minimum & 3u) << (24u + 2u * place);
            high |= (minimum >> 2u) << (4u * part);
        }
        plane1[head + 1u + four] = word;
    }
    plane1[head + 3u] = high;
    return 0u;
}
