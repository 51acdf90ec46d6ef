/* SPDX-License-Identifier: MIT */
#include "kernels/weights_ref.h"

#include <math.h>
#include <string.h>

uint32_t weights_type(enum kernel_id id)
{
    const char *name = kernel_table[kernel_table[id].base].name;
    static const char *const suffixes[] = {"_f32", "_f16", "_bf16", "_q8_0", "_q4_0"};
    for (uint32_t type = 0; type < COUNT_OF(suffixes); type++) {
        const char *found = strstr(name, suffixes[type]);
        const char end = found ? found[strlen(suffixes[type])] : 'x';
        if (end == 0 || end == '_')
            return type;
    }
    return TYPE_F32;
}

bool weights_blocks(uint32_t type)
{
    return type == TYPE_Q8_0 || type == TYPE_Q4_0;
}

void weights_words(uint32_t type, uint32_t rows, uint32_t k, uint32_t *plane0, uint32_t *plane1)
{
    const uint32_t aligned = div_up(k, 4) * 4;
    *plane1 = 0;
    switch (type) {
    case TYPE_F32: *plane0 = rows * aligned; return;
    case TYPE_Q8_0: *plane0 = rows * (k / 4); break;
    case TYPE_Q4_0: *plane0 = rows * (k / 8); break;
    default: *plane0 = rows * (aligned / 2); return;
    }
    *plane1 = rows * ((k / 32 + 1) / 2);
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

double weights_element(uint32_t type, const void *plane0, const void *plane1, uint32_t k,
                       uint32_t row, uint32_t i)
{
    const uint32_t aligned = div_up(k, 4) * 4;
    const uint32_t scale_at = row * ((k / 32 + 1) / 2) * 2 + i / 32;
    if (type == TYPE_F32)
        return ((const float *)plane0)[(size_t)row * aligned + i];
    if (type == TYPE_F16)
        return f16_to_float(half_at(plane0, row * aligned + i));
    if (type == TYPE_BF16) {
        const uint32_t bits = (uint32_t)half_at(plane0, row * aligned + i) << 16;
        float f;
        memcpy(&f, &bits, sizeof(f));
        return f;
    }
    const double scale = f16_to_float(half_at(plane1, scale_at));
    if (type == TYPE_Q8_0)
        return scale * (int8_t)byte_at(plane0, row * k + i);
    const uint32_t byte = byte_at(plane0, row * (k / 2) + i / 32 * 16 + i % 16);
    return scale * ((int)(i % 32 < 16 ? byte & 15 : byte >> 4) - 8);
}

void weights_fill(uint32_t type, uint32_t rows, uint32_t k, float magnitude,
                  const struct case_source *s, void *plane0, void *plane1)
{
    const uint32_t aligned = div_up(k, 4) * 4;
    uint32_t *words = plane0, *scales = plane1;
    if (weights_blocks(type)) {
        const uint32_t blocks = k / 32, row_words = type == TYPE_Q8_0 ? k / 4 : k / 8;
        const float unit = magnitude / (type == TYPE_Q8_0 ? 128 : 8);
        for (uint32_t i = 0; i < rows * row_words; i++)
            words[i] = s->random(s->state);
        for (uint32_t row = 0; row < rows; row++)
            for (uint32_t b = 0; b < blocks; b++)
                scales[row * ((blocks + 1) / 2) + b / 2] |=
                    (uint32_t)float_to_f16(unit * case_uniform(s)) << (b % 2 * 16);
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
