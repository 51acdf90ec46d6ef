#version 450
/* SPDX-License-Identifier: MIT */
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
#include "state.glsl"

PARAMS(rope_table_params);

layout(set = 0, binding = 1, std430) readonly buffer Freq { float freq[]; };
layout(set = 0, binding = 2, std430) writeonly buffer Table { float table[]; };

/* 32 bits of 1 / (2 pi), from bit 32 * word - 32 of its fraction on */
uint inverse_turn(uint word)
{
    return word == 1u   ? 0x28be60dbu
           : word == 2u ? 0x9391054au
           : word == 3u ? 0x7f09d5f4u
           : word == 4u ? 0x7d4d3770u
                        : 0u;
}

/* (cos a, sin a) for 0 <= a < 2^60, within 1e-7: the built-in functions may be off by 2^-11, and by
 * anything for large a. a = m 2^e exactly; the bits of 1 / (2 pi) from weight 2^-(e + 1) on, times
 * m, give the fraction of a turn with 40 bits behind the point (Payne and Hanek). */
vec2 cos_sin(float a)
{
    uint bits = floatBitsToUint(a);
    uint quadrant = 0u;
    float r = a;
    if (a > 0.78539816) {
        uint m = (bits & 0x7fffffu) | 0x800000u;
        uint start = min((bits >> 23) - 118u, 95u); /* e + 32 */
        uint word = start >> 5, shift = start & 31u;
        uint high = inverse_turn(word), low = inverse_turn(word + 1u);
        if (shift != 0u) {
            high = (high << shift) | (low >> (32u - shift));
            low = (low << shift) | (inverse_turn(word + 2u) >> (32u - shift));
        }
        uint carry, unused;
        umulExtended(m, low, carry, unused);
        uint turns = m * high + carry;
        quadrant = (turns + 0x20000000u) >> 30;
        r = float(int(turns - (quadrant << 30))) * 1.46291812e-9; /* 2 pi / 2^32 */
    }
    float u = r * r;
    float s = fma(fma(-1.9587866e-4, u, 8.3327480e-3), u, -1.6666664e-1);
    s = fma(s * u, r, r);
    float c = fma(fma(2.4547917e-5, u, -1.3888302e-3), u, 4.1666664e-2);
    c = fma(fma(c, u, -0.5), u, 1.0);
    vec2 swapped = (quadrant & 1u) != 0u ? vec2(s, c) : vec2(c, s);
    return vec2(quadrant == 1u || quadrant == 2u ? -swapped.x : swapped.x,
                (quadrant & 2u) != 0u ? -swapped.y : swapped.y);
}

/* an invocation a frequency of a column */
void main()
{
    uint index = global_index();
    if (index >= p.slots * p.per_slot * p.half)
        return;
    uint col = index / p.half, i = index % p.half;
    uint slot = col / p.per_slot;
    uint position = first_position(slot, p.source, 0u, p.per_slot) + col % p.per_slot;
    precise float angle = freq[i] * float(position);
    vec2 cs = cos_sin(angle);
    table[2u * index] = cs.x;
    table[2u * index + 1u] = cs.y;
}
