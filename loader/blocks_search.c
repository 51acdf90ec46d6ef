/* SPDX-License-Identifier: MIT
 *
 * Blocks of 32 with searched scales: candidates around the range of the values, each followed by
 * the least squares of scale and min for its codes; then codes and scale in turn until nothing
 * changes. Every candidate is judged as it would be decoded, with its scales rounded to f16.
 */
#include "loader/blocks_search.h"

#define TURNS 6

struct trial {
    const struct small_format *format;
    const float *x, *weights; /* 32 each */
    struct small_block best;
    float error;
};

/* The best codes for this scale and min become the best block if they are better than it. */
static bool try_scale(struct trial *trial, float scale, float min)
{
    struct small_block block = {.scale = f16_from_f32(scale),
                                .min = trial->format->has_min ? f16_from_f32(min) : 0};
    float step = f16_to_f32(block.scale), base = f16_to_f32(block.min);
    float codes[32];
    if (!isfinite(step) || !isfinite(base))
        return false;
    search_codes(trial->x, 32, step, base, trial->format->low, trial->format->high, codes);
    float error = search_error(trial->x, trial->weights, codes, 32, step, base);
    if (!(error < trial->error))
        return false;
    for (int i = 0; i < 32; i++)
        block.codes[i] = (int8_t)codes[i];
    trial->best = block;
    trial->error = error;
    return true;
}

/* Least squares for codes; with a min, it is fitted again to the scale as rounded. */
static bool try_fit(struct trial *trial, const float *codes)
{
    struct search_sums sums = search_sum(trial->x, trial->weights, codes, 32);
    if (!trial->format->has_min)
        return sums.square > 0 && try_scale(trial, (float)(sums.product / sums.square), 0);
    double determinant = sums.weight * sums.square - sums.code * sums.code;
    if (!(determinant > 0))
        return false;
    double scale = (sums.weight * sums.product - sums.value * sums.code) / determinant;
    double rounded = (double)f16_to_f32(f16_from_f32((float)scale));
    return try_scale(trial, (float)scale,
                     (float)((sums.value - rounded * sums.code) / sums.weight));
}

static void improve(struct trial *trial)
{
    float codes[32];
    bool better = true;
    for (int turn = 0; turn < TURNS && better; turn++) {
        for (int i = 0; i < 32; i++)
            codes[i] = trial->best.codes[i];
        better = try_fit(trial, codes);
    }
}

static void search_around_zero(struct trial *trial)
{
    const float most = (float)-trial->format->low;
    const bool symmetric = trial->format->low == -trial->format->high;
    float largest = 0, codes[32];
    for (int i = 0; i < 32; i++)
        largest = fmaxf(largest, fabsf(trial->x[i]));
    for (int sign = symmetric ? 1 : -1; sign <= 1; sign += 2) {
        for (int i = -6; i <= 14; i++) {
            /* Up to a quarter of the range is cut off, or an eighth left unused. */
            float scale = (float)sign * largest / (most * (1.0f + (float)i / 48.0f));
            search_codes(trial->x, 32, scale, 0, trial->format->low, trial->format->high, codes);
            try_fit(trial, codes);
        }
    }
}

static void search_from_min(struct trial *trial)
{
    const float most = (float)trial->format->high;
    float low = trial->x[0], high = trial->x[0], codes[32];
    for (int i = 1; i < 32; i++) {
        low = fminf(low, trial->x[i]);
        high = fmaxf(high, trial->x[i]);
    }
    float range = high - low;
    for (int end = 0; end < 3; end++) { /* cut off above, below, at both ends */
        for (int i = -4; i <= 12; i++) {
            float scale = range / (most * (1.0f + (float)i / 40.0f));
            float rest = range - scale * most;
            float min = end == 0 ? low : end == 1 ? low + rest : low + rest / 2;
            search_codes(trial->x, 32, scale, min, 0, trial->format->high, codes);
            try_fit(trial, codes);
        }
    }
}

static double exact_error(const struct trial *trial, const struct small_block *block)
{
    float codes[32];
    for (int i = 0; i < 32; i++)
        codes[i] = block->codes[i];
    return search_exact(trial->x, trial->weights, codes, 32, f16_to_f32(block->scale),
                        f16_to_f32(block->min));
}

void small_search(const struct small_format *format, const float *from, const float *weights,
                  struct small_block *block)
{
    struct trial trial = {.format = format, .x = from, .weights = weights, .error = INFINITY};

    small_naive(format, from, block);
    trial.best = *block;
    improve(&trial);
    if (format->has_min)
        search_from_min(&trial);
    else
        search_around_zero(&trial);
    improve(&trial);
    /* f32 sums chose among the candidates; against naive's block an f64 one decides. */
    if (exact_error(&trial, &trial.best) < exact_error(&trial, block))
        *block = trial.best;
}
