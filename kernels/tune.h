/* SPDX-License-Identifier: MIT
 *
 * Choosing between the rows that can make a matrix product by measuring them on the device, once:
 * what is found is kept beside the pipeline cache. The products are also checked against the plain
 * form's, and a row that gives something else is not used: some drivers compile wrong code.
 */
#ifndef STAPES_KERNELS_TUNE_H
#define STAPES_KERNELS_TUNE_H

#include "kernels/kernel.h"

struct tuner;

/* Reads what was measured before. */
enum status tuner_create(gpu_device *device, struct tuner **out);
/* Writes what was measured anew, frees. */
void tuner_destroy(struct tuner **tuner);

/* A row that can make the dispatch, with its pipeline. */
struct tune_candidate {
    enum kernel_id id;
    const gpu_pipeline *pipeline;
    struct kernel_plan plan;
};

/* Whether a dispatch of `base` is worth measuring. Not in a model with many slots, where one form
 * has to serve programs of one slot and of hundreds. */
bool tuner_wants(const struct tuner *tuner, enum kernel_id base, const void *params,
                 const struct gpu_range *ranges);
/* The row found before for this product, or KERNEL_COUNT. It does not depend on the slots. */
enum kernel_id tuner_known(const struct tuner *tuner, enum kernel_id base, const void *params);
/* Runs the candidates on scratch buffers beside the weights of `ranges` and remembers the fastest
 * of those that agree with the first, the simplest form. Blocks for about a millisecond a
 * candidate. */
enum status tuner_measure(struct tuner *tuner, enum kernel_id base, const void *params,
                          const struct gpu_range *ranges, const struct tune_candidate *candidates,
                          size_t n, size_t *best);

#endif
