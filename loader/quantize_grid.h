/* SPDX-License-Identifier: MIT
 *
 * The values that a block can take once its scales are chosen, so that its elements can be rounded
 * one after the other.
 */
#ifndef STAPES_LOADER_QUANTIZE_GRID_H
#define STAPES_LOADER_QUANTIZE_GRID_H

#include "loader/blocks.h"

struct grid {
    enum tensor_type type;
    union {
        struct small_block small;
        struct q4_k_block q4_k;
        struct q6_k_block q6_k;
    } block;
    float steps[16], bases[16]; /* a part: x = code * step + base */
    uint32_t part;              /* elements that share them */
    int low, high;              /* of the codes */
};

/* Scales (rounded as they are written) for a block of a type that has blocks: those of
 * tensor_search_f32. */
void grid_fit(struct grid *grid, enum tensor_type type, const float *x, const float *weights);
/* Gives element i the nearest code; returns its value. */
float grid_round(struct grid *grid, uint32_t i, float x);
void grid_pack(const struct grid *grid, uint8_t *to);

#endif
