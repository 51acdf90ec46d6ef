/* SPDX-License-Identifier: MIT */
#include "kernels/attention_cases.h"

bool attn_values_cases(enum kernel_id id, uint32_t index, const struct case_source *source,
                       struct kernel_case *out)
{
    const struct attention_params *p = &out->params.attention;
    float *scores;

    (void)id;
    if (!attention_case(source, index, out))
        return false;
    scores = case_floats(source, out, 1, attention_rows(p) * p->capacity, 1.0f);
    for (uint32_t row = 0; row < attention_rows(p); row++) {
        uint32_t t = row / p->heads % p->per_slot;
        const uint32_t *state = ref_slot(out, 0, row / p->heads / p->per_slot);

        for (uint32_t r = 0; r < p->capacity; r++) {
            if (r >= ref_used(p, state))
                scores[row * p->capacity + r] = NAN;
            else if (!ref_visible(p, state, r, t))
                scores[row * p->capacity + r] = 0;
        }
    }
    case_ring(source, out, 2, 1.0f);
    case_buffer(source, out, 3, attention_rows(p) * p->head_dim);
    /* blocks of 64, then their sums; partial sums of k terms are about sqrt(k) / 3 */
    out->tolerance_absolute = F32_ROUNDING * (64 + p->capacity / 4.0);
    return true;
}

void attn_values_ref(const struct kernel_case *c)
{
    const struct attention_params *p = &c->params.attention;
    const float *scores = c->data[1], *v_cache = c->data[2];
    float *out = c->data[3];
    uint32_t width = p->heads * p->head_dim;

    for (uint32_t row = 0; row < attention_rows(p); row++) {
        uint32_t head = row % p->heads, slot = row / p->heads / p->per_slot;
        const uint32_t *state = ref_slot(c, 0, slot);
        uint32_t used = ref_runs(state, p->source) ? ref_used(p, state) : 0;

        for (uint32_t i = 0; i < p->head_dim; i++) {
            double sum = 0;

            for (uint32_t r = 0; r < used; r++)
                sum += (double)scores[row * p->capacity + r] *
                       v_cache[(slot * p->capacity + r) * width + head * p->head_dim + i];
            out[row * p->head_dim + i] = (float)sum;
        }
    }
}
