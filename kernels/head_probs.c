/* SPDX-License-Identifier: MIT */
#include "kernels/case_state.h"

static const struct shape {
    struct head_probs_params params;
    float scale;
} shapes[] = {
    {{1, 4, 6}, 5},    {{9, 4, 6}, 5},     {{3, 1, 1}, 5}, {{7, 3, 2}, 40},
    {{2, 5, 33}, 200}, {{1, 1, 9}, 1e30f}, {{4, 2, 7}, 0},
};
static const struct shape bench_shapes[] = {{{1, 4, 6}, 5}, {{8, 4, 6}, 5}};

bool head_probs_cases(enum kernel_id id, uint32_t index, const struct case_source *source,
                      struct kernel_case *out)
{
    const struct shape *shape = CASE_SHAPE(index, shapes, bench_shapes);
    const struct head_probs_params *p;
    double spread;

    (void)id;
    if (!shape)
        return false;
    p = &shape->params;
    out->params.head_probs = *p;
    spread = (double)shape->scale;
    snprintf(out->text, sizeof(out->text), "%u slots, %u heads of %u, +- %g", p->slots, p->heads,
             p->dim, spread);
    case_floats(source, out, 0, p->slots * p->heads * p->dim, shape->scale);
    case_buffer(source, out, 1, p->slots * p->heads * p->dim);
    /* the argument of exp has a rounding, which counts for |argument|; exp, sum, division a few */
    out->tolerance_relative = F32_ROUNDING * (2 * MIN(spread, 45.0) + 16);
    out->tolerance_absolute = 1.7e-38; /* exp_f32 ends at exp(-87) */
    out->bytes = 8.0 * p->slots * p->heads * p->dim;
    out->flops = 20.0 * p->slots * p->heads * p->dim;
    return true;
}

void head_probs_ref(const struct kernel_case *c)
{
    const struct head_probs_params *p = &c->params.head_probs;

    for (uint32_t row = 0; row < p->slots * p->heads; row++) {
        const float *logits = (const float *)c->data[0] + row * p->dim;
        float *probs = (float *)c->data[1] + row * p->dim;
        double most = -INFINITY, sum = 0;

        for (uint32_t i = 0; i < p->dim; i++)
            most = MAX(most, (double)logits[i]);
        for (uint32_t i = 0; i < p->dim; i++)
            sum += exp(logits[i] - most);
        for (uint32_t i = 0; i < p->dim; i++)
            probs[i] = (float)(exp(logits[i] - most) / sum);
    }
}
