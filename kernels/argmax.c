/* SPDX-License-Identifier: MIT */
#include "kernels/case_state.h"

enum contents { RANDOM, TIES, ALL_EQUAL, BEST_LAST, ALL_NAN, SOME_NAN, MINUS_INFINITY, LARGE };

static const struct shape {
    struct argmax_params params;
    enum contents contents;
} shapes[] = {
    {{1, 8000, 8000, 1, 0}, RANDOM},  {{9, 8000, 8000, 1, 0}, TIES},
    {{5, 255, 300, 9, 8}, RANDOM},    {{5, 256, 256, 9, 3}, BEST_LAST},
    {{3, 257, 300, 2, 1}, TIES},      {{3, 1, 7, 1, 0}, RANDOM},
    {{3, 2, 2, 3, 2}, TIES},          {{3, 3, 5, 1, 0}, ALL_EQUAL},
    {{3, 700, 700, 1, 0}, ALL_EQUAL}, {{3, 300, 300, 1, 0}, ALL_NAN},
    {{3, 300, 301, 1, 0}, SOME_NAN},  {{3, 300, 301, 1, 0}, MINUS_INFINITY},
    {{17, 70, 77, 1, 0}, LARGE},
};
static const struct shape bench_shapes[] = {{{1, 8000, 8000, 1, 0}, RANDOM},
                                            {{8, 8000, 8000, 1, 0}, RANDOM}};

static float logit(const struct case_source *s, enum contents contents, uint32_t i, uint32_t n)
{
    float value = 20 * case_uniform(s);

    switch (contents) {
    case TIES: return (float)(s->random(s->state) % 64) / 8 - 4;
    case ALL_EQUAL: return -0.75f;
    case BEST_LAST: return i == n - 1 ? 30 : value;
    case ALL_NAN: return NAN;
    case SOME_NAN: return s->random(s->state) % 2 ? NAN : value;
    case MINUS_INFINITY: return i % 7 == 5 ? value : -INFINITY;
    case LARGE: return value * 1e36f;
    default: return value;
    }
}

bool argmax_cases(enum kernel_id id, uint32_t index, const struct case_source *source,
                  struct kernel_case *out)
{
    static const uint32_t counts[] = {4, 0};
    const struct shape *shape = CASE_SHAPE(index, shapes, bench_shapes);
    const struct argmax_params *p;
    float *logits;

    (void)id;
    if (!shape)
        return false;
    p = &shape->params;
    out->params.argmax = *p;
    snprintf(out->text, sizeof(out->text), "%u slots, %u logits of %u, token %u of %u, contents %d",
             p->slots, p->n, p->logits_slot_stride, p->index, p->tokens_slot_stride,
             (int)shape->contents);
    case_slots(source, out, 0, p->slots, SLOT_STEP, index < CASE_BENCH ? 1 : UINT32_MAX, counts,
               COUNT_OF(counts));
    logits = case_buffer(source, out, 1, p->slots * p->logits_slot_stride);
    for (uint32_t i = 0; i < p->slots * p->logits_slot_stride; i++) {
        uint32_t at = i % p->logits_slot_stride;

        /* what lies between the slots is larger than all, and must not be seen */
        logits[i] = at < p->n ? logit(source, shape->contents, at, p->n) : 3e38f;
    }
    case_integers(source, out, 2, p->slots * p->tokens_slot_stride, 8000);
    case_floats(source, out, 3, p->slots * p->tokens_slot_stride, 1.0f);
    out->tolerance_relative = F32_ROUNDING * 2; /* one subtraction */
    out->bytes = 4.0 * p->slots * p->n;
    out->flops = 1.0 * p->slots * p->n;
    return true;
}

void argmax_ref(const struct kernel_case *c)
{
    const struct argmax_params *p = &c->params.argmax;
    uint32_t *tokens = c->data[2];
    float *margins = c->data[3];

    for (uint32_t slot = 0; slot < p->slots; slot++) {
        const float *logits = (const float *)c->data[1] + slot * p->logits_slot_stride;
        uint32_t best = 0, to = slot * p->tokens_slot_stride + p->index;
        float most = -3.4e38f, second = -3.4e38f;

        if (!(ref_slot(c, 0, slot)[STATE_FLAGS] & SLOT_STEP))
            continue;
        for (uint32_t i = 0; i < p->n; i++) {
            if (logits[i] > most) {
                most = logits[i];
                best = i;
            }
        }
        for (uint32_t i = 0; i < p->n; i++) {
            if (i != best && logits[i] > second)
                second = logits[i];
        }
        tokens[to] = best;
        margins[to] = most <= -3.4e38f ? ARGMAX_NOTHING : p->n > 1 ? most - second : 0;
    }
}
