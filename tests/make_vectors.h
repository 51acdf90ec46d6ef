/* SPDX-License-Identifier: MIT
 *
 * Vectors such as matrices of a network read: a few directions that all elements share, noise, and
 * channels of very different size. The same for the same name.
 */
#ifndef STAPES_TESTS_MAKE_VECTORS_H
#define STAPES_TESTS_MAKE_VECTORS_H

#include <math.h>
#include <stdint.h>
#include <stdlib.h>

#define SHARED_DIRECTIONS 8

/* Near enough to normal. */
static inline float make_normal(uint64_t *state)
{
    double sum = 0;
    for (int i = 0; i < 6; i++) {
        *state = *state * 6364136223846793005u + 1442695040888963407u;
        sum += (double)(*state >> 40) * 0x1p-24 - 0.5;
    }
    return (float)(sum * 1.4142135623730951);
}

/* x: [n][k] */
static inline void make_vectors(const char *name, uint32_t k, uint32_t n, float *x)
{
    uint64_t state = 1;
    float *directions = malloc(SHARED_DIRECTIONS * (size_t)k * sizeof(*directions));
    float *sizes = malloc(k * sizeof(*sizes));
    if (!directions || !sizes)
        exit(1);
    for (; *name; name++)
        state = state * 31 + (uint8_t)*name;
    for (size_t i = 0; i < SHARED_DIRECTIONS * (size_t)k; i++)
        directions[i] = make_normal(&state);
    for (uint32_t i = 0; i < k; i++)
        sizes[i] = expf(make_normal(&state));
    for (uint32_t v = 0; v < n; v++) {
        float *row = x + (size_t)v * k, parts[SHARED_DIRECTIONS];
        for (int d = 0; d < SHARED_DIRECTIONS; d++)
            parts[d] = make_normal(&state);
        for (uint32_t i = 0; i < k; i++) {
            row[i] = 0.5f * make_normal(&state);
            for (size_t d = 0; d < SHARED_DIRECTIONS; d++)
                row[i] += parts[d] * directions[d * k + i];
            row[i] *= sizes[i];
        }
    }
    free(directions);
    free(sizes);
}

#endif
