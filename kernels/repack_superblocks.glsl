/* SPDX-License-Identifier: MIT
 *
 * Superblocks of 256 elements to two planes. An invocation moves two of a row, so that it owns the
 * word that scales share; of an odd row the last has one.
 */
#include "repack.glsl"
#include "blocks.glsl"

layout(set = 0, binding = 1) writeonly buffer Plane0 { uint plane0[]; };
layout(set = 0, binding = 2) writeonly buffer Plane1 { uint plane1[]; };

/* The nibbles of four elements and of the four 16 behind them: the file's are at 16-bit word `at`,
 * in the high halves of the bytes if `side`. */
uint join_nibbles(uint at, uint side)
{
    uint low = load_u32(at) >> 4u * side, high = load_u32(at + 8u) >> 4u * side;
    return (low & 0x0f0f0f0fu) | (high & 0x0f0f0f0fu) << 4;
}

#if defined(WEIGHT_Q4_K)
#define FILE_HALVES 72u /* 16-bit words of a superblock */

/* the six bits of scale `part`, or of the minimum: they are four bytes behind */
uint load_six(uint at, uint part, uint minimum)
{
    uint low = load_u32(at + 2u), high = load_u32(at + 4u), last = load_u32(at + 6u);
    uint mine = minimum == 0u ? low : high, shift = 8u * (part % 4u);
    if (part < 4u)
        return mine >> shift & 63u;
    return (last >> shift + 4u * minimum & 15u) | (mine >> shift + 6u & 3u) << 4;
}

/* returns nothing to be shared */
uint move_superblock(uint row, uint target, uint index)
{
    uint blocks = p.k / 256u;
    uint at = (row * blocks + index) * FILE_HALVES;
    uint to = (target * blocks + index) * 32u, head = (target * blocks + index) * 4u;
    for (uint i = 0u; i < 32u; i++)
        plane0[to + i] = join_nibbles(at + 8u + i / 8u * 16u + i % 4u * 2u, i / 4u % 2u);
    uvec4 words = uvec4(load_u32(at), 0u, 0u, 0u);
    for (uint part = 0u; part < 8u; part++) {
        uint step = load_six(at, part, 0u), minimum = load_six(at, part, 1u);
        uint word = 1u + part / 4u, place = part % 4u;
        words[word] |= step << 6u * place | (minimum & 3u) << 24u + 2u * place;
        words.w |= minimum >> 2 << 4u * part;
    }
    for (uint i = 0u; i < 4u; i++)
        plane1[head + i] = words[i];
    return 0u;
}
#else
#define FILE_HALVES 105u

/* returns its scale */
uint move_superblock(uint row, uint target, uint index)
{
    uint blocks = p.k / 256u;
    uint at = (row * blocks + index) * FILE_HALVES;
    uint to = (target * blocks + index) * 32u, head = target * PLANE1_WORDS(WEIGHT_TYPE, p.k);
    for (uint block = 0u; block < 8u; block++) {
        uint low = at + block / 4u * 32u + block % 2u * 16u, high = at + 64u + block / 4u * 16u;
        for (uint i = 0u; i < 4u; i++)
            plane0[to + 4u * block + i] = join_nibbles(low + 2u * i, block / 2u % 2u);
        for (uint part = 0u; part < 2u; part++) {
            uint pairs = 0u;
            for (uint i = 0u; i < 4u; i++) {
                uint four = load_u32(high + 8u * part + 2u * i) >> 2u * (block % 4u);
                pairs |= (four & 0x03030303u) << 2u * i;
            }
            plane1[head + 16u * index + 2u * block + part] = pairs;
        }
    }
    for (uint i = 0u; i < 4u; i++)
        plane1[head + 16u * blocks + 4u * index + i] = load_u32(at + 96u + 2u * i);
    return load_u16(at + 104u);
}
#endif

void main()
{
    uint blocks = p.k / 256u;
    uint pairs = (blocks + 1u) / 2u;
    uint index = global_index();
    uint row = index / pairs;
    if (row >= p.rows)
        return;
    uint pair = index % pairs;
    uint target = target_row(row);
    uint scales = move_superblock(row, target, 2u * pair);
    if (2u * pair + 1u < blocks)
        scales |= move_superblock(row, target, 2u * pair + 1u) << 16;
#if defined(WEIGHT_Q6_K)
    uint head = target * PLANE1_WORDS(WEIGHT_TYPE, p.k), first = 20u * blocks;
    plane1[head + first + pair] = scales;
    if (pair == pairs - 1u)
        for (uint i = first + pairs; i < PLANE1_WORDS(WEIGHT_TYPE, p.k); i++)
            plane1[head + i] = 0u;
#endif
}
