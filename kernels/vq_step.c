/* SPDX-License-Identifier: MIT */
#include "kernels/vq_cases.h"

/* EXACT: all values are multiples of 1/8, so that every order of sums gives the same distances, and
 * many of them tie. REAL: some of each tile are smaller than the others, and nearer, so that
 * rounding does not choose. */
enum centroids { EXACT, REAL, FAR };

static const struct {
    struct vq_step_params params;
    enum vq_contents contents;
    enum centroids centroids;
} shapes[] = {
    /* slots, bins, dim, picks, codebook, n_codes, codes_ring */
    {{1, 2048, 256, 1, 3, 32, 4}, VQ_RANDOM, REAL}, {{1, 2048, 256, 0, 0, 32, 4}, VQ_RANDOM, REAL},
    {{9, 1024, 64, 1, 30, 32, 3}, VQ_TIES, EXACT},  {{3, 255, 8, 1, 0, 1, 1}, VQ_TIES, EXACT},
    {{4, 256, 4, 1, 1, 2, 5}, VQ_BEST_LAST, EXACT}, {{3, 257, 300, 1, 2, 5, 2}, VQ_TIES, EXACT},
    {{2, 1, 4, 1, 0, 8, 4}, VQ_RANDOM, EXACT},      {{2, 2, 4, 1, 7, 8, 4}, VQ_TIES, EXACT},
    {{3, 33, 36, 0, 1, 8, 4}, VQ_RANDOM, EXACT},    {{3, 1000, 64, 1, 1, 8, 4}, VQ_ALL_EQUAL, REAL},
    {{2, 300, 16, 1, 1, 8, 4}, VQ_NOTHING, FAR},    {{3, 300, 16, 1, 1, 8, 4}, VQ_SOME, EXACT},
    {{17, 70, 32, 1, 1, 2, 4}, VQ_LARGE, EXACT},    {{5, 31, 2048, 1, 2, 5, 2}, VQ_TIES, EXACT},
    {{6, 9000, 4, 1, 2, 5, 2}, VQ_TIES, EXACT},
};

static const struct vq_step_params bench_shapes[] = {{1, 2048, 256, 1, 3, 32, 2},
                                                     {8, 2048, 256, 1, 3, 32, 2}};

static const uint32_t counts[] = {4, 0, 1, 2, 3, 1000003, 11};

static void make_centroids(const struct case_source *s, struct kernel_case *c, uint32_t binding,
                           uint32_t bins, uint32_t dim, enum centroids kind)
{
    float *values = case_floats(s, c, binding, bins * dim, kind == FAR ? 1e30f : 2.0f);

    for (uint32_t i = 0; i < bins * dim; i++) {
        if (kind == EXACT)
            values[i] = roundf(values[i] * 8) / 8;
        if (kind == REAL)
            values[i] *= (float)(1 + 5 * (i / dim) % VQ_TILE);
    }
}

bool vq_step_cases(enum kernel_id id, uint32_t index, const struct case_source *source,
                   struct kernel_case *out)
{
    const bool bench = index >= CASE_BENCH;
    struct vq_step_params *p = &out->params.vq_step;

    (void)id;
    if (index - (bench ? CASE_BENCH : 0) >= (bench ? COUNT_OF(bench_shapes) : COUNT_OF(shapes)))
        return false;
    *p = bench ? bench_shapes[index - CASE_BENCH] : shapes[index].params;
    const enum vq_contents contents = bench ? VQ_RANDOM : shapes[index].contents;
    const enum centroids kind = bench ? REAL : shapes[index].centroids;
    snprintf(out->text, sizeof(out->text),
             "%u slots, %u bins of %u, picks %u, codebook %u of %u, ring %u, contents %d and %d",
             p->slots, p->bins, p->dim, p->picks, p->codebook, p->n_codes, p->codes_ring,
             (int)contents, (int)kind);
    case_slots(source, out, 0, p->slots, SLOT_AUDIO, 1, counts, COUNT_OF(counts));
    vq_rows(source, out, 1, p->slots, p->bins, p->dim, contents);
    make_centroids(source, out, 3, p->bins, p->dim, kind);
    case_buffer(source, out, 4, p->slots * VQ_ROW(p->bins, p->dim));
    if (p->picks) {
        make_centroids(source, out, 2, p->bins, p->dim, EXACT);
        case_integers(source, out, 5, p->slots * p->codes_ring * p->n_codes, 2048);
        case_integers(source, out, 6, p->slots * p->n_codes * 3, 2048);
    }
    /* terms of one sign: a rounding of each difference, and those of the sum */
    if (kind == REAL)
        out->tolerance_relative = F32_ROUNDING * (4 + sqrt(p->dim));
    out->bytes = 4.0 * p->bins * p->dim + 8.0 * p->slots * VQ_ROW(p->bins, p->dim);
    out->flops = 3.0 * p->slots * p->bins * p->dim;
    return true;
}

void vq_step_ref(const struct kernel_case *c)
{
    const struct vq_step_params *p = &c->params.vq_step;
    const float *previous = c->data[2], *centroids = c->data[3];
    const uint32_t words = VQ_ROW(p->bins, p->dim), r_at = 4 * VQ_TILES(p->bins);

    for (uint32_t slot = 0; slot < p->slots; slot++) {
        const float *from = (const float *)c->data[1] + slot * words;
        float *to = (float *)c->data[4] + slot * words, *r = to + r_at;

        memcpy(r, from + r_at, p->dim * sizeof(float));
        if (p->picks) {
            float best[4];

            ref_best(from, p->bins, best);
            ref_write(ref_slot(c, 0, slot), best, p->n_codes, p->codes_ring, slot, p->codebook,
                      c->data[5], c->data[6]);
            for (uint32_t i = 0; i < p->dim; i++)
                r[i] -= previous[(uint32_t)best[2] * p->dim + i];
        }
        for (uint32_t bin = 0; bin < p->bins; bin++) {
            float *pick = to + bin / VQ_TILE * 4;
            double sum = 0;

            for (uint32_t i = 0; i < p->dim; i++)
                sum += pow((double)r[i] - (double)centroids[bin * p->dim + i], 2);
            if (bin % VQ_TILE == 0)
                memcpy(pick, vq_no_pick, sizeof(vq_no_pick));
            vq_take(pick, sum < VQ_FARTHEST ? (float)sum : INFINITY, bin);
        }
    }
}
