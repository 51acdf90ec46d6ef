/* SPDX-License-Identifier: MIT
 *
 * Capture: a model hands out, tick by tick, the vectors that its matrices are multiplied with.
 * Statistics of them tell a quantizer which weights matter. Tokens are those of a model that is
 * opened without it and does not fuse norms into products (docs/architecture.md, "What is
 * bit-identical").
 */
#ifndef STAPES_STREAM_CAPTURE_H
#define STAPES_STREAM_CAPTURE_H

#include "loader/tensor.h"
#include "stream/stapes.h"

struct weight;

/* What one matrix product of a step reads. */
struct capture_input {
    /* The tensor's, as in a file written by stapes. Where the depformer has weights for each
     * codebook that lie below each other in one tensor: NAME#SET. A matrix that is multiplied
     * several times in a step has several inputs of the same name. */
    char name[TENSOR_MAX_NAME + 16];
    uint32_t width;     /* columns of the matrix */
    const float *slots; /* [slot][width], while the sink runs */

    const struct weight *weight; /* the product */
    uint32_t first_row, first_word;
};

/* A matrix that reads what another one reads: it has no input of its own. */
struct capture_alias {
    char name[TENSOR_MAX_NAME];
    uint32_t of; /* index of that input */
};

struct capture_inputs {
    const struct capture_input *inputs;
    uint32_t n_inputs;
    const struct capture_alias *aliases;
    uint32_t n_aliases;
    uint32_t most_slots; /* in one call of the sink */
};

/* Called inside stapes_model_run and stapes_stream_feed, once a tick: `slots` are the slots that
 * made a step in it, ascending. Another status than OK ends that call with it; it is never called
 * for the same tick again. */
typedef enum status capture_fn(void *user, const struct capture_inputs *inputs,
                               const uint32_t *slots, uint32_t n_slots);

/* As stapes_model_open. At most one tick is in flight in such a model. */
enum status capture_open(const struct stapes_model_params *params, capture_fn *sink, void *user,
                         stapes_model **out);
/* Live as long as the model. */
const struct capture_inputs *capture_get_inputs(const stapes_model *model);

#endif
