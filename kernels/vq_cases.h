/* SPDX-License-Identifier: MIT
 *
 * Picks of the quantizer in C, and rows of them, for the cases and references of vq_step and
 * vq_end.
 */
#ifndef STAPES_KERNELS_VQ_CASES_H
#define STAPES_KERNELS_VQ_CASES_H

#include "kernels/case_state.h"

/* What the picks of a case's rows are made from. */
enum vq_contents { VQ_RANDOM, VQ_TIES, VQ_ALL_EQUAL, VQ_BEST_LAST, VQ_NOTHING, VQ_SOME, VQ_LARGE };

static const float vq_no_pick[4] = {VQ_FARTHEST, VQ_FARTHEST, 0, 0};

/* Distances come in the order of their bins. */
static inline void vq_take(float pick[4], float d, uint32_t bin)
{
    if (d < pick[0]) {
        pick[1] = pick[0];
        pick[3] = pick[2];
        pick[0] = d;
        pick[2] = (float)bin;
    } else if (d < pick[1]) {
        pick[1] = d;
        pick[3] = (float)bin;
    }
}

static inline float vq_distance(const struct case_source *s, enum vq_contents contents, bool last)
{
    const float value = 1.5f + case_uniform(s);

    switch (contents) {
    case VQ_TIES: return (float)(s->random(s->state) % 64) / 8 + 0.25f;
    case VQ_ALL_EQUAL: return 0.75f;
    case VQ_BEST_LAST: return last ? 0.1f : value;
    case VQ_NOTHING: return NAN;
    case VQ_SOME: return s->random(s->state) % 16 ? NAN : value;
    case VQ_LARGE: return value * 1e38f;
    default: return value;
    }
}

/* Rows as vq_step writes them; the residuals are multiples of 1/8. */
static inline void vq_rows(const struct case_source *s, struct kernel_case *c, uint32_t binding,
                           uint32_t slots, uint32_t bins, uint32_t dim, enum vq_contents contents)
{
    float *row = case_buffer(s, c, binding, slots * VQ_ROW(bins, dim));

    for (uint32_t slot = 0; slot < slots; slot++, row += VQ_ROW(bins, dim)) {
        for (uint32_t bin = 0; bin < bins; bin++) {
            float *pick = row + bin / VQ_TILE * 4;

            if (bin % VQ_TILE == 0)
                memcpy(pick, vq_no_pick, sizeof(vq_no_pick));
            vq_take(pick, vq_distance(s, contents, bin == bins - 1), bin);
        }
        for (uint32_t i = 0; i < dim; i++)
            row[4 * VQ_TILES(bins) + i] = (float)(s->random(s->state) % 33) / 8 - 2;
    }
}

/* The best of all picks of a row: first of the least, then first of the least of the others. */
static inline void ref_best(const float *row, uint32_t bins, float best[4])
{
    memcpy(best, vq_no_pick, sizeof(vq_no_pick));
    for (uint32_t t = 0; t < VQ_TILES(bins); t++)
        if (row[4 * t] < best[0]) {
            best[0] = row[4 * t];
            best[2] = row[4 * t + 2];
        }
    for (uint32_t t = 0; t < VQ_TILES(bins); t++) {
        const uint32_t which = row[4 * t] < VQ_FARTHEST && row[4 * t + 2] == best[2];

        if (row[4 * t + which] < best[1]) {
            best[1] = row[4 * t + which];
            best[3] = row[4 * t + 2 + which];
        }
    }
}

static inline void ref_write(const uint32_t *state, const float best[4], uint32_t n_codes,
                             uint32_t codes_ring, uint32_t slot, uint32_t codebook, uint32_t *codes,
                             uint32_t *infos)
{
    uint32_t *info = infos + 3 * (slot * n_codes + codebook);

    if (state[STATE_FLAGS] & SLOT_AUDIO)
        codes[(slot * codes_ring + state[STATE_FRAME] % codes_ring) * n_codes + codebook] =
            (uint32_t)best[2];
    info[0] = float_bits((float)sqrt((double)best[0]));
    info[1] = float_bits((float)sqrt((double)best[1]));
    info[2] = (uint32_t)best[3];
}

#endif
