/* SPDX-License-Identifier: MIT
 *
 * Blocks of 32 elements to two planes: an f16 scale, a minimum if MINIMA, a word of fifth bits if
 * HIGH_WORDS, then BLOCK_WORDS words. An invocation moves two blocks of a row, so that it owns the
 * word that scales share; of an odd row the last has one.
 */
#include "repack.glsl"
#include "blocks.glsl"

layout(set = 0, binding = 1) writeonly buffer Plane0 { uint plane0[]; };
layout(set = 0, binding = 2) writeonly buffer Plane1 { uint plane1[]; };

#if defined(MINIMA)
#define SCALES 2u
#else
#define SCALES 1u
#endif
#define FILE_CODES (SCALES + 2u * HIGH_WORDS) /* in 16-bit words, from the block's first on */

/* four neighbours' bits go to the lowest free ones of the bytes */
uint spread_fifth_bits(uint bits)
{
    uint spread = 0u;
    for (uint quad = 0u; quad < 8u; quad++)
        spread |= ((bits >> 4u * quad & 15u) * 0x00204081u & 0x01010101u) << quad;
    return spread;
}

/* block `block` of a row; returns its scale */
uint move_block(uint row, uint target, uint block)
{
    uint blocks = p.k / 32u;
    uint at = (row * blocks + block) * (FILE_CODES + 2u * BLOCK_WORDS);
    uint to = (target * blocks + block) * BLOCK_WORDS;
    uint head = target * PLANE1_WORDS(WEIGHT_TYPE, p.k);
    for (uint i = 0u; i < BLOCK_WORDS; i++)
        plane0[to + i] = load_u32(at + FILE_CODES + 2u * i);
    if (HIGH_WORDS > 0u)
        plane1[head + block] = spread_fifth_bits(load_u32(at + SCALES));
    uint scale = load_u16(at);
#if defined(MINIMA)
    plane1[head + HIGH_WORDS * blocks + block] = scale | load_u16(at + 1u) << 16;
#endif
    return scale;
}

void main()
{
    uint blocks = p.k / 32u;
    uint pairs = (blocks + 1u) / 2u;
    uint index = global_index();
    uint row = index / pairs;
    if (row >= p.rows)
        return;
    uint pair = index % pairs;
    uint target = target_row(row);
    uint scales = move_block(row, target, 2u * pair);
    if (2u * pair + 1u < blocks)
        scales |= move_block(row, target, 2u * pair + 1u) << 16;
#if !defined(MINIMA)
    uint head = target * PLANE1_WORDS(WEIGHT_TYPE, p.k), first = HIGH_WORDS * blocks;
    plane1[head + first + pair] = scales;
    if (pair == pairs - 1u)
        for (uint i = first + pairs; i < PLANE1_WORDS(WEIGHT_TYPE, p.k); i++)
            plane1[head + i] = 0u;
#endif
}
