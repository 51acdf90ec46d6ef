/* SPDX-License-Identifier: MIT */
#include "kernels/attention_cases.h"

#define MAX_HEAD_DIM 256

static struct kv_shape cache_shape(const struct attention_params *p)
{
    return (struct kv_shape){p->kv_type, p->capacity, p->heads, p->head_dim};
}

/* A ring of random vectors; what has not been written yet is NaN. */
static void case_ring(const struct case_source *s, struct kernel_case *c, uint32_t binding)
{
    const struct attention_params *p = &c->params.attention;
    const struct kv_shape shape = cache_shape(p);
    uint32_t *ring = case_buffer(
        s, c, binding, p->slots * KV_SLOT_WORDS(p->kv_type, p->capacity, p->heads, p->head_dim));
    float values[MAX_HEAD_DIM];

    for (uint32_t slot = 0; slot < p->slots; slot++) {
        uint32_t used = ref_used(p, ref_slot(c, 0, slot));

        for (uint32_t i = 0; i < p->heads * p->capacity; i++) {
            uint32_t head = i / p->capacity, r = i % p->capacity;

            for (uint32_t d = 0; d < p->head_dim; d++)
                values[d] = case_uniform(s);
            if (r < used)
                kv_ref_store(&shape, ring, slot, head, r, values);
            else
                kv_ref_poison(&shape, ring, slot, head, r);
        }
    }
}

bool attention_cases(enum kernel_id id, uint32_t index, const struct case_source *source,
                     struct kernel_case *out)
{
    const struct attention_params *p = &out->params.attention;
    const struct attention_shape *shape = attention_case(source, index, out);
    uint32_t q_words;
    double scale;
    float *q;

    (void)id;
    if (!shape)
        return false;
    scale = (double)shape->q_scale;
    q_words = KV_Q_WORDS(p->kv_type, p->head_dim);
    q = case_buffer(source, out, 1, attention_rows(p) * q_words);
    for (uint32_t i = 0; i < attention_rows(p) * q_words; i++)
        q[i] = i % q_words < p->head_dim ? shape->q_scale * case_uniform(source) : 0;
    case_ring(source, out, 2);
    case_ring(source, out, 3);
    case_buffer(source, out, 4, attention_rows(p) * attention_row_words(p));
    /* an error of a score is a relative one of its weight, and of a part's sum of weights; the
     * weights' sum is one in the result */
    out->tolerance_absolute = F32_ROUNDING * (scale * (sqrt(p->head_dim) + 2) / 2 + 8);
    out->tolerance_relative =
        p->splits > 1 ? F32_ROUNDING * (scale * (sqrt(p->head_dim) + 2) / 2 + 8) : 0;
    out->bytes = 8.0 * p->slots * KV_SLOT_WORDS(p->kv_type, p->capacity, p->heads, p->head_dim);
    out->flops = 4.0 * p->slots * p->per_slot * p->heads * p->capacity * p->head_dim;
    return true;
}

/* Ring slots first .. end - 1 for a row: the result, the largest score and the weights' sum. */
static void attend(const struct kernel_case *c, uint32_t row, uint32_t first, uint32_t end,
                   float *out, double *most, double *sum)
{
    const struct attention_params *p = &c->params.attention;
    const struct kv_shape shape = cache_shape(p);
    uint32_t head = row % p->heads, slot = row / p->heads / p->per_slot;
    const float *q = (const float *)c->data[1] + row * KV_Q_WORDS(p->kv_type, p->head_dim);
    double total[MAX_HEAD_DIM] = {0}, vector[MAX_HEAD_DIM];

    *most = (double)-3.0e38f;
    *sum = 0;
    for (uint32_t r = first; r < end; r++) {
        double score = 0, top, weight, shrink;

        if (!ref_visible(p, ref_slot(c, 0, slot), r, row / p->heads % p->per_slot))
            continue;
        kv_ref_load(&shape, c->data[2], slot, head, r, vector);
        for (uint32_t i = 0; i < p->head_dim; i++)
            score += (double)q[i] * vector[i];
        score /= sqrt(p->head_dim);
        top = MAX(*most, score);
        weight = exp(score - top);
        shrink = exp(*most - top);
        kv_ref_load(&shape, c->data[3], slot, head, r, vector);
        for (uint32_t i = 0; i < p->head_dim; i++)
            total[i] = total[i] * shrink + weight * vector[i];
        *sum = *sum * shrink + weight;
        *most = top;
    }
    for (uint32_t i = 0; i < p->head_dim; i++)
        out[i] = *sum > 0 ? (float)(total[i] / *sum) : 0.0f;
}

void attention_ref(const struct kernel_case *c)
{
    const struct attention_params *p = &c->params.attention;

    for (uint32_t row = 0; row < attention_rows(p); row++) {
        const uint32_t *state = ref_slot(c, 0, row / p->heads / p->per_slot);
        uint32_t used = ref_runs(state, p->source) ? ref_used(p, state) : 0;
        float *out = (float *)c->data[4] + (size_t)row * attention_row_words(p);
        double most, sum;

        if (p->splits == 1)
            attend(c, row, 0, used, out, &most, &sum);
        for (uint32_t part = 0; p->splits > 1 && used > 0 && part < p->splits; part++) {
            uint32_t share = ATTENTION_SHARE(used, p->splits), first = part * share;
            float *to = out + part * PARTIAL_WORDS(p->head_dim);

            if (first >= used)
                break;
            attend(c, row, first, MIN(first + share, used), to, &most, &sum);
            to[PARTIAL_MOST(p->head_dim)] = (float)most;
            to[PARTIAL_MOST(p->head_dim) + 1] = (float)sum;
        }
    }
}
