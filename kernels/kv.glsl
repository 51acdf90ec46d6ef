/* SPDX-License-Identifier: MIT
 *
 * Caches of keys and values: where a head of a position lies, and what is in a unit of four words
 * (layouts in params.h). Needs p.heads, p.head_dim, p.capacity and the specialization constant
 * KV_TYPE, so that only one layout's code is left.
 */
const uint KV_QUADS = 1u << KV_TYPE; /* a unit: 4 elements each */

/* the first unit of a position of a head; those of the next position follow */
uint kv_unit_at(uint slot, uint head, uint position)
{
    uint units = KV_SLOT_WORDS(KV_TYPE, p.capacity, p.heads, p.head_dim) / 4u;
    return slot * units + (head * p.capacity + position) * KV_HEAD_UNITS(KV_TYPE, p.head_dim);
}

/* the first word of its scales */
uint kv_scale_at(uint slot, uint head, uint position)
{
    return 4u * kv_unit_at(slot, p.heads, 0u) +
           (head * p.capacity + position) * KV_SCALE_WORDS(KV_TYPE, p.head_dim);
}

/* A cache to read: NAME_unit(i) and NAME_word(i); with TEXELS it is a texel buffer. */
#ifdef TEXELS
#define KV_IN(BINDING, NAME)                                                                       \
    layout(set = 0, binding = BINDING) uniform usamplerBuffer NAME##_texels;                       \
    uvec4 NAME##_unit(uint i)                                                                      \
    {                                                                                              \
        return texelFetch(NAME##_texels, int(i));                                                  \
    }                                                                                              \
    uint NAME##_word(uint i)                                                                       \
    {                                                                                              \
        return NAME##_unit(i >> 2)[i & 3u];                                                        \
    }
#else
#define KV_IN(BINDING, NAME)                                                                       \
    layout(set = 0, binding = BINDING, std430) readonly buffer NAME##_in { uvec4 NAME##_units[]; };\
    uvec4 NAME##_unit(uint i)                                                                      \
    {                                                                                              \
        return NAME##_units[i];                                                                    \
    }                                                                                              \
    uint NAME##_word(uint i)                                                                       \
    {                                                                                              \
        return NAME##_units[i >> 2][i & 3u];                                                       \
    }
#endif

/* the scale of unit u of a head of a position whose scales begin at word `at` */
#define KV_SCALE(NAME, AT, U)                                                                      \
    (KV_TYPE == KV_Q8 ? load_f16(NAME##_word((AT) + (U) / 4u))[(U) / 2u % 2u] : 1.0)

/* four elements of a unit, without the scale */
vec4 kv_load(uvec4 unit, uint quad)
{
    if (KV_TYPE == KV_F32)
        return uintBitsToFloat(unit);
    if (KV_TYPE == KV_Q8)
        return load_i8(unit[quad]);
    uvec2 words = quad == 0u ? unit.xy : unit.zw;
    return vec4(load_f16(words.x), load_f16(words.y));
}

/* Rounds to nearest even, which packHalf2x16 need not do. Infinities and NaNs stay. */
uint kv_store_f16(vec2 x)
{
    uvec2 bits = floatBitsToUint(x);
    uvec2 nearest = (bits + 0xfffu + ((bits >> 13) & 1u)) & ~0x1fffu;
    bool special_x = (bits.x & 0x7f800000u) == 0x7f800000u;
    bool special_y = (bits.y & 0x7f800000u) == 0x7f800000u;
    return packHalf2x16(uintBitsToFloat(
        uvec2(special_x ? bits.x : nearest.x, special_y ? bits.y : nearest.y)));
}

/* a block's scale, which is an f16, and four of its bytes */
float kv_scale(float most)
{
    return unpackHalf2x16(kv_store_f16(vec2(most * (1.0 / 127.0), 0.0))).x;
}

uint kv_store_i8(vec4 x, float inverse_scale)
{
    uvec4 bytes = uvec4(ivec4(clamp(roundEven(x * inverse_scale), -127.0, 127.0))) & 255u;
    return bytes.x | bytes.y << 8 | bytes.z << 16 | bytes.w << 24;
}
