/* SPDX-License-Identifier: MIT */
#include "loader/tensor.h"

#include <math.h>
#include <string.h>

static const struct tensor_type_info types[] = {
    {TENSOR_F32, "f32", 1, 4, true},
    {TENSOR_F16, "f16", 1, 2, true},
    {TENSOR_Q4_0, "q4_0", 32, 18, true},
    {3, "q4_1", 32, 20, false},
    {6, "q5_0", 32, 22, false},
    {7, "q5_1", 32, 24, false},
    {TENSOR_Q8_0, "q8_0", 32, 34, true},
    {9, "q8_1", 32, 36, false},
    {10, "q2_k", 256, 84, false},
    {11, "q3_k", 256, 110, false},
    {12, "q4_k", 256, 144, false},
    {13, "q5_k", 256, 176, false},
    {14, "q6_k", 256, 210, false},
    {15, "q8_k", 256, 292, false},
    {16, "iq2_xxs", 256, 66, false},
    {17, "iq2_xs", 256, 74, false},
    {18, "iq3_xxs", 256, 98, false},
    {19, "iq1_s", 256, 50, false},
    {20, "iq4_nl", 32, 18, false},
    {21, "iq3_s", 256, 110, false},
    {22, "iq2_s", 256, 82, false},
    {23, "iq4_xs", 256, 136, false},
    {24, "i8", 1, 1, false},
    {25, "i16", 1, 2, false},
    {26, "i32", 1, 4, false},
    {27, "i64", 1, 8, false},
    {28, "f64", 1, 8, false},
    {29, "iq1_m", 256, 56, false},
    {TENSOR_BF16, "bf16", 1, 2, true},
    {34, "tq1_0", 256, 54, false},
    {35, "tq2_0", 256, 66, false},
    {39, "mxfp4", 32, 17, false},
    /* of safetensors */
    {TENSOR_BOOL, "bool", 1, 1, false},
    {TENSOR_U8, "u8", 1, 1, false},
    {TENSOR_U16, "u16", 1, 2, false},
    {TENSOR_U32, "u32", 1, 4, false},
    {TENSOR_U64, "u64", 1, 8, false},
    {TENSOR_F8_E4M3, "f8_e4m3", 1, 1, false},
    {TENSOR_F8_E5M2, "f8_e5m2", 1, 1, false},
};

const struct tensor_type_info *tensor_type_info(uint32_t ggml_type)
{
    for (size_t i = 0; i < COUNT_OF(types); i++)
        if ((uint32_t)types[i].type == ggml_type)
            return &types[i];
    return NULL;
}

const struct tensor_type_info *tensor_type_by_name(const char *name)
{
    for (size_t i = 0; name && i < COUNT_OF(types); i++)
        if (!strcmp(types[i].name, name))
            return &types[i];
    return NULL;
}

uint64_t tensor_row_bytes(const struct tensor_type_info *type, uint64_t elements)
{
    return elements / type->block * type->bytes;
}

uint64_t tensor_elements(const struct tensor *tensor)
{
    uint64_t n = 1;
    for (uint32_t i = 0; i < tensor->n_dims; i++)
        n *= tensor->dims[i];
    return n;
}

static uint32_t float_bits(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof(bits));
    return bits;
}

static float bits_float(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof(value));
    return value;
}

static uint16_t f16_from_f32(float value)
{
    uint32_t bits = float_bits(value);
    uint32_t sign = bits >> 16 & 0x8000u;
    uint32_t magnitude = bits & 0x7fffffffu;

    if (magnitude > 0x7f800000u)
        return (uint16_t)(sign | 0x7e00u);
    if (magnitude >= 0x477ff000u) /* 65520, halfway to the next power: infinity */
        return (uint16_t)(sign | 0x7c00u);
    if (magnitude >= 0x38800000u) { /* normal: a carry out of the fraction raises the exponent */
        uint32_t rebased = magnitude - (112u << 23);
        return (uint16_t)(sign | (rebased + 0xfffu + (rebased >> 13 & 1u)) >> 13);
    }
    if (magnitude <= 0x33000000u) /* at most half of the smallest subnormal */
        return (uint16_t)sign;
    uint32_t shift = 126u - (magnitude >> 23); /* 14 .. 24 */
    uint32_t fraction = (magnitude & 0x7fffffu) | 0x800000u;
    uint32_t half = fraction >> shift;
    uint32_t rest = fraction & ((1u << shift) - 1), tie = 1u << (shift - 1);
    return (uint16_t)(sign | (half + (rest > tie || (rest == tie && (half & 1u)))));
}

static float f16_to_f32(uint16_t half)
{
    uint32_t sign = (uint32_t)(half & 0x8000u) << 16;
    uint32_t exponent = half >> 10 & 0x1fu, fraction = half & 0x3ffu;

    if (exponent == 31)
        return bits_float(sign | 0x7f800000u | fraction << 13);
    if (exponent > 0)
        return bits_float(sign | (exponent + 112u) << 23 | fraction << 13);
    float value = (float)fraction * 0x1p-24f;
    return sign ? -value : value;
}

static uint16_t bf16_from_f32(float value)
{
    uint32_t bits = float_bits(value);
    if ((bits & 0x7fffffffu) > 0x7f800000u)
        return (uint16_t)(bits >> 16 | 0x40u);
    return (uint16_t)((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
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

/* The products are named so that no compiler may fuse them with what follows; not-a-number, which
 * ggml leaves undefined, becomes the lowest code. */
static uint8_t quantize_nibble(float value, float inverse)
{
    float scaled = value * inverse;
    float shifted = scaled + 8.5f;
    if (!(shifted > 0))
        return 0;
    return shifted < 15.0f ? (uint8_t)shifted : 15;
}

static void quantize_q4_0(const float *from, uint8_t *to)
{
    float largest = 0, extreme = 0;
    for (int i = 0; i < 32; i++) {
        if (largest < fabsf(from[i])) {
            largest = fabsf(from[i]);
            extreme = from[i];
        }
    }
    float scale = extreme / -8;
    float inverse = scale != 0 ? 1.0f / scale : 0.0f;
    store_u16(to, f16_from_f32(scale));
    for (int i = 0; i < 16; i++)
        to[2 + i] = (uint8_t)(quantize_nibble(from[i], inverse) |
                              quantize_nibble(from[i + 16], inverse) << 4);
}

static void quantize_q8_0(const float *from, uint8_t *to)
{
    float largest = 0;
    for (int i = 0; i < 32; i++)
        largest = fmaxf(largest, fabsf(from[i]));
    float scale = largest / 127;
    float inverse = scale != 0 ? 1.0f / scale : 0.0f;
    store_u16(to, f16_from_f32(scale));
    for (int i = 0; i < 32; i++) {
        float code = roundf(from[i] * inverse);
        to[2 + i] = (uint8_t)(int8_t)(fabsf(code) <= 127 ? code : 0);
    }
}

void tensor_from_f32(enum tensor_type type, const float *from, void *to, uint64_t k)
{
    uint8_t *bytes = to;
    switch (type) {
    case TENSOR_F32: memcpy(to, from, k * sizeof(float)); break;
    case TENSOR_F16:
        for (uint64_t i = 0; i < k; i++)
            store_u16(bytes + 2 * i, f16_from_f32(from[i]));
        break;
    case TENSOR_BF16:
        for (uint64_t i = 0; i < k; i++)
            store_u16(bytes + 2 * i, bf16_from_f32(from[i]));
        break;
    case TENSOR_Q8_0:
        for (uint64_t i = 0; i < k / 32; i++)
            quantize_q8_0(from + 32 * i, bytes + 34 * i);
        break;
    case TENSOR_Q4_0:
        for (uint64_t i = 0; i < k / 32; i++)
            quantize_q4_0(from + 32 * i, bytes + 18 * i);
        break;
    default: break;
    }
}

void tensor_to_f32(enum tensor_type type, const void *from, float *to, uint64_t k)
{
    const uint8_t *bytes = from;
    switch (type) {
    case TENSOR_F32: memcpy(to, from, k * sizeof(float)); break;
    case TENSOR_F16:
        for (uint64_t i = 0; i < k; i++)
            to[i] = f16_to_f32(load_u16(bytes + 2 * i));
        break;
    case TENSOR_BF16:
        for (uint64_t i = 0; i < k; i++)
            to[i] = bits_float((uint32_t)load_u16(bytes + 2 * i) << 16);
        break;
    case TENSOR_Q8_0:
        for (uint64_t i = 0; i < k; i++) {
            const uint8_t *block = bytes + 34 * (i / 32);
            to[i] = (float)(int8_t)block[2 + i % 32] * f16_to_f32(load_u16(block));
        }
        break;
    case TENSOR_Q4_0:
        for (uint64_t i = 0; i < k; i++) {
            const uint8_t *block = bytes + 18 * (i / 32);
            int code = block[2 + i % 16] >> (i % 32 < 16 ? 0 : 4) & 15;
            to[i] = (float)(code - 8) * f16_to_f32(load_u16(block));
        }
        break;
    default: break;
    }
}
