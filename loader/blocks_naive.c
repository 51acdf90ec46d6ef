/* SPDX-License-Identifier: MIT
 *
 * ggml's reference quantization, bit for bit: the order of the float operations is part of it, so
 * this file is compiled without contraction. Where ggml leaves a conversion undefined (a product
 * that is infinite or not a number), the result is that of its x86 build: 0 before the offset.
 */
#include <float.h>

#include "loader/blocks.h"

_Static_assert(FLT_EVAL_METHOD == 0, "f32 is computed in f32");

static float inverse_of(float scale)
{
    return scale != 0 ? 1.0f / scale : 0.0f;
}

static int truncate_code(float shifted, int most)
{
    if (!(shifted > 0 && shifted < 128.0f))
        return 0;
    return MIN((int)shifted, most);
}

/* The element of the largest magnitude, the first one of them. */
static float extreme_of(const float *from, int n)
{
    float largest = 0, extreme = 0;
    for (int i = 0; i < n; i++) {
        if (largest < fabsf(from[i])) {
            largest = fabsf(from[i]);
            extreme = from[i];
        }
    }
    return extreme;
}

/* The extreme becomes the lowest code, whatever its sign. */
static void naive_around_zero(const struct small_format *format, const float *from,
                              struct small_block *block)
{
    float scale = extreme_of(from, 32) / (float)format->low;
    float inverse = inverse_of(scale), half = (float)-format->low + 0.5f;
    block->scale = f16_from_f32(scale);
    for (int i = 0; i < 32; i++) {
        float scaled = from[i] * inverse;
        block->codes[i] =
            (int8_t)(truncate_code(scaled + half, format->high - format->low) + format->low);
    }
}

static void naive_from_min(const struct small_format *format, const float *from,
                           struct small_block *block)
{
    float min = FLT_MAX, max = -FLT_MAX;
    for (int i = 0; i < 32; i++) {
        min = from[i] < min ? from[i] : min;
        max = from[i] > max ? from[i] : max;
    }
    float scale = (max - min) / (float)format->high;
    float inverse = inverse_of(scale);
    block->scale = f16_from_f32(scale);
    block->min = f16_from_f32(min);
    for (int i = 0; i < 32; i++) {
        float scaled = (from[i] - min) * inverse;
        block->codes[i] = (int8_t)truncate_code(scaled + 0.5f, format->high);
    }
}

static void naive_q8_0(const float *from, struct small_block *block)
{
    float scale = fabsf(extreme_of(from, 32)) / 127;
    float inverse = inverse_of(scale);
    block->scale = f16_from_f32(scale);
    for (int i = 0; i < 32; i++) {
        float code = roundf(from[i] * inverse);
        block->codes[i] = (int8_t)(fabsf(code) <= 127 ? code : 0);
    }
}

void small_naive(const struct small_format *format, const float *from, struct small_block *block)
{
    *block = (struct small_block){0};
    if (format->bits == 8)
        naive_q8_0(from, block);
    else if (format->has_min)
        naive_from_min(format, from, block);
    else
        naive_around_zero(format, from, block);
}
