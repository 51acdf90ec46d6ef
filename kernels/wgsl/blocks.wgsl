// SPDX-License-Identifier: MIT
//
// The block types: blocks of 32 elements, also where a superblock of the file has 256, as
// kernels/params.h lays them out; TYPE is one of them. Of a block, plane 0 has BLOCK_WORDS words;
// `quad` is four elements of it, 0 to 7, of PARTS parts. A head is what plane 1 has for it: x
// scales, y or z and w high bits of codes or more scales.
//!include common
//!include params
const NIBBLES = TYPE != TYPE_Q8_0;
const MINIMA = TYPE == TYPE_Q4_1 || TYPE == TYPE_Q5_1 || TYPE == TYPE_Q4_K;
const FIFTH_BITS = TYPE == TYPE_Q5_0 || TYPE == TYPE_Q5_1;
const BLOCK_WORDS = select(8u, 4u, NIBBLES);
const PARTS = select(1u, 2u, TYPE == TYPE_Q6_K);
const HIGH_WORDS = select(select(0u, 1u, FIFTH_BITS), 2u, TYPE == TYPE_Q6_K);
const CODE_OFFSET = select(0, 8, TYPE == TYPE_Q4_0) + select(0, 16, TYPE == TYPE_Q5_0) +
                    select(0, 32, TYPE == TYPE_Q6_K);

// four codes of 4 to 6 bits, a byte each
fn quad_codes(word: u32, quad: u32, head: vec4<u32>) -> u32 {
    let codes = (word >> (quad / 4u * 4u)) & 0x0f0f0f0fu;
    if (TYPE == TYPE_Q6_K) {
        let high = select(head.w, head.z, quad < 4u);
        return codes | (((high >> (2u * (quad % 4u))) & 0x03030303u) << 4u);
    }
    if (FIFTH_BITS) {
        return codes | (((head.z >> quad) & 0x01010101u) << 4u);
    }
    return codes;
}

// the codes of a quad as whole numbers, around 0 where the type's are
fn unpack_quad(word: u32, quad: u32, head: vec4<u32>) -> vec4<f32> {
    if (!NIBBLES) {
        return load_i8(word);
    }
    let codes = vec4<u32>(quad_codes(word, quad, head)) >> vec4<u32>(0u, 8u, 16u, 24u);
    return vec4<f32>(vec4<i32>(codes & vec4<u32>(255u)) - vec4<i32>(CODE_OFFSET));
}

// what codes count; scales of scales are multiplied exactly: they take 19 bits at most
fn block_step(head: vec4<u32>, block: u32, part: u32) -> f32 {
    let pair = load_f16(head.x);
    if (TYPE == TYPE_Q4_1 || TYPE == TYPE_Q5_1) {
        return pair.x;
    }
    if (TYPE == TYPE_Q4_K) {
        return pair.x * f32((head.y >> (6u * (block % 4u))) & 63u);
    }
    if (TYPE == TYPE_Q6_K) {
        let d = select(pair.y, pair.x, block / 8u % 2u == 0u);
        return d * f32(extractBits(bitcast<i32>(head.y), 16u * (block % 2u) + 8u * part, 8u));
    }
    return select(pair.y, pair.x, block % 2u == 0u);
}

// what is added to each element
fn block_min(head: vec4<u32>, block: u32) -> f32 {
    let least = load_f16(head.x).y;
    if (TYPE == TYPE_Q4_K) {
        let low = (head.y >> (24u + 2u * (block % 4u))) & 3u;
        let high = (head.z >> (4u * (block % 8u))) & 15u;
        return -least * f32((high << 2u) | low);
    }
    return select(0.0, least, MINIMA);
}
