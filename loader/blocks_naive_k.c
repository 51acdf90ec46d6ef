/* SPDX-License-Identifier: MIT
 *
 * ggml's reference quantization of q4_k and q6_k, bit for bit; see blocks_naive.c. Both search the
 * scale of each part among some candidates, then round the parts' scales to multiples of the
 * block's, then the elements.
 */
#include <float.h>

#include "loader/blocks.h"

#define NOTHING 1e-15f /* parts of q6_k below it are taken for zeros */

_Static_assert(FLT_EVAL_METHOD == 0, "f32 is computed in f32");

/* To nearest even by the sum's rounding. What is beyond 22 bits wraps as the bits do: ggml's
 * results for such values follow from that. */
static int nearest(float value)
{
    float sum = value + 0x1.8p23f;
    uint32_t bits;
    memcpy(&bits, &sum, sizeof(bits));
    return (int)(bits & 0x7fffffu) - 0x400000;
}

static int clamp(int value, int low, int high)
{
    return value < low ? low : value > high ? high : value;
}

/* A part of q4_k in the making: x = code * scale + min. */
struct affine {
    float scale, min, error;
    uint8_t codes[Q4_K_PART];
};

struct part_sums {
    float lowest, highest; /* lowest: at most 0 */
    float weight, value;   /* sums of the weights, and of weight * x */
};

static struct part_sums sum_part(const float *x, const float *weights)
{
    struct part_sums sums = {x[0], x[0], weights[0], weights[0] * x[0]};
    for (int i = 1; i < Q4_K_PART; i++) {
        sums.lowest = x[i] < sums.lowest ? x[i] : sums.lowest;
        sums.highest = x[i] > sums.highest ? x[i] : sums.highest;
        sums.weight += weights[i];
        float product = weights[i] * x[i];
        sums.value += product;
    }
    if (sums.lowest > 0)
        sums.lowest = 0;
    return sums;
}

static void set_error(const float *x, const float *weights, struct affine *fit)
{
    fit->error = 0;
    for (int i = 0; i < Q4_K_PART; i++) {
        float product = fit->scale * (float)fit->codes[i];
        float difference = product + fit->min - x[i];
        difference = difference * difference;
        float weighted = weights[i] * difference;
        fit->error += weighted;
    }
}

/* Codes for `inverse` and `min`, then the least squares of scale and min for the codes. */
static bool fit_part(const float *x, const float *weights, const struct part_sums *sums,
                     float inverse, float min, struct affine *fit)
{
    float sum_code = 0, sum_square = 0, sum_product = 0;
    for (int i = 0; i < Q4_K_PART; i++) {
        int code = clamp(nearest(inverse * (x[i] - min)), 0, 15);
        float weighted = weights[i] * (float)code;
        float square = weighted * (float)code, product = weighted * x[i];
        fit->codes[i] = (uint8_t)code;
        sum_code += weighted;
        sum_square += square;
        sum_product += product;
    }
    float a = sums->weight * sum_square, b = sum_code * sum_code;
    float determinant = a - b;
    if (!(determinant > 0))
        return false;
    float c = sums->weight * sum_product, d = sums->value * sum_code;
    float e = sum_square * sums->value, f = sum_code * sum_product;
    fit->scale = (c - d) / determinant;
    fit->min = (e - f) / determinant;
    if (fit->min > 0) {
        fit->min = 0;
        fit->scale = sum_product / sum_square;
    }
    set_error(x, weights, fit);
    return true;
}

static void search_part(const float *x, const float *weights, struct affine *best)
{
    struct part_sums sums = sum_part(x, weights);
    struct affine fit;

    *best = (struct affine){.min = sums.lowest};
    if (sums.highest == sums.lowest)
        return;
    float inverse = 15 / (sums.highest - sums.lowest);
    best->scale = 1 / inverse;
    for (int i = 0; i < Q4_K_PART; i++)
        best->codes[i] = (uint8_t)clamp(nearest(inverse * (x[i] - sums.lowest)), 0, 15);
    set_error(x, weights, best);
    for (int step = 0; step <= 20; step++) { /* from the best min so far on, not from the lowest */
        float wider = 0.1f * (float)step;
        inverse = (-1.0f + wider + 15) / (sums.highest - best->min);
        if (fit_part(x, weights, &sums, inverse, best->min, &fit) && fit.error < best->error)
            *best = fit;
    }
}

static void weigh_part(const float *x, float *weights)
{
    float squares = 0;
    for (int i = 0; i < Q4_K_PART; i++) {
        float square = x[i] * x[i];
        squares += square;
    }
    float average = sqrtf(squares / Q4_K_PART);
    for (int i = 0; i < Q4_K_PART; i++)
        weights[i] = average + fabsf(x[i]);
}

/* In the steps of the scales as they were rounded; parts whose step is 0 keep the search's codes.
 */
static void round_q4_k(const float *from, struct q4_k_block *block)
{
    for (int part = 0; part < 8; part++) {
        float step = f16_to_f32(block->scale) * (float)block->scales[part];
        float below = f16_to_f32(block->min) * (float)block->mins[part];
        for (int i = part * Q4_K_PART; step != 0 && i < (part + 1) * Q4_K_PART; i++)
            block->codes[i] = (uint8_t)clamp(nearest((from[i] + below) / step), 0, 15);
    }
}

void q4_k_naive(const float *from, struct q4_k_block *block)
{
    float weights[Q4_K_PART], max_scale = 0, max_min = 0;
    struct affine parts[8];

    for (int part = 0; part < 8; part++) {
        const float *x = from + part * Q4_K_PART;
        weigh_part(x, weights);
        search_part(x, weights, &parts[part]);
        memcpy(block->codes + part * Q4_K_PART, parts[part].codes, Q4_K_PART);
        max_scale = parts[part].scale > max_scale ? parts[part].scale : max_scale;
        max_min = -parts[part].min > max_min ? -parts[part].min : max_min;
    }
    float inverse_scale = max_scale > 0 ? 63.0f / max_scale : 0.0f;
    float inverse_min = max_min > 0 ? 63.0f / max_min : 0.0f;
    for (int part = 0; part < 8; part++) {
        uint8_t scale = (uint8_t)nearest(inverse_scale * parts[part].scale);
        uint8_t min = (uint8_t)nearest(inverse_min * -parts[part].min);
        block->scales[part] = MIN(scale, 63);
        block->mins[part] = MIN(min, 63);
    }
    block->scale = f16_from_f32(max_scale / 63.0f);
    block->min = f16_from_f32(max_min / 63.0f);
    round_q4_k(from, block);
}

/* Sums of weight * x * code and weight * code^2, with the squares of x for weights. */
struct products {
    float value, square;
};

static struct products multiply_codes(const float *x, float inverse, int8_t *codes)
{
    struct products sums = {0, 0};
    for (int i = 0; i < Q6_K_PART; i++) {
        int code = clamp(nearest(inverse * x[i]), -32, 31);
        float weight = x[i] * x[i];
        float value = weight * x[i] * (float)code, square = weight * (float)code * (float)code;
        codes[i] = (int8_t)code;
        sums.value += value;
        sums.square += square;
    }
    return sums;
}

static float search_q6_k_part(const float *x, int8_t *codes)
{
    float largest = 0, extreme = 0;
    int8_t tried[Q6_K_PART];
    for (int i = 0; i < Q6_K_PART; i++) {
        if (fabsf(x[i]) > largest) {
            largest = fabsf(x[i]);
            extreme = x[i];
        }
    }
    if (largest < NOTHING) {
        memset(codes, -32, Q6_K_PART); /* 0 in the file */
        return 0;
    }
    struct products sums = multiply_codes(x, -32 / extreme, codes);
    float scale = sums.square != 0 ? sums.value / sums.square : 0.0f;
    float best = scale * sums.value;
    for (int step = -9; step <= 9; step++) {
        float wider = 0.1f * (float)step;
        if (step == 0)
            continue;
        sums = multiply_codes(x, -(32 + wider) / extreme, tried);
        float gain = sums.value * sums.value, limit = best * sums.square;
        if (sums.square > 0 && gain > limit) {
            memcpy(codes, tried, Q6_K_PART);
            scale = sums.value / sums.square;
            best = scale * sums.value;
        }
    }
    return scale;
}

void q6_k_naive(const float *from, struct q6_k_block *block)
{
    float scales[16], largest = 0, extreme = 0;

    for (int part = 0; part < 16; part++) {
        int at = part * Q6_K_PART;
        scales[part] = search_q6_k_part(from + at, block->codes + at);
        if (fabsf(scales[part]) > largest) {
            largest = fabsf(scales[part]);
            extreme = scales[part];
        }
    }
    if (largest < NOTHING) { /* all zeros in the file */
        *block = (struct q6_k_block){0};
        memset(block->codes, -32, sizeof(block->codes));
        return;
    }
    float inverse = -128.0f / extreme;
    block->scale = f16_from_f32(1 / inverse);
    for (int part = 0; part < 16; part++) {
        int scale = nearest(inverse * scales[part]);
        block->scales[part] = (int8_t)MIN(scale, 127);
        float step = f16_to_f32(block->scale) * (float)block->scales[part];
        for (int i = part * Q6_K_PART; step != 0 && i < (part + 1) * Q6_K_PART; i++)
            block->codes[i] = (int8_t)clamp(nearest(from[i] / step), -32, 31);
    }
}
