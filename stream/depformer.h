/* SPDX-License-Identifier: MIT
 *
 * The depformer: after the text token of a step, a small transformer over the codebooks, one
 * position each, with an empty cache in every step (KYUTAI.md 3.7).
 */
#ifndef STAPES_STREAM_DEPFORMER_H
#define STAPES_STREAM_DEPFORMER_H

#include "stream/lm.h"

#define DEPFORMER_MAX_LAYERS 16

struct depformer {
    const struct lm_config *config;
    uint32_t hidden;
    uint32_t slices, inputs;               /* sets of weights; depformer_in's */
    struct weight text_emb;                /* position 0's input */
    struct weight emb[CONFIG_MAX_STREAMS]; /* of code k - 1, for position k >= 1 */
    struct weight in[CONFIG_MAX_STREAMS];  /* a slice each, or one for all */
    struct weight linears[CONFIG_MAX_STREAMS];
    struct gpu_range norms[CONFIG_MAX_STREAMS]; /* before linears, where depformer_norm is given */
    struct depformer_layer {
        struct gpu_range norm1, norm2;
        struct weight in_proj, out_proj; /* slices one below the other */
        struct weight linear_in[CONFIG_MAX_STREAMS], linear_out[CONFIG_MAX_STREAMS];
        struct gpu_range k_cache, v_cache; /* [slot][dep_q][dim] in f32: they live for a step */
    } layers[DEPFORMER_MAX_LAYERS];
    struct gpu_range x, norm, qkv, q, partials, attended, gated, logits;
};

enum status depformer_plan(struct depformer *d, const struct lm_config *config, uint32_t max_slots,
                           struct plan *plan, struct buffers *buffers, struct taps *taps,
                           gpu_device *device);
/* The set of weights that codebook k takes in the layers. */
uint32_t depformer_set(const struct depformer *d, uint32_t k);
/* All codebooks of one step: lm's out and text token -> lm's tokens[slot][1 ..], margins[slot][1
 * ..]. */
void depformer_record(const struct depformer *d, struct recorder *r, const struct lm *lm);

#endif
