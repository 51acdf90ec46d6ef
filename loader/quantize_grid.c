/* SPDX-License-Identifier: MIT */
#include "loader/quantize_grid.h"

static void fit_small(struct grid *grid, const float *x, const float *weights)
{
    const struct small_format *format = small_format(grid->type);
    struct small_block *block = &grid->block.small;
    small_search(format, x, weights, block);
    grid->part = 32;
    grid->low = format->low;
    grid->high = format->high;
    grid->steps[0] = f16_to_f32(block->scale);
    grid->bases[0] = format->has_min ? f16_to_f32(block->min) : 0;
}

static void fit_q4_k(struct grid *grid, const float *x, const float *weights)
{
    struct q4_k_block *block = &grid->block.q4_k;
    q4_k_search(x, weights, block);
    grid->part = Q4_K_PART;
    grid->low = 0;
    grid->high = 15;
    for (int i = 0; i < K_BLOCK / Q4_K_PART; i++) {
        grid->steps[i] = f16_to_f32(block->scale) * (float)block->scales[i];
        grid->bases[i] = -(f16_to_f32(block->min) * (float)block->mins[i]);
    }
}

static void fit_q6_k(struct grid *grid, const float *x, const float *weights)
{
    struct q6_k_block *block = &grid->block.q6_k;
    q6_k_search(x, weights, block);
    grid->part = Q6_K_PART;
    grid->low = -32;
    grid->high = 31;
    for (int i = 0; i < K_BLOCK / Q6_K_PART; i++) {
        grid->steps[i] = f16_to_f32(block->scale) * (float)block->scales[i];
        grid->bases[i] = 0;
    }
}

void grid_fit(struct grid *grid, enum tensor_type type, const float *x, const float *weights)
{
    grid->type = type;
    switch (type) {
    case TENSOR_Q4_K: fit_q4_k(grid, x, weights); break;
    case TENSOR_Q6_K: fit_q6_k(grid, x, weights); break;
    default: fit_small(grid, x, weights);
    }
}

float grid_round(struct grid *grid, uint32_t i, float x)
{
    float step = grid->steps[i / grid->part], base = grid->bases[i / grid->part];
    float code = step != 0 ? (x - base) / step : 0;
    code = code > (float)grid->low ? code : (float)grid->low; /* not-a-number, too */
    code = code < (float)grid->high ? code : (float)grid->high;
    code = rintf(code);
    switch (grid->type) {
    case TENSOR_Q4_K: grid->block.q4_k.codes[i] = (uint8_t)code; break;
    case TENSOR_Q6_K: grid->block.q6_k.codes[i] = (int8_t)code; break;
    default: grid->block.small.codes[i] = (int8_t)code;
    }
    return code * step + base;
}

void grid_pack(const struct grid *grid, uint8_t *to)
{
    switch (grid->type) {
    case TENSOR_Q4_K: q4_k_pack(&grid->block.q4_k, to); break;
    case TENSOR_Q6_K: q6_k_pack(&grid->block.q6_k, to); break;
    default: small_pack(small_format(grid->type), &grid->block.small, to);
    }
}
