/* SPDX-License-Identifier: MIT
 *
 * What the searches for scales share. Codes are floats here: the loops over a part's elements are
 * vector code then.
 */
#ifndef STAPES_LOADER_BLOCKS_SEARCH_H
#define STAPES_LOADER_BLOCKS_SEARCH_H

#include "loader/blocks.h"

/* The nearest codes of x = code * step + base; all 0, if that is allowed, for a step of 0. */
static inline void search_codes(const float *x, int n, float step, float base, int low, int high,
                                float *codes)
{
    const float inverse = step != 0 ? 1.0f / step : 0.0f, least = (float)low, most = (float)high;
    for (int i = 0; i < n; i++) {
        float code = (x[i] - base) * inverse;
        code = code > least ? code : least; /* not-a-number, too */
        code = code < most ? code : most;
        codes[i] = code + 0x1.8p23f - 0x1.8p23f; /* to the nearest whole number */
    }
}

/* Sum of weights * error^2, in f32; n is a multiple of 8. */
static inline float search_error(const float *x, const float *weights, const float *codes, int n,
                                 float step, float base)
{
    float sums[8] = {0};
    for (int i = 0; i < n; i += 8) {
        for (int j = 0; j < 8; j++) {
            float difference = codes[i + j] * step + base - x[i + j];
            sums[j] += weights[i + j] * difference * difference;
        }
    }
    return (sums[0] + sums[4]) + (sums[1] + sums[5]) + (sums[2] + sums[6]) + (sums[3] + sums[7]);
}

/* The same in f64, of the values as they are decoded; infinite where one is no number. */
static inline double search_exact(const float *x, const float *weights, const float *codes, int n,
                                  float step, float base)
{
    double sum = 0;
    for (int i = 0; i < n; i++) {
        float scaled = codes[i] * step;
        double difference = (double)(scaled + base) - (double)x[i];
        sum += (double)weights[i] * difference * difference;
    }
    return isfinite(sum) ? sum : INFINITY;
}

/* Weighted sums of 1, code, code^2, x and code * x. */
struct search_sums {
    double weight, code, square, value, product;
};

static inline struct search_sums search_sum(const float *x, const float *weights,
                                            const float *codes, int n)
{
    struct search_sums sums = {0};
    for (int i = 0; i < n; i++) {
        double weight = (double)weights[i], code = (double)codes[i], value = (double)x[i];
        sums.weight += weight;
        sums.code += weight * code;
        sums.square += weight * code * code;
        sums.value += weight * value;
        sums.product += weight * code * value;
    }
    return sums;
}

#endif
