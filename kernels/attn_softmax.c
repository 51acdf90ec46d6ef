/* SPDX-License-Identifier: MIT */
#include "kernels/attention_cases.h"

bool attn_softmax_cases(enum kernel_id id, uint32_t index, const struct case_source *source,
                        struct kernel_case *out)
{
    const struct attention_params *p = &out->params.attention;
    double spread;
    float *scores;

    (void)id;
    if (!attention_case(source, index, out))
        return false;
    spread = 10.0 * (double)attention_shapes[index].q_scale;
    scores = case_floats(source, out, 1, attention_rows(p) * p->capacity, (float)spread);
    for (uint32_t row = 0; row < attention_rows(p); row++) {
        uint32_t t = row / p->heads % p->per_slot;
        const uint32_t *state = ref_slot(out, 0, row / p->heads / p->per_slot);

        for (uint32_t r = 0; r < p->capacity; r++) {
            float *score = &scores[row * p->capacity + r];

            *score += row % 5 == 4 ? 1e4f : 0.0f;
            if (r >= ref_used(p, state))
                *score = NAN;
            else if (!ref_visible(p, state, r, t))
                *score = -3.0e38f;
        }
    }
    /* the argument of exp has a rounding, which counts for |argument|; exp, the division and the
     * blocks of the sum have a few */
    out->tolerance_relative = F32_ROUNDING * (2 * MIN(spread, 45.0) + 16);
    out->tolerance_absolute = 1.7e-38; /* exp_f32 ends at exp(-87) */
    out->bytes = 8.0 * attention_rows(p) * p->capacity;
    out->flops = 20.0 * attention_rows(p) * p->capacity;
    return true;
}

void attn_softmax_ref(const struct kernel_case *c)
{
    const struct attention_params *p = &c->params.attention;

    for (uint32_t row = 0; row < attention_rows(p); row++) {
        const uint32_t *state = ref_slot(c, 0, row / p->heads / p->per_slot);
        float *scores = (float *)c->data[1] + row * p->capacity;
        uint32_t used = ref_runs(state, p->source) ? ref_used(p, state) : 0;
        double most = -INFINITY, sum = 0;

        for (uint32_t r = 0; r < used; r++)
            most = MAX(most, (double)scores[r]);
        for (uint32_t r = 0; r < used; r++)
            sum += exp(scores[r] - most);
        for (uint32_t r = 0; r < used; r++)
            scores[r] = (float)(exp(scores[r] - most) / sum);
    }
}
