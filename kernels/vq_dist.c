/* SPDX-License-Identifier: MIT */
#include "kernels/case_state.h"

static const struct vq_dist_params shapes[] = {
    {1, 2048, 256}, {2, 64, 256}, {3, 7, 5},   {4, 8, 4},  {5, 9, 3},    {1, 1, 1},
    {9, 17, 31},    {4, 16, 1},   {17, 5, 64}, {1, 15, 2}, {6, 130, 33},
    {6, 130, 36},   {3, 7, 8},     {5, 33, 12},
};

bool vq_dist_cases(enum kernel_id id, uint32_t index, const struct case_source *source,
                   struct kernel_case *out)
{
    static const float scales[] = {1.0f, 1e-3f, 1e10f, 1e-10f};
    const struct vq_dist_params *p;
    float scale = scales[index % COUNT_OF(scales)];
    float *r, *centroids;

    (void)id;
    if (index >= COUNT_OF(shapes))
        return false;
    p = &shapes[index];
    out->params.vq_dist = *p;
    snprintf(out->text, sizeof(out->text), "%u slots, %u bins of %u, scale %g", p->slots, p->bins,
             p->dim, (double)scale);
    r = case_floats(source, out, 0, p->slots * p->dim, scale);
    centroids = case_floats(source, out, 1, p->bins * p->dim, scale);
    case_buffer(source, out, 2, p->slots * p->bins);
    /* one that is met exactly, one that is nearly */
    memcpy(centroids + (p->bins - 1) * p->dim, r, p->dim * sizeof(float));
    memcpy(centroids + p->bins / 2 * p->dim, r, p->dim * sizeof(float));
    centroids[p->bins / 2 * p->dim] *= 1.001f;
    /* terms of one sign: a rounding of each difference, and those of the sum */
    out->tolerance_relative = F32_ROUNDING * (4 + sqrt(p->dim));
    out->tolerance_absolute = 1e-37;
    out->bytes = 4.0 * p->bins * (p->dim + p->slots);
    out->flops = 3.0 * p->slots * p->bins * p->dim;
    return true;
}

void vq_dist_ref(const struct kernel_case *c)
{
    const struct vq_dist_params *p = &c->params.vq_dist;
    const float *r = c->data[0], *centroids = c->data[1];
    float *dist = c->data[2];

    for (uint32_t slot = 0; slot < p->slots; slot++) {
        for (uint32_t bin = 0; bin < p->bins; bin++) {
            double sum = 0;

            for (uint32_t i = 0; i < p->dim; i++)
                sum += pow((double)r[slot * p->dim + i] - (double)centroids[bin * p->dim + i], 2);
            dist[slot * p->bins + bin] = (float)sum;
        }
    }
}
