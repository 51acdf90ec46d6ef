/* SPDX-License-Identifier: MIT */
#include "kernels/norm_cases.h"

bool rmsnorm_cases(enum kernel_id id, uint32_t index, const struct case_source *source,
                   struct kernel_case *out)
{
    uint32_t dim;

    (void)id;
    if (!norm_case(source, index, 1e-8f, out))
        return false;
    dim = out->params.norm.dim;
    case_floats(source, out, 1, dim, 2.0f);
    case_buffer(source, out, 2, out->words[0]);
    /* a rounding each for the sum's mean, root, division and the two products, and those of the
     * sum, which all have the same sign and halve in the root */
    out->tolerance_relative = F32_ROUNDING * (8 + sqrt(dim));
    out->tolerance_absolute = 1e-37;
    return true;
}

void rmsnorm_ref(const struct kernel_case *c)
{
    const struct norm_params *p = &c->params.norm;
    const float *alpha = c->data[1];

    for (uint32_t col = 0; col < p->cols; col++) {
        const float *x = (const float *)c->data[0] + (size_t)col * p->dim;
        float *y = (float *)c->data[2] + (size_t)col * p->dim;
        double sum = 0;

        for (uint32_t i = 0; i < p->dim; i++)
            sum += (double)x[i] * x[i];
        for (uint32_t i = 0; i < p->dim; i++)
            y[i] = (float)(x[i] * (alpha[i] / sqrt((double)p->eps + sum / p->dim)));
    }
}
