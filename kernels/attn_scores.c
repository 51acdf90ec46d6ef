/* SPDX-License-Identifier: MIT */
#include "kernels/attention_cases.h"

bool attn_scores_cases(enum kernel_id id, uint32_t index, const struct case_source *source,
                       struct kernel_case *out)
{
    const struct attention_params *p = &out->params.attention;
    float scale;

    (void)id;
    if (!attention_case(source, index, out))
        return false;
    scale = attention_shapes[index].q_scale;
    case_floats(source, out, 1, attention_rows(p) * p->head_dim, scale);
    case_ring(source, out, 2, 1.0f);
    case_buffer(source, out, 3, attention_rows(p) * p->capacity);
    /* head_dim roundings of partial sums that are at most about sqrt(head_dim), and the last ones
     */
    out->tolerance_absolute = F32_ROUNDING * (double)scale * (sqrt(p->head_dim) + 2);
    out->tolerance_relative = F32_ROUNDING * 8;
    return true;
}

void attn_scores_ref(const struct kernel_case *c)
{
    const struct attention_params *p = &c->params.attention;
    const float *q = c->data[1], *k_cache = c->data[2];
    float *scores = c->data[3];
    uint32_t width = p->heads * p->head_dim;

    for (uint32_t row = 0; row < attention_rows(p); row++) {
        uint32_t col = row / p->heads, head = row % p->heads, slot = col / p->per_slot;
        const uint32_t *state = ref_slot(c, 0, slot);

        for (uint32_t r = 0; ref_runs(state, p->source) && r < ref_used(p, state); r++) {
            double sum = 0;

            for (uint32_t i = 0; i < p->head_dim; i++)
                sum += (double)q[row * p->head_dim + i] *
                       k_cache[(slot * p->capacity + r) * width + head * p->head_dim + i];
            scores[row * p->capacity + r] = ref_visible(p, state, r, col % p->per_slot)
                                                ? (float)(sum / sqrt(p->head_dim))
                                                : -3.0e38f;
        }
    }
}
