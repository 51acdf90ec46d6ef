/* SPDX-License-Identifier: MIT */
#include "loader/blocks.h"

static const struct small_format small_formats[] = {
    {TENSOR_Q4_0, 4, false, -8, 7},     {TENSOR_Q4_1, 4, true, 0, 15},
    {TENSOR_Q5_0, 5, false, -16, 15},   {TENSOR_Q5_1, 5, true, 0, 31},
    {TENSOR_Q8_0, 8, false, -127, 127},
};

const struct small_format *small_format(enum tensor_type type)
{
    for (size_t i = 0; i < COUNT_OF(small_formats); i++)
        if (small_formats[i].type == type)
            return &small_formats[i];
    return NULL;
}

static uint16_t load_u16(const uint8_t *from)
{
    return (uint16_t)(from[0] | from[1] << 8);
}

static void store_u16(uint8_t *to, uint16_t value)
{
    to[0] = (uint8_t)value;
    to[1] = (uint8_t)(value >> 8);
}

/* scale, [min], [fifth bits: element i in bit i], low nibbles of i and i + 16 in byte i */
void small_pack(const struct small_format *format, const struct small_block *block, uint8_t *to)
{
    store_u16(to, block->scale);
    to += 2;
    if (format->bits == 8) {
        memcpy(to, block->codes, 32);
        return;
    }
    if (format->has_min) {
        store_u16(to, block->min);
        to += 2;
    }
    uint8_t codes[32], *fifth = to;
    for (int i = 0; i < 32; i++)
        codes[i] = (uint8_t)(block->codes[i] - format->low);
    if (format->bits == 5) {
        memset(fifth, 0, 4);
        for (int i = 0; i < 32; i++)
            fifth[i / 8] |= (uint8_t)((codes[i] >> 4 & 1) << i % 8);
        to += 4;
    }
    for (int i = 0; i < 16; i++)
        to[i] = (uint8_t)((codes[i] & 15) | codes[i + 16] << 4);
}

void small_unpack(const struct small_format *format, const uint8_t *from, struct small_block *block)
{
    block->scale = load_u16(from);
    block->min = 0;
    from += 2;
    if (format->bits == 8) {
        memcpy(block->codes, from, 32);
        return;
    }
    if (format->has_min) {
        block->min = load_u16(from);
        from += 2;
    }
    const uint8_t *fifth = from, *nibbles = format->bits == 5 ? from + 4 : from;
    for (int i = 0; i < 32; i++) {
        int code = nibbles[i % 16] >> (i < 16 ? 0 : 4) & 15;
        if (format->bits == 5)
            code |= (fifth[i / 8] >> i % 8 & 1) << 4;
        block->codes[i] = (int8_t)(code + format->low);
    }
}

void small_decode(const struct small_format *format, const uint8_t *from, float *to)
{
    struct small_block block;
    small_unpack(format, from, &block);
    float scale = f16_to_f32(block.scale), min = f16_to_f32(block.min);
    for (int i = 0; i < 32; i++) {
        float value = (float)block.codes[i] * scale;
        to[i] = format->has_min ? value + min : value; /* -0 + 0 would be 0 */
    }
}

/* 12 bytes: of parts 0 to 3 the scale in the low 6 bits of bytes 0 to 3, the min in those of bytes
 * 4 to 7; of parts 4 to 7 the low nibbles of both in bytes 8 to 11, the rest in the high bits. */
static void pack_scales(const struct q4_k_block *block, uint8_t *to)
{
    for (int i = 0; i < 4; i++) {
        uint8_t scale = block->scales[i + 4], min = block->mins[i + 4];
        to[i] = (uint8_t)(block->scales[i] | scale >> 4 << 6);
        to[i + 4] = (uint8_t)(block->mins[i] | min >> 4 << 6);
        to[i + 8] = (uint8_t)((scale & 15) | min << 4);
    }
}

static void unpack_scales(const uint8_t *from, struct q4_k_block *block)
{
    for (int i = 0; i < 4; i++) {
        block->scales[i] = from[i] & 63;
        block->mins[i] = from[i + 4] & 63;
        block->scales[i + 4] = (uint8_t)((from[i + 8] & 15) | from[i] >> 6 << 4);
        block->mins[i + 4] = (uint8_t)(from[i + 8] >> 4 | from[i + 4] >> 6 << 4);
    }
}

/* Byte i of each 32 has elements i and i + 32 of 64. */
void q4_k_pack(const struct q4_k_block *block, uint8_t *to)
{
    store_u16(to, block->scale);
    store_u16(to + 2, block->min);
    pack_scales(block, to + 4);
    for (int i = 0; i < 128; i++) {
        const uint8_t *codes = block->codes + i / 32 * 64 + i % 32;
        to[16 + i] = (uint8_t)(codes[0] | codes[32] << 4);
    }
}

void q4_k_decode(const uint8_t *from, float *to)
{
    struct q4_k_block block;
    float scale = f16_to_f32(load_u16(from)), min = f16_to_f32(load_u16(from + 2));
    unpack_scales(from + 4, &block);
    for (int part = 0; part < 8; part++) {
        const uint8_t *nibbles = from + 16 + part / 2 * 32;
        float step = scale * (float)block.scales[part], below = min * (float)block.mins[part];
        for (int i = 0; i < Q4_K_PART; i++) {
            float value = step * (float)(nibbles[i] >> part % 2 * 4 & 15);
            *to++ = value - below;
        }
    }
}

/* 128 bytes of low nibbles, 64 of high pairs of bits, 16 scales, the scale. Of each 128 elements,
 * low byte i has i and i + 64, high byte i has i, i + 32, i + 64 and i + 96. */
void q6_k_pack(const struct q6_k_block *block, uint8_t *to)
{
    uint8_t codes[K_BLOCK];
    memset(to, 0, 192);
    for (int i = 0; i < K_BLOCK; i++)
        codes[i] = (uint8_t)(block->codes[i] + 32);
    for (int i = 0; i < K_BLOCK; i++) {
        int half = i / 128, at = i % 128;
        to[half * 64 + at % 64] |= (uint8_t)((codes[i] & 15) << at / 64 * 4);
        to[128 + half * 32 + at % 32] |= (uint8_t)(codes[i] >> 4 << at / 32 * 2);
    }
    memcpy(to + 192, block->scales, 16);
    store_u16(to + 208, block->scale);
}

void q6_k_decode(const uint8_t *from, float *to)
{
    float scale = f16_to_f32(load_u16(from + 208));
    for (int i = 0; i < K_BLOCK; i++) {
        int half = i / 128, at = i % 128;
        int low = from[half * 64 + at % 64] >> at / 64 * 4 & 15;
        int high = from[128 + half * 32 + at % 32] >> at / 32 * 2 & 3;
        float step = scale * (float)(int8_t)from[192 + i / Q6_K_PART];
        to[i] = step * (float)((low | high << 4) - 32);
    }
}
