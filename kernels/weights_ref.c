/* SPDX-License-Identifier: MIT */
#include "kernels/weights_ref.h"

#include <math.h>
#include <string.h>

uint32_t weights_type(enum kernel_id id)
{
    const char *name = kernel_table[kernel_table[id].base].name;
    static const char *const suffixes[WEIGHT_TYPES] = {"_f32",  "_f16",  "_bf16", "_q8_0", "_q4_0",
                                                       "_q4_1", "_q5_0", "_q5_1", "_q4_k", "_q6_k"};
    for (uint32_t type = 0; type < COUNT_OF(suffixes); type++) {
        const char *found = strstr(name, suffixes[type]);
        const char end = found ? found[strlen(suffixes[type])] : 'x';
        if (end == 0 || end == '_')
            return type;
    }
    return TYPE_F32;
}

uint32_t weights_round_up(uint32_t type, uint32_t k)
{
    return div_up(k, TYPE_BLOCK(type)) * TYPE_BLOCK(type);
}

void weights_words(uint32_t type, uint32_t rows, uint32_t k, uint32_t *plane0, uint32_t *plane1)
{
    *plane0 = rows * PLANE0_WORDS(type, k);
    *plane1 = rows * PLANE1_WORDS(type, k);
}

float f16_to_float(uint16_t h)
{
    const int exponent = h >> 10 & 31, mantissa = h & 1023;
    const float magnitude = exponent == 31  ? (mantissa ? NAN : INFINITY)
                            : exponent == 0 ? ldexpf((float)mantissa, -24)
                                            : ldexpf((float)(mantissa + 1024), exponent - 25);
    return h & 0x8000 ? -magnitude : magnitude;
}

uint16_t float_to_f16(float f)
{
    const uint16_t sign = signbit(f) ? 0x8000 : 0;
    int exponent;
    float fraction = frexpf(fabsf(f), &exponent); /* [0.5, 1) * 2^exponent */
    if (fraction == 0 || exponent < -23)
        return sign;
    if (exponent > 16)
        return sign | 0x7bff;
    if (exponent < -13)
        return sign | (uint16_t)ldexpf(fraction, exponent + 24);
    return sign | (uint16_t)((exponent + 14) << 10 | ((int)ldexpf(fraction, 11) - 1024));
}

static uint16_t half_at(const void *words, uint32_t i)
{
    return (uint16_t)(((const uint32_t *)words)[i / 2] >> (i % 2 * 16));
}

static uint32_t byte_at(const void *words, uint32_t i)
{
    return ((const uint32_t *)words)[i / 4] >> (i % 4 * 8) & 255;
}

static uint32_t bits_at(const void *words, uint32_t word, uint32_t bit, uint32_t n)
{
    return ((const uint32_t *)words)[word] >> bit & ((1u << n) - 1);
}

static double half_value(const void *words, uint32_t i)
{
    return f16_to_float(half_at(words, i));
}

static int signed_byte(const void *words, uint32_t i)
{
    return (int8_t)byte_at(words, i);
}

/* Element i of a row whose codes begin at word w0 of plane 0 and its head at word h of plane 1. */
static double block_element(uint32_t type, const void *plane0, const void *plane1, uint32_t k,
                            uint32_t w0, uint32_t h, uint32_t i)
{
    const uint32_t blocks = k / 32, block = i / 32;
    if (type == TYPE_Q8_0)
        return half_value(plane1, 2 * h + block) * signed_byte(plane0, 4 * w0 + i);
    const uint32_t byte = byte_at(plane0, 4 * w0 + block * 16 + i % 16);
    int q = (int)(i % 32 < 16 ? byte & 15 : byte >> 4);
    if (type == TYPE_Q5_0 || type == TYPE_Q5_1)
        q |= (int)bits_at(plane1, h + block, 8 * (i % 4) + i % 32 / 4, 1) << 4;
    if (type == TYPE_Q6_K)
        q |= (int)bits_at(plane1, h + i / 16, 8 * (i % 4) + 2 * (i / 4 % 4), 2) << 4;
    switch (type) {
    case TYPE_Q4_0: return half_value(plane1, 2 * h + block) * (q - 8);
    case TYPE_Q5_0: return half_value(plane1, 2 * (h + blocks) + block) * (q - 16);
    case TYPE_Q4_1:
        return half_value(plane1, 2 * (h + block)) * q + half_value(plane1, 2 * (h + block) + 1);
    case TYPE_Q5_1:
        h += blocks + block;
        return half_value(plane1, 2 * h) * q + half_value(plane1, 2 * h + 1);
    case TYPE_Q4_K: {
        const uint32_t head = h + block / 8 * 4, part = block % 8, mine = head + 1 + part / 4;
        const uint32_t s = bits_at(plane1, mine, 6 * (part % 4), 6);
        const uint32_t m = bits_at(plane1, mine, 24 + 2 * (part % 4), 2) |
                           bits_at(plane1, head + 3, 4 * part, 4) << 2;
        return half_value(plane1, 2 * head) * s * q - half_value(plane1, 2 * head + 1) * m;
    }
    default: {
        const uint32_t steps = h + k / 16, scales = steps + k / 64;
        return half_value(plane1, 2 * scales + i / 256) * signed_byte(plane1, 4 * steps + i / 16) *
               (q - 32);
    }
    }
}

double weights_element(uint32_t type, const void *plane0, const void *plane1, uint32_t k,
                       uint32_t row, uint32_t i)
{
    const uint32_t w0 = row * PLANE0_WORDS(type, k);
    if (type == TYPE_F32)
        return ((const float *)plane0)[w0 + i];
    if (type == TYPE_F16)
        return half_value(plane0, 2 * w0 + i);
    if (type == TYPE_BF16) {
        const uint32_t bits = (uint32_t)half_at(plane0, 2 * w0 + i) << 16;
        float f;
        memcpy(&f, &bits, sizeof(f));
        return f;
    }
    return block_element(type, plane0, plane1, k, w0, row * PLANE1_WORDS(type, k), i);
}

/* Where the f16 of a row's head are: each `stride` halves from `first` on. A minimum
 * follows it where there are any. */
struct scales {
    uint32_t first, stride, n;
    float step, least; /* magnitudes; 0: no minima */
};

static struct scales scales_of(uint32_t type, uint32_t k)
{
    const uint32_t blocks = k / 32;
    switch (type) {
    case TYPE_Q8_0: return (struct scales){0, 1, blocks, 1.0f / 128, 0};
    case TYPE_Q4_0: return (struct scales){0, 1, blocks, 1.0f / 8, 0};
    case TYPE_Q4_1: return (struct scales){0, 2, blocks, 1.0f / 8, 1};
    case TYPE_Q5_0: return (struct scales){2 * blocks, 1, blocks, 1.0f / 16, 0};
    case TYPE_Q5_1: return (struct scales){2 * blocks, 2, blocks, 1.0f / 16, 1};
    case TYPE_Q4_K: return (struct scales){0, 8, k / 256, 1.0f / 8 / 64, 1.0f / 64};
    default: return (struct scales){2 * (k / 16 + k / 64), 1, k / 256, 1.0f / 32 / 128, 0};
    }
}

static void set_half(uint32_t *words, uint32_t i, float value)
{
    words[i / 2] &= 0xffff0000u >> (i % 2 * 16);
    words[i / 2] |= (uint32_t)float_to_f16(value) << (i % 2 * 16);
}

/* Codes, their high bits and scales of scales are random; what rows are padded with is zero. */
static void fill_blocks(uint32_t type, uint32_t rows, uint32_t k, float magnitude,
                        const struct case_source *s, uint32_t *words, uint32_t *heads)
{
    const struct scales scales = scales_of(type, k);
    const uint32_t row_words = PLANE1_WORDS(type, k);
    for (uint32_t i = 0; i < rows * PLANE0_WORDS(type, k); i++)
        words[i] = s->random(s->state);
    for (uint32_t row = 0; row < rows; row++) {
        uint32_t *head = heads + row * row_words;
        const uint32_t packed = type == TYPE_Q4_K ? row_words : scales.first / 2;
        for (uint32_t i = 0; i < packed; i++)
            head[i] = s->random(s->state);
        for (uint32_t i = 0; i < scales.n; i++) {
            const uint32_t at = scales.first + i * scales.stride;
            set_half(head, at, scales.step * magnitude * case_uniform(s));
            if (scales.least != 0)
                set_half(head, at + 1, scales.least * magnitude * case_uniform(s));
        }
    }
}

void weights_fill(uint32_t type, uint32_t rows, uint32_t k, float magnitude,
                  const struct case_source *s, void *plane0, void *plane1)
{
    const uint32_t aligned = div_up(k, 4) * 4;
    uint32_t *words = plane0;
    if (TYPE_BLOCK(type) > 1) {
        fill_blocks(type, rows, k, magnitude, s, words, plane1);
        return;
    }
    for (uint32_t row = 0; row < rows; row++) {
        for (uint32_t i = 0; i < k; i++) {
            const float value = magnitude * case_uniform(s);
            const size_t at = (size_t)row * aligned + i;
            uint32_t bits;
            memcpy(&bits, &value, sizeof(bits));
            if (type == TYPE_F32)
                words[at] = bits;
            else
                words[at / 2] |= (type == TYPE_BF16 ? bits >> 16 : float_to_f16(value))
                                 << (at % 2 * 16);
        }
    }
}
