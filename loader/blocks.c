/* SPDX-License-Identifier: MIT */
#include "loader/blocks.h"

static const struct tensor_type_info types[] = {
    {TENSOR_F32, "f32", 1, 4, true, true},
    {TENSOR_F16, "f16", 1, 2, true, true},
    {TENSOR_Q4_0, "q4_0", 32, 18, true, true},
    {TENSOR_Q4_1, "q4_1", 32, 20, true, true},
    {TENSOR_Q5_0, "q5_0", 32, 22, true, true},
    {TENSOR_Q5_1, "q5_1", 32, 24, true, true},
    {TENSOR_Q8_0, "q8_0", 32, 34, true, true},
    {9, "q8_1", 32, 36, false, false},
    {10, "q2_k", 256, 84, false, false},
    {11, "q3_k", 256, 110, false, false},
    {TENSOR_Q4_K, "q4_k", 256, 144, true, true},
    {13, "q5_k", 256, 176, false, false},
    {TENSOR_Q6_K, "q6_k", 256, 210, true, true},
    {15, "q8_k", 256, 292, false, false},
    {16, "iq2_xxs", 256, 66, false, false},
    {17, "iq2_xs", 256, 74, false, false},
    {18, "iq3_xxs", 256, 98, false, false},
    {19, "iq1_s", 256, 50, false, false},
    {20, "iq4_nl", 32, 18, false, false},
    {21, "iq3_s", 256, 110, false, false},
    {22, "iq2_s", 256, 82, false, false},
    {23, "iq4_xs", 256, 136, false, false},
    {24, "i8", 1, 1, false, false},
    {25, "i16", 1, 2, false, false},
    {26, "i32", 1, 4, false, false},
    {27, "i64", 1, 8, false, false},
    {28, "f64", 1, 8, false, false},
    {29, "iq1_m", 256, 56, false, false},
    {TENSOR_BF16, "bf16", 1, 2, true, true},
    {34, "tq1_0", 256, 54, false, false},
    {35, "tq2_0", 256, 66, false, false},
    {39, "mxfp4", 32, 17, false, false},
    /* of safetensors */
    {TENSOR_BOOL, "bool", 1, 1, false, false},
    {TENSOR_U8, "u8", 1, 1, false, false},
    {TENSOR_U16, "u16", 1, 2, false, false},
    {TENSOR_U32, "u32", 1, 4, false, false},
    {TENSOR_U64, "u64", 1, 8, false, false},
    {TENSOR_F8_E4M3, "f8_e4m3", 1, 1, false, false},
    {TENSOR_F8_E5M2, "f8_e5m2", 1, 1, false, false},
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

uint16_t f16_from_f32(float value)
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

float f16_to_f32(uint16_t half)
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

/* weights NULL: naive */
static void small_from_f32(const struct small_format *format, const float *from,
                           const float *weights, uint8_t *to)
{
    struct small_block block;
    if (weights)
        small_search(format, from, weights, &block);
    else
        small_naive(format, from, &block);
    small_pack(format, &block, to);
}

static void q4_k_from_f32(const float *from, const float *weights, uint8_t *to)
{
    struct q4_k_block block;
    if (weights)
        q4_k_search(from, weights, &block);
    else
        q4_k_naive(from, &block);
    q4_k_pack(&block, to);
}

static void q6_k_from_f32(const float *from, const float *weights, uint8_t *to)
{
    struct q6_k_block block;
    if (weights)
        q6_k_search(from, weights, &block);
    else
        q6_k_naive(from, &block);
    q6_k_pack(&block, to);
}

static void block_from_f32(enum tensor_type type, const float *from, const float *weights,
                           uint8_t *to)
{
    const struct small_format *small = small_format(type);
    if (small)
        small_from_f32(small, from, weights, to);
    else if (type == TENSOR_Q4_K)
        q4_k_from_f32(from, weights, to);
    else
        q6_k_from_f32(from, weights, to);
}

static void block_to_f32(enum tensor_type type, const uint8_t *from, float *to)
{
    const struct small_format *small = small_format(type);
    if (small)
        small_decode(small, from, to);
    else if (type == TENSOR_Q4_K)
        q4_k_decode(from, to);
    else
        q6_k_decode(from, to);
}

/* NULL for types that are not made of blocks, or not converted. */
static const struct tensor_type_info *block_info(enum tensor_type type)
{
    const struct tensor_type_info *info = tensor_type_info(type);
    return info && info->block > 1 && info->converts ? info : NULL;
}

void tensor_from_f32(enum tensor_type type, const float *from, void *to, uint64_t k)
{
    const struct tensor_type_info *info = block_info(type);
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
    default:
        for (uint64_t i = 0; info && i < k / info->block; i++)
            block_from_f32(type, from + info->block * i, NULL, bytes + info->bytes * i);
        break;
    }
}

void tensor_search_f32(enum tensor_type type, const float *from, const float *weights, void *to,
                       uint64_t k)
{
    const struct tensor_type_info *info = block_info(type);
    float ones[K_BLOCK];
    uint8_t *bytes = to;

    if (!info) {
        tensor_from_f32(type, from, to, k);
        return;
    }
    for (uint32_t i = 0; i < K_BLOCK; i++)
        ones[i] = 1;
    for (uint64_t i = 0; i < k / info->block; i++)
        block_from_f32(type, from + info->block * i, weights ? weights + info->block * i : ones,
                       bytes + info->bytes * i);
}

void tensor_to_f32(enum tensor_type type, const void *from, float *to, uint64_t k)
{
    const struct tensor_type_info *info = block_info(type);
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
    default:
        for (uint64_t i = 0; info && i < k / info->block; i++)
            block_to_f32(type, bytes + info->bytes * i, to + info->block * i);
        break;
    }
}
