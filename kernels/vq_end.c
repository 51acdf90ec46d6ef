/* SPDX-License-Identifier: MIT */
#include "kernels/vq_cases.h"

static const struct {
    struct vq_end_params params;
    enum vq_contents contents;
} shapes[] = {
    {{1, 2048, 256, 32, 4}, VQ_RANDOM},  {{9, 2048, 4, 32, 3}, VQ_TIES},
    {{3, 255, 8, 1, 1}, VQ_TIES},        {{4, 256, 4, 2, 5}, VQ_BEST_LAST},
    {{2, 1, 4, 8, 4}, VQ_RANDOM},        {{2, 2, 4, 8, 4}, VQ_TIES},
    {{3, 1000, 64, 8, 4}, VQ_ALL_EQUAL}, {{2, 300, 16, 8, 4}, VQ_NOTHING},
    {{3, 300, 16, 8, 4}, VQ_SOME},       {{17, 70, 32, 2, 4}, VQ_LARGE},
};

static const struct vq_end_params bench_shapes[] = {{1, 2048, 256, 32, 2}, {8, 2048, 256, 32, 2}};

static const uint32_t counts[] = {4, 0, 1, 2, 3, 1000003, 11};

bool vq_end_cases(enum kernel_id id, uint32_t index, const struct case_source *source,
                  struct kernel_case *out)
{
    const bool bench = index >= CASE_BENCH;
    struct vq_end_params *p = &out->params.vq_end;

    (void)id;
    if (index - (bench ? CASE_BENCH : 0) >= (bench ? COUNT_OF(bench_shapes) : COUNT_OF(shapes)))
        return false;
    *p = bench ? bench_shapes[index - CASE_BENCH] : shapes[index].params;
    const enum vq_contents contents = bench ? VQ_RANDOM : shapes[index].contents;
    snprintf(out->text, sizeof(out->text),
             "%u slots, %u bins of %u, %u codes, ring %u, contents %d", p->slots, p->bins, p->dim,
             p->n_codes, p->codes_ring, (int)contents);
    case_slots(source, out, 0, p->slots, SLOT_AUDIO, 1, counts, COUNT_OF(counts));
    vq_rows(source, out, 1, p->slots, p->bins, p->dim, contents);
    if (p->n_codes > 1)
        vq_rows(source, out, 2, p->slots, p->bins, p->dim, contents);
    case_integers(source, out, 3, p->slots * p->codes_ring * p->n_codes, 2048);
    case_integers(source, out, 4, p->slots * p->n_codes * 3, 2048);
    out->bytes = 32.0 * p->slots * VQ_TILES(p->bins);
    return true;
}

void vq_end_ref(const struct kernel_case *c)
{
    const struct vq_end_params *p = &c->params.vq_end;

    for (uint32_t slot = 0; slot < p->slots; slot++) {
        for (uint32_t chain = 0; chain < MIN(p->n_codes, 2u); chain++) {
            const float *rows = c->data[1 + chain];
            float best[4];

            ref_best(rows + slot * VQ_ROW(p->bins, p->dim), p->bins, best);
            ref_write(ref_slot(c, 0, slot), best, p->n_codes, p->codes_ring, slot,
                      chain ? p->n_codes - 1 : 0, c->data[3], c->data[4]);
        }
    }
}
