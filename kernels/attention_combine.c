/* SPDX-License-Identifier: MIT */
#include "kernels/attention_cases.h"

/* parts of the row that hold something */
static uint32_t parts_used(const struct kernel_case *c, uint32_t row)
{
    const struct attention_params *p = &c->params.attention;
    const uint32_t *state = ref_slot(c, 0, row / p->heads / p->per_slot);

    if (!ref_runs(state, p->source))
        return 0;
    return div_up(ref_used(p, state), ATTENTION_SHARE(ref_used(p, state), p->splits));
}

/* Where a part ends on an invisible ring slot, it may hold nothing; the first one always does. */
bool attention_combine_cases(enum kernel_id id, uint32_t index, const struct case_source *source,
                             struct kernel_case *out)
{
    const struct attention_params *p = &out->params.attention;
    const struct attention_shape *shape = attention_case(source, index, out);
    float spread;
    float *partials;

    (void)id;
    if (!shape)
        return false;
    out->params.attention.splits = MAX(p->splits, 2);
    spread = 10 * shape->q_scale;
    partials = case_buffer(source, out, 1, attention_rows(p) * attention_row_words(p));
    for (uint32_t i = 0; i < attention_rows(p) * p->splits; i++) {
        uint32_t part = i % p->splits;
        float *to = partials + (size_t)i * PARTIAL_WORDS(p->head_dim);
        bool empty = part > 0 && i % 5 == 4, written = part < parts_used(out, i / p->splits);

        for (uint32_t d = 0; d < PARTIAL_WORDS(p->head_dim); d++)
            to[d] = !written ? NAN : empty ? 0.0f : case_uniform(source);
        if (written) {
            to += PARTIAL_MOST(p->head_dim);
            to[0] = empty ? -3.0e38f : spread * case_uniform(source);
            to[1] = empty ? 0.0f : 1.0f + 50 * fabsf(case_uniform(source));
        }
    }
    case_buffer(source, out, 2, attention_rows(p) * p->head_dim);
    /* the argument of exp has a rounding, which counts for |argument|; sums of up to 16 terms */
    out->tolerance_absolute = F32_ROUNDING * (2 * fmin((double)spread, 45) + 16);
    out->bytes = 4.0 * attention_rows(p) * (attention_row_words(p) + p->head_dim);
    out->flops = 2.0 * attention_rows(p) * attention_row_words(p);
    return true;
}

void attention_combine_ref(const struct kernel_case *c)
{
    const struct attention_params *p = &c->params.attention;
    const uint32_t words = PARTIAL_WORDS(p->head_dim);

    for (uint32_t row = 0; row < attention_rows(p); row++) {
        const float *from = (const float *)c->data[1] + (size_t)row * p->splits * words;
        const float *tops = from + PARTIAL_MOST(p->head_dim);
        uint32_t parts = parts_used(c, row);
        double most = -INFINITY, sum = 0, out[256] = {0};

        for (uint32_t i = 0; i < parts; i++)
            most = fmax(most, (double)tops[i * words]);
        for (uint32_t i = 0; i < parts; i++) {
            double weight = exp((double)tops[i * words] - most) * (double)tops[i * words + 1];

            sum += weight;
            for (uint32_t d = 0; d < p->head_dim; d++)
                out[d] += weight * (double)from[i * words + d];
        }
        for (uint32_t d = 0; d < p->head_dim; d++)
            ((float *)c->data[2])[row * p->head_dim + d] = parts ? (float)(out[d] / sum) : 0.0f;
    }
}
