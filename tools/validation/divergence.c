/* SPDX-License-Identifier: MIT */
#include "tools/validation/divergence.h"

#include <math.h>
#include <stdlib.h>

/* log sum_i exp(logits[i]) */
static bool log_sum(const float *logits, uint32_t card, double *sum, uint32_t *best)
{
    double total = 0;
    *best = 0;
    for (uint32_t i = 0; i < card; i++) {
        if (!isfinite(logits[i]))
            return false;
        if (logits[i] > logits[*best])
            *best = i;
    }
    for (uint32_t i = 0; i < card; i++)
        total += exp((double)logits[i] - (double)logits[*best]);
    *sum = (double)logits[*best] + log(total);
    return true;
}

bool divergence_measure(const float *reference, const float *candidate, uint32_t card,
                        uint32_t token, struct divergence_step *step)
{
    double p_sum, q_sum, kl = 0;
    uint32_t p_best, q_best;
    if (token >= card || !log_sum(reference, card, &p_sum, &p_best) ||
        !log_sum(candidate, card, &q_sum, &q_best))
        return false;
    for (uint32_t i = 0; i < card; i++) {
        const double p = (double)reference[i] - p_sum, q = (double)candidate[i] - q_sum;
        kl += exp(p) * (p - q);
    }
    step->kl = fmax(kl, 0); /* rounding may leave it just below */
    step->reference_log_prob = (double)reference[token] - p_sum;
    step->candidate_log_prob = (double)candidate[token] - q_sum;
    step->agrees = p_best == q_best;
    return true;
}

bool divergence_add(struct divergence *d, const struct divergence_step *step)
{
    if (d->n_steps == d->room) {
        const size_t room = d->room ? 2 * d->room : 1024;
        double *kl = realloc(d->kl, room * sizeof(*kl));
        if (!kl)
            return false;
        d->kl = kl;
        d->room = room;
    }
    const double moved = exp(step->candidate_log_prob) - exp(step->reference_log_prob);
    d->kl[d->n_steps++] = step->kl;
    d->kl_sum += step->kl;
    d->reference_log_probs += step->reference_log_prob;
    d->candidate_log_probs += step->candidate_log_prob;
    d->squares += moved * moved;
    d->agreed += step->agrees;
    return true;
}

void divergence_deinit(struct divergence *d)
{
    free(d->kl);
    *d = (struct divergence){0};
}

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Of sorted values; per_mille of 1000. */
static double percentile(const double *sorted, size_t n, uint64_t per_mille)
{
    return sorted[(n * per_mille + 999) / 1000 - 1];
}

void divergence_summarize(struct divergence *d, struct divergence_summary *s)
{
    const size_t n = d->n_steps;
    *s = (struct divergence_summary){.steps = n};
    if (n == 0)
        return;
    qsort(d->kl, n, sizeof(*d->kl), ascending);
    s->reference_perplexity = exp(-d->reference_log_probs / (double)n);
    s->candidate_perplexity = exp(-d->candidate_log_probs / (double)n);
    s->kl_mean = d->kl_sum / (double)n;
    s->kl_median = percentile(d->kl, n, 500);
    s->kl_90 = percentile(d->kl, n, 900);
    s->kl_99 = percentile(d->kl, n, 990);
    s->kl_999 = percentile(d->kl, n, 999);
    s->kl_max = d->kl[n - 1];
    s->agreement = (double)d->agreed / (double)n;
    s->rms = sqrt(d->squares / (double)n);
}
