/* SPDX-License-Identifier: MIT
 *
 * What the statistics say about one matrix: the weights of errors in its columns, and what an error
 * costs in its results.
 */
#ifndef STAPES_LOADER_QUANTIZE_GUIDE_H
#define STAPES_LOADER_QUANTIZE_GUIDE_H

#include "loader/quantize_gptq.h"
#include "loader/statistics.h"

struct guide {
    uint32_t k;
    float *squares;    /* [k], mean of x_i^2 */
    float *gram;       /* [k][k], mean of x x^T; NULL: not known */
    struct gptq *gptq; /* NULL: not asked for, or no Gram matrix */
};

/* 4 k^2 bytes where there is a Gram matrix, and as much again with gptq. */
enum status guide_create(const struct log *log, struct statistics *statistics,
                         const struct statistics_entry *entry, bool gptq, struct guide **out);
void guide_destroy(struct guide **guide);
/* costs[r]: the mean of (e x)^2 for row r of e, [rows][k]; without a Gram matrix as if the elements
 * of x were not correlated. room: for [rows][k]. */
void guide_costs(const struct guide *guide, uint32_t rows, const float *e, float *room,
                 double *costs);
/* The mean squares, over their mean, of the vectors divided by `scales` (NULL: 1). */
void guide_weights(const struct guide *guide, const float *scales, float *weights);

#endif
