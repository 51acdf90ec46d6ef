/* SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdio.h>

#include "kernels/reference.h"

void centroids_ref(const struct kernel_case *c)
{
    const struct centroids_params *p = &c->params.centroids;
    float *sum = c->data[0];
    const float *usage = c->data[1];
    for (uint32_t bin = 0; bin < p->bins; bin++)
        for (uint32_t d = 0; d < p->dim; d++)
            sum[bin * p->dim + d] =
                (float)((double)sum[bin * p->dim + d] / fmaxf(usage[bin], 1e-5f));
}

bool centroids_cases(enum kernel_id id, uint32_t index, const struct case_source *s,
                     struct kernel_case *out)
{
    static const struct centroids_params shapes[] = {{1, 1}, {5, 3}, {33, 32}, {257, 129}};
    static const float usages[] = {0, 5e-6f, 1e-5f, 1.5e-5f, 1, 3e5f, -1};
    if (index >= COUNT_OF(shapes))
        return false;
    const struct centroids_params *p = &shapes[index];
    out->id = id;
    out->params.centroids = *p;
    snprintf(out->text, sizeof(out->text), "%u bins of %u", p->bins, p->dim);
    out->words[0] = p->bins * p->dim;
    out->words[1] = p->bins;
    float *sum = out->data[0] = s->alloc(s->state, (size_t)out->words[0] * 4);
    float *usage = out->data[1] = s->alloc(s->state, (size_t)out->words[1] * 4);
    for (uint32_t i = 0; i < out->words[0]; i++)
        sum[i] = 10 * case_uniform(s);
    for (uint32_t i = 0; i < p->bins; i++)
        usage[i] = i % 8 < COUNT_OF(usages) ? usages[(i + index) % COUNT_OF(usages)]
                                            : 100 + 100 * case_uniform(s);
    out->tolerance_relative =
        3.5e-7; /* Vulkan allows a division 2.5 ulp, and 1e-5 may be one off */
    out->bytes = 8.0 * out->words[0];
    out->flops = out->words[0];
    return true;
}
