#version 450
/* SPDX-License-Identifier: MIT
 *
 * f16 or bf16 rows to plane 0 of the same type. An invocation makes two words, four elements.
 */
#extension GL_GOOGLE_include_directive : require
#include "repack.glsl"

layout(set = 0, binding = 1) writeonly buffer Plane0 { uint plane0[]; };

uint load_element(uint row, uint e)
{
    return e < p.k ? load_u16(row * p.k + source_element(e)) : 0u;
}

void main()
{
    uint quads = (p.k + 3u) / 4u;
    uint index = global_index();
    uint row = index / quads;
    if (row >= p.rows)
        return;
    uint quad = index % quads;
    uint at = (target_row(row) * quads + quad) * 2u;
    uint e = quad * 4u;
    plane0[at] = load_element(row, e) | load_element(row, e + 1u) << 16;
    plane0[at + 1u] = load_element(row, e + 2u) | load_element(row, e + 3u) << 16;
}
