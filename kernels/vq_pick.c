/* SPDX-License-Identifier: MIT */
#include "kernels/case_state.h"

enum contents { RANDOM, TIES, ALL_EQUAL, BEST_LAST, ALL_NAN, SOME_NAN, ZEROS, LARGE };

static const struct {
    struct vq_pick_params params;
    enum contents contents;
} shapes[] = {
    {{1, 2048, 256, 3, 32, 4}, RANDOM},  {{9, 2048, 256, 31, 32, 3}, TIES},
    {{3, 255, 7, 0, 1, 1}, TIES},        {{4, 256, 1, 1, 2, 5}, BEST_LAST},
    {{3, 257, 300, 2, 5, 2}, TIES},      {{2, 1, 4, 0, 8, 4}, RANDOM},
    {{2, 2, 4, 7, 8, 4}, TIES},          {{3, 3, 5, 1, 8, 4}, ALL_EQUAL},
    {{3, 1000, 64, 1, 8, 4}, ALL_EQUAL}, {{2, 300, 16, 1, 8, 4}, ALL_NAN},
    {{3, 300, 16, 1, 8, 4}, SOME_NAN},   {{3, 300, 16, 1, 8, 4}, ZEROS},
    {{17, 70, 33, 1, 2, 4}, LARGE},      {{17, 72, 36, 1, 2, 4}, LARGE},
    {{3, 4, 4, 1, 8, 4}, ALL_EQUAL},     {{4, 256, 4, 1, 2, 5}, BEST_LAST},
    {{3, 260, 300, 2, 5, 2}, TIES},
};

static const uint32_t counts[] = {4, 0, 1, 2, 3, 1000003, 11};

static float distance(const struct case_source *s, enum contents contents, uint32_t i,
                      uint32_t bins)
{
    float value = 1.5f + case_uniform(s);

    switch (contents) {
    case TIES: return (float)(s->random(s->state) % 64) / 8 + 0.25f;
    case ALL_EQUAL: return 0.75f;
    case BEST_LAST: return i == bins - 1 ? 0.1f : value;
    case ALL_NAN: return NAN;
    case SOME_NAN: return s->random(s->state) % 2 ? NAN : value;
    case ZEROS: return i % 5 == 4 ? 0.0f : value;
    case LARGE: return value * 1e38f;
    default: return value;
    }
}

bool vq_pick_cases(enum kernel_id id, uint32_t index, const struct case_source *source,
                   struct kernel_case *out)
{
    const struct vq_pick_params *p;
    float *dist;

    (void)id;
    if (index >= COUNT_OF(shapes))
        return false;
    p = &shapes[index].params;
    out->params.vq_pick = *p;
    snprintf(out->text, sizeof(out->text),
             "%u slots, %u bins of %u, codebook %u of %u, ring %u, contents %d", p->slots, p->bins,
             p->dim, p->codebook, p->n_codes, p->codes_ring, (int)shapes[index].contents);
    case_slots(source, out, 0, p->slots, SLOT_AUDIO, 1, counts, COUNT_OF(counts));
    dist = case_buffer(source, out, 1, p->slots * p->bins);
    for (uint32_t i = 0; i < p->slots * p->bins; i++)
        dist[i] = distance(source, shapes[index].contents, i % p->bins, p->bins);
    case_floats(source, out, 2, p->bins * p->dim, 1.0f);
    case_floats(source, out, 3, p->slots * p->dim, 1.0f);
    case_integers(source, out, 4, p->slots * p->codes_ring * p->n_codes, 2048);
    case_integers(source, out, 5, p->slots * p->n_codes * 3, 2048);
    out->bytes = 4.0 * p->slots * (p->bins + 3.0 * p->dim);
    out->flops = 1.0 * p->slots * (p->bins + p->dim);
    return true;
}

void vq_pick_ref(const struct kernel_case *c)
{
    const struct vq_pick_params *p = &c->params.vq_pick;
    const float *centroids = c->data[2];
    uint32_t *codes = c->data[4], *infos = c->data[5];

    for (uint32_t slot = 0; slot < p->slots; slot++) {
        const uint32_t *state = ref_slot(c, 0, slot);
        const float *dist = (const float *)c->data[1] + slot * p->bins;
        float *r = (float *)c->data[3] + slot * p->dim;
        uint32_t *info = infos + 3 * (slot * p->n_codes + p->codebook);
        uint32_t at[2] = {0, 0}; /* of the best, of the best of the others */
        float least[2] = {3.4e38f, 3.4e38f};

        for (uint32_t pass = 0; pass < 2; pass++) {
            for (uint32_t i = 0; i < p->bins; i++) {
                if (dist[i] < least[pass] && (pass == 0 || i != at[0])) {
                    least[pass] = dist[i];
                    at[pass] = i;
                }
            }
        }
        if (state[STATE_FLAGS] & SLOT_AUDIO)
            codes[(slot * p->codes_ring + state[STATE_FRAME] % p->codes_ring) * p->n_codes +
                  p->codebook] = at[0];
        info[0] = float_bits((float)sqrt((double)least[0]));
        info[1] = float_bits((float)sqrt((double)least[1]));
        info[2] = at[1];
        for (uint32_t i = 0; i < p->dim; i++)
            r[i] -= centroids[at[0] * p->dim + i];
    }
}
