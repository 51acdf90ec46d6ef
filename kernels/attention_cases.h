/* SPDX-License-Identifier: MIT
 *
 * Shapes, ring contents and the visibility rule that the attention kernels are tested with.
 */
#ifndef STAPES_KERNELS_ATTENTION_CASES_H
#define STAPES_KERNELS_ATTENTION_CASES_H

#include "kernels/case_state.h"

struct attention_shape {
    struct attention_params params;
    uint32_t first; /* counts[first ...] are the positions of the slots */
    float q_scale;
};

/* in steps or frames: an empty ring, nearly full, just full, and wrapped */
static const uint32_t attention_counts[] = {0, 1,  8,  9,  10,  11,  4,       5,
                                            6, 63, 64, 65, 299, 749, 1000003, 400000007};

/* the model's two first: they are what the bench runs; the sum of a chunk is 256 keys, a block 64
 */
static const struct attention_shape attention_shapes[] = {
    {{1, 1, 16, 128, 750, POSITION_STEP, 0}, 14, 1},
    {{1, 2, 8, 64, 250, POSITION_FRAME, 0}, 15, 1},
    {{9, 1, 2, 16, 10, POSITION_STEP, 0}, 0, 1},
    {{7, 2, 2, 8, 10, POSITION_FRAME, 0}, 0, 4},
    {{5, 3, 1, 12, 10, POSITION_FRAME, 0}, 3, 1},
    {{3, 5, 3, 4, 9, POSITION_FRAME, 0}, 1, 1},
    {{4, 1, 1, 64, 64, POSITION_STEP, 0}, 9, 30},
    {{4, 1, 2, 8, 257, POSITION_STEP, 0}, 11, 4},
    {{2, 2, 1, 32, 255, POSITION_FRAME, 0}, 12, 100},
    {{2, 1, 1, 256, 300, POSITION_STEP, 0}, 12, 1},
    {{3, 1, 4, 64, 16, POSITION_STATIC, 0}, 3, 1},
    {{3, 1, 4, 64, 16, POSITION_STATIC, 15}, 3, 1},
    {{3, 1, 2, 20, 1, POSITION_STEP, 0}, 3, 1},
    {{1, 1, 1, 64, 4100, POSITION_STEP, 0}, 14, 1},
    {{2, 1, 1, 24, 33, POSITION_STEP, 0}, 5, 0},
};

/* Parameters, and the state at binding 0. One slot in the middle idles. */
static inline bool attention_case(const struct case_source *s, uint32_t index,
                                  struct kernel_case *out)
{
    const struct attention_shape *shape;
    const struct attention_params *p;
    double used;

    if (index >= COUNT_OF(attention_shapes))
        return false;
    shape = &attention_shapes[index];
    p = &shape->params;
    out->params.attention = *p;
    snprintf(out->text, sizeof(out->text),
             "%u slots x %u, %u heads of %u, ring %u, source %u, static %u, from %u, q %g",
             p->slots, p->per_slot, p->heads, p->head_dim, p->capacity, p->source,
             p->static_position, attention_counts[shape->first], (double)shape->q_scale);
    case_slots(s, out, 0, p->slots, p->source == POSITION_FRAME ? SLOT_AUDIO : SLOT_STEP,
               p->slots > 2 ? 1 : UINT32_MAX, attention_counts + shape->first,
               COUNT_OF(attention_counts) - shape->first);
    used = (double)p->slots * p->per_slot * p->heads * p->capacity;
    out->bytes = 4.0 * p->slots * p->heads * p->capacity * p->head_dim;
    out->flops = 2.0 * used * p->head_dim;
    return true;
}

static inline uint32_t ref_last(const struct attention_params *p, const uint32_t *slot)
{
    return ref_position(slot, p->source, p->static_position, p->per_slot) + p->per_slot - 1;
}

static inline uint32_t ref_used(const struct attention_params *p, const uint32_t *slot)
{
    uint64_t end = (uint64_t)ref_last(p, slot) + 1;

    return (uint32_t)MIN(end, p->capacity);
}

/* the rule as params.h has it */
static inline bool ref_visible(const struct attention_params *p, const uint32_t *slot, uint32_t r,
                               uint32_t t)
{
    int64_t e = ref_last(p, slot), q = e - (p->per_slot - 1) + t,
            behind = (e - (int64_t)r) % p->capacity;
    int64_t j = e - (behind < 0 ? behind + p->capacity : behind);

    return j >= 0 && j <= q;
}

/* A ring of random vectors; what has not been written yet is NaN. */
static inline float *case_ring(const struct case_source *s, struct kernel_case *c, uint32_t binding,
                               float scale)
{
    const struct attention_params *p = &c->params.attention;
    uint32_t width = p->heads * p->head_dim;
    float *ring = case_floats(s, c, binding, p->slots * p->capacity * width, scale);

    for (uint32_t slot = 0; slot < p->slots; slot++) {
        uint32_t used = ref_used(p, ref_slot(c, 0, slot));

        for (uint32_t i = used * width; i < p->capacity * width; i++)
            ring[slot * p->capacity * width + i] = NAN;
    }
    return ring;
}

/* [slot][t][head] */
static inline uint32_t attention_rows(const struct attention_params *p)
{
    return p->slots * p->per_slot * p->heads;
}

#endif
