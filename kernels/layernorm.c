/* SPDX-License-Identifier: MIT */
#include "kernels/norm_cases.h"

bool layernorm_cases(enum kernel_id id, uint32_t index, const struct case_source *source,
                     struct kernel_case *out)
{
    const struct norm_shape *shape = CASE_SHAPE(index, norm_shapes, norm_bench_shapes);
    uint32_t dim;
    double largest, deviation;

    (void)id;
    if (!norm_case(source, index, 1e-5f, out))
        return false;
    dim = out->params.norm.dim;
    case_floats(source, out, 1, dim, 2.0f);
    case_floats(source, out, 2, dim, 1.0f);
    case_buffer(source, out, 3, out->words[0]);
    /* The mean's error, in units of the largest x, is divided by the deviation. Few elements may
     * lie close together: then the roundings of x itself are many deviations. */
    largest = fabs((double)shape->offset) + (double)shape->scale;
    deviation = sqrt(1e-5 + pow((double)shape->scale * (dim < 16 ? 0.01 : 0.5), 2));
    out->tolerance_absolute = F32_ROUNDING * (8 + sqrt(dim)) * (2 + largest / deviation);
    out->tolerance_relative = F32_ROUNDING * (8 + sqrt(dim));
    return true;
}

void layernorm_ref(const struct kernel_case *c)
{
    const struct norm_params *p = &c->params.norm;
    const float *weight = c->data[1], *bias = c->data[2];

    for (uint32_t col = 0; col < p->cols; col++) {
        const float *x = (const float *)c->data[0] + (size_t)col * p->dim;
        float *y = (float *)c->data[3] + (size_t)col * p->dim;
        double mean = 0, var = 0;

        for (uint32_t i = 0; i < p->dim; i++)
            mean += x[i];
        mean /= p->dim;
        for (uint32_t i = 0; i < p->dim; i++)
            var += (x[i] - mean) * (x[i] - mean);
        var /= p->dim;
        for (uint32_t i = 0; i < p->dim; i++)
            y[i] = (float)((x[i] - mean) / sqrt(var + (double)p->eps) * weight[i] + bias[i]);
    }
}
