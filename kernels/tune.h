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
/* Ends measuring, and writes what was measured anew. */
void tuner_finish(struct tuner *tuner);
void tuner_destroy(struct tuner **tuner);

/* A row that can make the dispatch, with its pipeline. */
struct tune_candidate {
    enum kernel_id id;
    const gpu_pipeline *pipeline;
    struct kernel_plan plan;
};

/* Whether the row gave wrong results on this device, now or before. */
bool tuner_refuses(const struct tuner *tuner, enum kernel_id id);
/* Whether one of these n rows was found for this product before; *out is not set if not. It depends
 * on neither the slots nor on whether there is still time to measure. */
bool tuner_known(const struct tuner *tuner, const void *params, const enum kernel_id *ids, size_t n,
                 enum kernel_id *out);
/* Whether a dispatch of `base` is worth measuring, and there is still time and memory for it. */
bool tuner_wants(const struct tuner *tuner, enum kernel_id base, const void *params,
                 const struct gpu_range *ranges);
/* Runs the candidates on scratch buffers beside the weights of `ranges`. A row that does not agree
 * with the first, the simplest form, is refused from now on; *out is the fastest of the others. In
 * a model with many slots, where one form has to serve programs of one slot and of hundreds, it is
 * the last of the others: they are only checked. Blocks for some milliseconds a candidate. */
enum status tuner_measure(struct tuner *tuner, const void *params, const struct gpu_range *ranges,
                          const struct tune_candidate *candidates, size_t n, enum kernel_id *out);

#endif
