/* SPDX-License-Identifier: MIT
 *
 * How far a candidate's distributions over the next token are from a reference's, from pairs of
 * logits for the same text. All in double precision; logarithms are natural.
 */
#ifndef STAPES_TOOLS_DIVERGENCE_H
#define STAPES_TOOLS_DIVERGENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One step: distributions p (reference) and q (candidate) over `card` tokens, softmax of the
 * logits, and the token that the reference took. */
struct divergence_step {
    double kl;                                     /* sum_i p_i (log p_i - log q_i), at least 0 */
    double reference_log_prob, candidate_log_prob; /* log p[token], log q[token] */
    bool agrees; /* both have their first maximum at the same place */
};

/* False: a logit is not finite, or token is not below card; *step is not set. */
bool divergence_measure(const float *reference, const float *candidate, uint32_t card,
                        uint32_t token, struct divergence_step *step);

/* Steps added up. Zero-initialized is empty. Keeps 8 bytes a step, for the percentiles. */
struct divergence {
    double *kl; /* [n_steps] */
    size_t n_steps, room;
    uint64_t agreed;
    double kl_sum, reference_log_probs, candidate_log_probs, squares;
};

/* False: out of memory; nothing was added. */
bool divergence_add(struct divergence *divergence, const struct divergence_step *step);
void divergence_deinit(struct divergence *divergence);

struct divergence_summary {
    uint64_t steps;
    /* exp of minus the mean log probability of the reference's tokens */
    double reference_perplexity, candidate_perplexity;
    double kl_mean, kl_median, kl_90, kl_99, kl_999, kl_max;
    double agreement; /* share of the steps that agree */
    double rms;       /* root of the mean of (q[token] - p[token])^2 */
};

/* A percentile of n values is the smallest one that at least so many percent of them do not exceed.
 * Without steps all numbers are 0. Sorts what was kept. */
void divergence_summarize(struct divergence *divergence, struct divergence_summary *summary);

#endif
