// SPDX-License-Identifier: MIT
//
// Units of the block types with the heads of their blocks, and bytes as floats.
//!include matmul_sg
//!include heads
struct Unit {
    words: Rows,
    heads: Rows,
}

fn load_unit(u: u32) -> Unit {
    let block = u * UNIT / 32u;
    let at = row * plane1_words(TYPE, p.k);
    var heads: Rows;
    heads.a = load_head(at.x, block, p.k);
    if (ROWS > 1u) {
        heads.b = load_head(at.y, block, p.k);
    }
    if (ROWS > 2u) {
        heads.c = load_head(at.z, block, p.k);
        heads.d = load_head(at.w, block, p.k);
    }
    return Unit(load_words(u), heads);
}

// Bits of a word become floats without a conversion: below the leading one of 2^n, n bits from the
// top of the mantissa. What 2^n and the offset add is taken away exactly.
fn bytes_to_floats(word: u32, offset: f32) -> vec4<f32> {
    let high = word >> 16u;
    let bits = vec4<u32>(word & 0xffu, word & 0xff00u, high & 0xffu, high & 0xff00u);
    let leading = vec4<u32>(0x4b000000u, 0x47000000u, 0x4b000000u, 0x47000000u);
    return bitcast<vec4<f32>>(bits | leading) -
           (vec4<f32>(8388608.0, 32768.0, 8388608.0, 32768.0) + offset);
}
