/* SPDX-License-Identifier: MIT
 *
 * q4_k and q6_k with searched scales: from ggml's reference block on, the whole numbers of each
 * part's scale (and min) and the f16 scales of the block change in turn, as long as the error
 * falls.
 */
#include "loader/blocks_search.h"

#define TURNS 8

/* --- q4_k: x = code * (scale * scales[part]) - min * mins[part] */

struct q4_k_trial {
    const float *x, *weights;
    uint16_t scale, min;
    int scales[8], mins[8];
    float codes[K_BLOCK], errors[8];
};

/* Takes what is better for one part. */
static bool try_q4_k_part(struct q4_k_trial *trial, int part, int scale, int min)
{
    const float *x = trial->x + part * Q4_K_PART, *weights = trial->weights + part * Q4_K_PART;
    float step = f16_to_f32(trial->scale) * (float)scale;
    float below = f16_to_f32(trial->min) * (float)min, codes[Q4_K_PART];
    search_codes(x, Q4_K_PART, step, -below, 0, 15, codes);
    float error = search_error(x, weights, codes, Q4_K_PART, step, -below);
    if (!(error < trial->errors[part]))
        return false;
    trial->scales[part] = scale;
    trial->mins[part] = min;
    trial->errors[part] = error;
    memcpy(trial->codes + part * Q4_K_PART, codes, sizeof(codes));
    return true;
}

static bool try_q4_k_neighbours(struct q4_k_trial *trial, int part, int reach)
{
    int scale = trial->scales[part], min = trial->mins[part];
    bool better = false;
    for (int i = MAX(scale - reach, 0); i <= MIN(scale + reach, 63); i++)
        for (int j = MAX(min - reach, 0); j <= MIN(min + reach, 63); j++)
            better |= try_q4_k_part(trial, part, i, j);
    return better;
}

static float sum_errors(const float *errors, int n)
{
    float sum = 0;
    for (int i = 0; i < n; i++)
        sum += errors[i];
    return sum;
}

/* Other scales of the block; the parts keep theirs. */
static bool try_q4_k_scales(struct q4_k_trial *trial, float scale, float min)
{
    struct q4_k_trial next = *trial;
    next.scale = f16_from_f32(scale);
    next.min = f16_from_f32(min);
    if (!isfinite(f16_to_f32(next.scale)) || !isfinite(f16_to_f32(next.min)) || min < 0)
        return false;
    for (int part = 0; part < 8; part++) {
        next.errors[part] = INFINITY;
        try_q4_k_part(&next, part, trial->scales[part], trial->mins[part]);
    }
    if (!(sum_errors(next.errors, 8) < sum_errors(trial->errors, 8)))
        return false;
    *trial = next;
    return true;
}

/* Least squares of the block's two scales, all else fixed. */
static bool fit_q4_k_scales(struct q4_k_trial *trial)
{
    double aa = 0, ab = 0, bb = 0, ax = 0, bx = 0;
    for (int part = 0; part < 8; part++) {
        int at = part * Q4_K_PART;
        struct search_sums sums =
            search_sum(trial->x + at, trial->weights + at, trial->codes + at, Q4_K_PART);
        double a = trial->scales[part], b = -trial->mins[part];
        aa += a * a * sums.square;
        ab += a * b * sums.code;
        bb += b * b * sums.weight;
        ax += a * sums.product;
        bx += b * sums.value;
    }
    double determinant = aa * bb - ab * ab;
    if (determinant > 0)
        return try_q4_k_scales(trial, (float)((ax * bb - bx * ab) / determinant),
                               (float)((bx * aa - ax * ab) / determinant));
    return aa > 0 && try_q4_k_scales(trial, (float)(ax / aa), f16_to_f32(trial->min));
}

static void descend_q4_k(struct q4_k_trial *trial)
{
    bool better = true;
    for (int turn = 0; turn < TURNS && better; turn++) {
        better = false;
        for (int part = 0; part < 8; part++)
            better |= try_q4_k_neighbours(trial, part, turn == 0 ? 3 : 1);
        better |= fit_q4_k_scales(trial);
    }
}

static double exact_q4_k(const float *x, const float *weights, const struct q4_k_block *block)
{
    double sum = 0;
    for (int part = 0; part < 8; part++) {
        int at = part * Q4_K_PART;
        float codes[Q4_K_PART];
        for (int i = 0; i < Q4_K_PART; i++)
            codes[i] = block->codes[at + i];
        sum += search_exact(x + at, weights + at, codes, Q4_K_PART,
                            f16_to_f32(block->scale) * (float)block->scales[part],
                            -(f16_to_f32(block->min) * (float)block->mins[part]));
    }
    return sum;
}

void q4_k_search(const float *from, const float *weights, struct q4_k_block *block)
{
    struct q4_k_trial trial = {.x = from, .weights = weights};
    struct q4_k_block found;

    q4_k_naive(from, block);
    trial.scale = block->scale;
    trial.min = block->min;
    for (int part = 0; part < 8; part++) {
        trial.errors[part] = INFINITY;
        try_q4_k_part(&trial, part, block->scales[part], block->mins[part]);
    }
    if (isinf(sum_errors(trial.errors, 8))) /* scales beyond f16 */
        return;
    descend_q4_k(&trial);
    found = (struct q4_k_block){.scale = trial.scale, .min = trial.min};
    for (int i = 0; i < K_BLOCK; i++)
        found.codes[i] = (uint8_t)trial.codes[i];
    for (int part = 0; part < 8; part++) {
        found.scales[part] = (uint8_t)trial.scales[part];
        found.mins[part] = (uint8_t)trial.mins[part];
    }
    if (exact_q4_k(from, weights, &found) < exact_q4_k(from, weights, block))
        *block = found;
}

/* --- q6_k: x = code * (scale * scales[part]) */

struct q6_k_trial {
    const float *x, *weights;
    uint16_t scale;
    int scales[16];
    float codes[K_BLOCK], errors[16];
};

static bool try_q6_k_part(struct q6_k_trial *trial, int part, int scale)
{
    const float *x = trial->x + part * Q6_K_PART, *weights = trial->weights + part * Q6_K_PART;
    float step = f16_to_f32(trial->scale) * (float)scale, codes[Q6_K_PART];
    search_codes(x, Q6_K_PART, step, 0, -32, 31, codes);
    float error = search_error(x, weights, codes, Q6_K_PART, step, 0);
    if (!(error < trial->errors[part]))
        return false;
    trial->scales[part] = scale;
    trial->errors[part] = error;
    memcpy(trial->codes + part * Q6_K_PART, codes, sizeof(codes));
    return true;
}

static bool try_q6_k_neighbours(struct q6_k_trial *trial, int part, int reach)
{
    int scale = trial->scales[part];
    bool better = false;
    for (int i = MAX(scale - reach, -128); i <= MIN(scale + reach, 127); i++)
        better |= try_q6_k_part(trial, part, i);
    if (reach > 1) /* the other sign: codes reach from -32 to 31 */
        for (int i = MAX(-scale - 1, -128); i <= MIN(-scale + 1, 127); i++)
            better |= try_q6_k_part(trial, part, i);
    return better;
}

static bool fit_q6_k_scale(struct q6_k_trial *trial)
{
    struct q6_k_trial next = *trial;
    double square = 0, product = 0;
    for (int part = 0; part < 16; part++) {
        int at = part * Q6_K_PART;
        struct search_sums sums =
            search_sum(trial->x + at, trial->weights + at, trial->codes + at, Q6_K_PART);
        double scale = trial->scales[part];
        square += scale * scale * sums.square;
        product += scale * sums.product;
    }
    if (!(square > 0))
        return false;
    next.scale = f16_from_f32((float)(product / square));
    if (!isfinite(f16_to_f32(next.scale)))
        return false;
    for (int part = 0; part < 16; part++) {
        next.errors[part] = INFINITY;
        try_q6_k_part(&next, part, trial->scales[part]);
    }
    if (!(sum_errors(next.errors, 16) < sum_errors(trial->errors, 16)))
        return false;
    *trial = next;
    return true;
}

static void descend_q6_k(struct q6_k_trial *trial)
{
    bool better = true;
    for (int turn = 0; turn < TURNS && better; turn++) {
        better = false;
        for (int part = 0; part < 16; part++)
            better |= try_q6_k_neighbours(trial, part, turn == 0 ? 8 : 1);
        better |= fit_q6_k_scale(trial);
    }
}

static double exact_q6_k(const float *x, const float *weights, const struct q6_k_block *block)
{
    double sum = 0;
    for (int part = 0; part < 16; part++) {
        int at = part * Q6_K_PART;
        float codes[Q6_K_PART];
        for (int i = 0; i < Q6_K_PART; i++)
            codes[i] = block->codes[at + i];
        sum += search_exact(x + at, weights + at, codes, Q6_K_PART,
                            f16_to_f32(block->scale) * (float)block->scales[part], 0);
    }
    return sum;
}

void q6_k_search(const float *from, const float *weights, struct q6_k_block *block)
{
    struct q6_k_trial trial = {.x = from, .weights = weights};
    struct q6_k_block found;

    q6_k_naive(from, block);
    trial.scale = block->scale;
    for (int part = 0; part < 16; part++) {
        trial.errors[part] = INFINITY;
        try_q6_k_part(&trial, part, block->scales[part]);
    }
    if (isinf(sum_errors(trial.errors, 16))) /* a scale beyond f16 */
        return;
    descend_q6_k(&trial);
    found = (struct q6_k_block){.scale = trial.scale};
    for (int i = 0; i < K_BLOCK; i++)
        found.codes[i] = (int8_t)trial.codes[i];
    for (int part = 0; part < 16; part++)
        found.scales[part] = (int8_t)trial.scales[part];
    if (exact_q6_k(from, weights, &found) < exact_q6_k(from, weights, block))
        *block = found;
}
