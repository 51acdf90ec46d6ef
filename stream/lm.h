/* SPDX-License-Identifier: MIT
 *
 * The main transformer and its heads (KYUTAI.md 3.1 to 3.5): codes and the last text token in, one
 * text token out.
 */
#ifndef STAPES_STREAM_LM_H
#define STAPES_STREAM_LM_H

#include "loader/config.h"
#include "stream/taps.h"

#define LM_MAX_LAYERS 128
#define LM_MAX_HEADS 16 /* extra heads */

/* Pre-norm layer with a gated feed-forward part; weights of one position. */
struct lm_layer {
    struct gpu_range norm1, norm2;
    struct weight in_proj, out_proj, linear_in, linear_out;
    struct gpu_range k_cache, v_cache;
};

/* Codebook tables stacked into one weight as far as type and binding size allow. */
struct lm_tables {
    struct weight w;
    uint32_t first, count;
};

struct lm {
    const struct lm_config *config;
    uint32_t max_slots, n_codes, codes_ring;
    uint32_t kv_type; /* KV_*; the caller sets it before lm_plan */
    uint32_t hidden; /* H of the gate */

    struct weight text_emb, text_linear;
    struct weight heads; /* the extra heads, one below the other */
    struct gpu_range out_norm;
    struct lm_tables tables[CONFIG_MAX_STREAMS];
    uint32_t n_tables;
    struct lm_layer layers[LM_MAX_LAYERS];

    /* What lives from step to step, and what the host reads. */
    struct gpu_range codes;           /* [slot][codes_ring][n_codes] */
    struct gpu_range tokens, margins; /* [slot][1 + dep_q], sampled last */
    struct gpu_range probs;           /* [slot][extra_heads][extra_heads_dim] */
    struct gpu_range out;             /* [slot][dim]: transformer_out */

    struct gpu_range delays, freq, rope, ids, x, norm, qkv, q, partials, attended, gated, logits,
        head_logits;
};

enum status lm_plan(struct lm *lm, const struct lm_config *config, uint32_t n_codes,
                    uint32_t max_slots, const struct source *source, struct plan *plan,
                    struct buffers *buffers, struct taps *taps, gpu_device *device);
enum status lm_init(struct lm *lm, gpu_device *device);
/* One step: ids -> tokens[slot][0], margins[slot][0], probs, out. */
void lm_record(const struct lm *lm, struct recorder *r);

/* Plans the gate's two matrices `prefix`.linear_in.weight [2 H, dim] and linear_out.weight [dim, H]
 * and checks them against each other; *hidden is H: 0 to take it from the file, and set. */
enum status lm_plan_gate(struct plan *plan, const struct log *log, const char *prefix, uint32_t dim,
                         uint32_t *hidden, struct weight *in, struct weight *out);

#endif
