#version 450
/* SPDX-License-Identifier: MIT
 *
 * f32, f16 or bf16 rows to plane 0 of f32. An invocation makes four elements.
 */
#extension GL_GOOGLE_include_directive : require
#include "repack.glsl"

layout(set = 0, binding = 1) writeonly buffer Plane0 { uint plane0[]; };

/* exact on every device, denormals included, which unpackHalf2x16 may flush */
uint f16_to_f32_bits(uint h)
{
    uint sign = (h & 0x8000u) << 16;
    uint exponent = (h >> 10) & 31u;
    uint mantissa = h & 1023u;
    if (exponent == 31u)
        return sign | 0x7f800000u | mantissa << 13;
    if (exponent != 0u)
        return sign | (exponent + 112u) << 23 | mantissa << 13;
    if (mantissa == 0u)
        return sign;
    uint top = uint(findMSB(mantissa));
    return sign | (top + 103u) << 23 | (mantissa << (23u - top) & 0x7fffffu);
}

uint load_element(uint at)
{
    if (p.src_type == TYPE_F32)
        return source[at];
    uint h = load_u16(at);
    return p.src_type == TYPE_BF16 ? h << 16 : f16_to_f32_bits(h);
}

void main()
{
    uint quads = (p.k + 3u) / 4u;
    uint index = global_index();
    uint row = index / quads;
    if (row >= p.rows)
        return;
    uint e = index % quads * 4u;
    uint at = target_row(row) * quads * 4u + e;
    for (uint i = 0u; i < 4u; i++, e++)
        plane0[at + i] = e < p.k ? load_element(row * p.k + source_element(e)) : 0u;
}
