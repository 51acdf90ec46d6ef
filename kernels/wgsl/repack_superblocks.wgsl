// SPDX-License-Identifier: MIT
//
// What superblocks of 256 elements share: twin of the first part of repack_superblocks.glsl.
//!include repack_pairs

// The nibbles of four elements and of the four 16 behind them: the file's are at 16-bit word `at`,
// in the high halves of the bytes if `side`.
fn join_nibbles(at: u32, side: u32) -> u32 {
    let low = load_u32(at) >> (4u * side);
    let high = load_u32(at + 8u) >> (4u * side);
    return (low & 0x0f0f0f0fu) | ((high & 0x0f0f0f0fu) << 4u);
}
