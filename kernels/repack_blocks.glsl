/* SPDX-License-Identifier: MIT
 *
 * Blocks of an f16 scale and BLOCK_WORDS words to two planes. An invocation moves two blocks of a
 * row, so that it owns their scale word; of an odd row the last has one.
 */
#include "repack.glsl"

layout(set = 0, binding = 1) writeonly buffer Plane0 { uint plane0[]; };
layout(set = 0, binding = 2) writeonly buffer Plane1 { uint plane1[]; };

uint move_block(uint from, uint to)
{
    uint at = from * (2u * BLOCK_WORDS + 1u); /* in 16-bit words */
    for (uint i = 0u; i < BLOCK_WORDS; i++)
        plane0[to * BLOCK_WORDS + i] = load_u32(at + 1u + 2u * i);
    return load_u16(at);
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
    uint from = row * blocks + 2u * pair, to = target * blocks + 2u * pair;
    uint scales = move_block(from, to);
    if (2u * pair + 1u < blocks)
        scales |= move_block(from + 1u, to + 1u) << 16;
    plane1[target * pairs + pair] = scales;
}
