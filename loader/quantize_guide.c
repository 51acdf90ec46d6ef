/* SPDX-License-Identifier: MIT */
#include "loader/quantize_guide.h"

#include <cblas.h>
#include <stdlib.h>

enum status guide_create(const struct log *log, struct statistics *statistics,
                         const struct statistics_entry *entry, bool gptq, struct guide **out)
{
    struct guide *guide = calloc(1, sizeof(*guide));
    const size_t k = entry->k;
    const bool has_gram = entry->gram_count > 0;
    enum status status = OK;
    if (guide) {
        guide->k = entry->k;
        guide->squares = malloc(k * sizeof(*guide->squares));
        guide->gram = has_gram ? malloc(k * k * sizeof(*guide->gram)) : NULL;
    }
    if (!guide || !guide->squares || (has_gram && !guide->gram))
        status = log_error(log, ERROR_MEMORY, "%s: out of memory", entry->name);
    for (size_t i = 0; i < k && !status; i++)
        guide->squares[i] = (float)(entry->sum2[i] / (double)entry->count);
    if (!status && has_gram)
        status = statistics_load_gram(log, statistics, entry, guide->gram);
    if (!status && has_gram)
        for (size_t i = 0; i < k; i++) /* k * k may be more than a blasint holds */
            cblas_sscal((blasint)k, 1.0f / (float)entry->gram_count, guide->gram + i * k, 1);
    if (!status && has_gram && gptq)
        status = gptq_create(log, entry->name, entry->k, guide->gram, &guide->gptq);
    if (status)
        guide_destroy(&guide);
    else
        *out = guide;
    return status;
}

void guide_destroy(struct guide **guide)
{
    if (!guide || !*guide)
        return;
    gptq_destroy(&(*guide)->gptq);
    free((*guide)->squares);
    free((*guide)->gram);
    free(*guide);
    *guide = NULL;
}

void guide_costs(const struct guide *guide, uint32_t rows, const float *e, float *room,
                 double *costs)
{
    const size_t k = guide->k;
    if (guide->gram)
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (blasint)rows, (blasint)k,
                    (blasint)k, 1, e, (blasint)k, guide->gram, (blasint)k, 0, room, (blasint)k);
    for (size_t r = 0; r < rows; r++) {
        costs[r] = 0;
        for (size_t i = r * k; i < (r + 1) * k; i++)
            costs[r] +=
                (double)e[i] *
                (guide->gram ? (double)room[i] : (double)guide->squares[i - r * k] * (double)e[i]);
    }
}

void guide_weights(const struct guide *guide, const float *scales, float *weights)
{
    double sum = 0;
    for (uint32_t i = 0; i < guide->k; i++) {
        weights[i] = guide->squares[i];
        if (scales)
            weights[i] /= scales[i] * scales[i];
        sum += (double)weights[i];
    }
    for (uint32_t i = 0; i < guide->k; i++)
        weights[i] = sum > 0 ? (float)((double)weights[i] * guide->k / sum) : 1;
}
