/* SPDX-License-Identifier: MIT
 *
 * What the repack kernels share: the file's bytes as words, and where a row goes.
 */
#include "common.glsl"

layout(set = 0, binding = 0) readonly buffer Source { uint source[]; };

PARAMS(repack_params);

uint load_u16(uint at)
{
    return (source[at >> 1] >> ((at & 1u) * 16u)) & 0xffffu;
}

/* the 32-bit word at 16-bit word `at`; never touches a word that it does not need */
uint load_u32(uint at)
{
    uint low = source[at >> 1];
    return (at & 1u) == 0u ? low : (low >> 16) | (source[(at >> 1) + 1u] << 16);
}

uint target_row(uint i)
{
    uint r = p.first_row + i;
    if (p.half == 0u)
        return p.dst_row + r;
    return p.dst_row + (r < p.half ? 2u * r : 2u * (r - p.half) + 1u);
}

/* where element e of a row of the planes is in the file's row */
uint source_element(uint e)
{
    if (p.taps <= 1u)
        return e;
    uint channels = p.k / p.taps;
    return e % channels * p.taps + e / channels;
}
