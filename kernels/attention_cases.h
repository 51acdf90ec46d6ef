/* SPDX-License-Identifier: MIT
 *
 * Shapes, ring contents and the visibility rule that the kernels attention and attention_combine
 * are tested with, and the reference of a part of the ring.
 */
#ifndef STAPES_KERNELS_ATTENTION_CASES_H
#define STAPES_KERNELS_ATTENTION_CASES_H

#include "kernels/case_state.h"
#include "kernels/kv_ref.h"

struct attention_shape {
    struct attention_params params;
    uint32_t first; /* counts[first ...] are the positions of the slots */
    float q_scale;
};

/* in steps or frames: an empty ring, nearly full, just full, and wrapped; at the edges of parts */
static const uint32_t attention_counts[] = {0,  1,  8,  9,   10,  11,  4,       5,
                                            6,  63, 64, 65,  299, 749, 1000003, 400000007,
                                            55, 56, 57, 110, 111, 112};

/* splits as given (0: what the model takes); the sum of a chunk of attention_wg is 256 keys */
static const struct attention_shape attention_shapes[] = {
    {{1, 1, 16, 128, 750, POSITION_STEP, 0, 0, 0}, 14, 1},
    {{1, 2, 8, 64, 250, POSITION_FRAME, 0, 0, 0}, 15, 1},
    {{9, 1, 2, 16, 10, POSITION_STEP, 0, 0, 0}, 0, 1},
    {{7, 2, 2, 8, 10, POSITION_FRAME, 0, 0, 1}, 0, 4},
    {{5, 3, 1, 12, 10, POSITION_FRAME, 0, 0, 1}, 3, 1},
    {{3, 5, 3, 4, 9, POSITION_FRAME, 0, 0, 1}, 1, 1},
    {{4, 1, 1, 64, 64, POSITION_STEP, 0, 0, 1}, 9, 30},
    {{4, 1, 2, 8, 257, POSITION_STEP, 0, 0, 0}, 11, 4},
    {{2, 2, 1, 32, 255, POSITION_FRAME, 0, 0, 1}, 12, 100},
    {{2, 1, 1, 256, 300, POSITION_STEP, 0, 0, 0}, 12, 1},
    {{3, 1, 4, 64, 16, POSITION_STATIC, 0, 0, 1}, 3, 1},
    {{3, 1, 4, 64, 16, POSITION_STATIC, 15, 0, 1}, 3, 1},
    {{3, 1, 2, 20, 1, POSITION_STEP, 0, 0, 1}, 3, 1},
    {{1, 1, 1, 64, 4100, POSITION_STEP, 0, 0, 0}, 14, 1},
    {{2, 1, 1, 24, 33, POSITION_STEP, 0, 0, 1}, 5, 0},
    {{6, 1, 2, 96, 750, POSITION_STEP, 0, 0, 7}, 16, 1},
    {{6, 2, 1, 40, 750, POSITION_FRAME, 0, 0, 7}, 16, 4},
    {{5, 2, 2, 64, 33, POSITION_FRAME, 0, 0, 4}, 0, 1},
    {{3, 1, 1, 128, 750, POSITION_STEP, 0, 0, 1}, 13, 1},
};

/* full windows */
static const struct attention_shape attention_bench_shapes[] = {
    {{1, 1, 16, 128, 750, POSITION_STEP, 0, 0, 0}, 14, 1},
    {{8, 1, 16, 128, 750, POSITION_STEP, 0, 0, 0}, 14, 1},
    {{64, 1, 16, 128, 750, POSITION_STEP, 0, 0, 0}, 14, 1},
    {{1, 2, 8, 64, 250, POSITION_FRAME, 0, 0, 0}, 14, 1},
};

/* Every shape with every type of cache. */
static inline const struct attention_shape *attention_shape(uint32_t index,
                                                            struct attention_params *p)
{
    const struct attention_shape *shape = NULL;

    if (index >= CASE_BENCH && index - CASE_BENCH < 3 * COUNT_OF(attention_bench_shapes))
        shape = &attention_bench_shapes[(index - CASE_BENCH) / 3];
    else if (index < 3 * COUNT_OF(attention_shapes))
        shape = &attention_shapes[index / 3];
    else
        return NULL;
    *p = shape->params;
    p->kv_type = (index >= CASE_BENCH ? index - CASE_BENCH : index) % 3;
    if (!p->splits)
        p->splits = attention_splits(p->capacity);
    return shape;
}

/* Parameters, and the state at binding 0. One slot in the middle idles. */
static inline const struct attention_shape *attention_case(const struct case_source *s,
                                                           uint32_t index, struct kernel_case *out)
{
    const struct attention_params *p = &out->params.attention;
    const struct attention_shape *shape = attention_shape(index, &out->params.attention);
    uint32_t n;

    if (!shape)
        return NULL;
    snprintf(out->text, sizeof(out->text),
             "%s, %u slots x %u, %u heads of %u, ring %u in %u, source %u, from %u, q %g",
             kv_type_names[p->kv_type], p->slots, p->per_slot, p->heads, p->head_dim, p->capacity,
             p->splits, p->source, attention_counts[shape->first], (double)shape->q_scale);
    n = index >= CASE_BENCH ? 2 : COUNT_OF(attention_counts) - shape->first;
    case_slots(s, out, 0, p->slots, p->source == POSITION_FRAME ? SLOT_AUDIO : SLOT_STEP,
               p->slots > 2 && index < CASE_BENCH ? 1 : UINT32_MAX, attention_counts + shape->first,
               n);
    return shape;
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

/* [slot][t][head] */
static inline uint32_t attention_rows(const struct attention_params *p)
{
    return p->slots * p->per_slot * p->heads;
}

/* first word of a row of partials or of out */
static inline uint32_t attention_row_words(const struct attention_params *p)
{
    return p->splits == 1 ? p->head_dim : p->splits * PARTIAL_WORDS(p->head_dim);
}

#endif
