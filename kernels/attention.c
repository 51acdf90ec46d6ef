/* SPDX-License-Identifier: MIT */
#include "kernels/attention_cases.h"

bool attention_cases(enum kernel_id id, uint32_t index, const struct case_source *source,
                     struct kernel_case *out)
{
    const struct attention_params *p = &out->params.attention;
    double scale;

    (void)id;
    if (!attention_case(source, index, out))
        return false;
    scale = (double)attention_shapes[index].q_scale;
    case_floats(source, out, 1, attention_rows(p) * p->head_dim, (float)scale);
    case_ring(source, out, 2, 1.0f);
    case_ring(source, out, 3, 1.0f);
    case_buffer(source, out, 4, attention_rows(p) * p->head_dim);
    /* an error of a score is a relative one of its weight; the weights' sum is one */
    out->tolerance_absolute = F32_ROUNDING * (scale * (sqrt(p->head_dim) + 2) / 2 + 8);
    out->bytes *= 2;
    out->flops *= 2;
    return true;
}

static double attention_score(const struct kernel_case *c, uint32_t row, uint32_t r)
{
    const struct attention_params *p = &c->params.attention;
    uint32_t head = row % p->heads, slot = row / p->heads / p->per_slot;
    const float *q = (const float *)c->data[1] + row * p->head_dim;
    const float *k =
        (const float *)c->data[2] + ((slot * p->capacity + r) * p->heads + head) * p->head_dim;
    double sum = 0;

    if (!ref_visible(p, ref_slot(c, 0, slot), r, row / p->heads % p->per_slot))
        return -INFINITY;
    for (uint32_t i = 0; i < p->head_dim; i++)
        sum += (double)q[i] * k[i];
    return sum / sqrt(p->head_dim);
}

void attention_ref(const struct kernel_case *c)
{
    const struct attention_params *p = &c->params.attention;

    for (uint32_t row = 0; row < attention_rows(p); row++) {
        uint32_t head = row % p->heads, slot = row / p->heads / p->per_slot;
        const uint32_t *state = ref_slot(c, 0, slot);
        uint32_t used = ref_runs(state, p->source) ? ref_used(p, state) : 0;
        double out[256] = {0}, most = -INFINITY, sum = 0;

        for (uint32_t r = 0; r < used; r++) {
            double score = attention_score(c, row, r), top = MAX(most, score), weight;
            const float *v = (const float *)c->data[3] +
                             ((slot * p->capacity + r) * p->heads + head) * p->head_dim;

            if (score == -INFINITY)
                continue;
            weight = exp(score - top);
            sum = sum * exp(most - top) + weight;
            for (uint32_t i = 0; i < p->head_dim; i++)
                out[i] = out[i] * exp(most - top) + weight * v[i];
            most = top;
        }
        for (uint32_t i = 0; i < p->head_dim; i++)
            ((float *)c->data[4])[row * p->head_dim + i] = used > 0 ? (float)(out[i] / sum) : 0.0f;
    }
}
