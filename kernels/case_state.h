/* SPDX-License-Identifier: MIT
 *
 * What the case generators and references of the state, attention and frame kernels share.
 */
#ifndef STAPES_KERNELS_CASE_STATE_H
#define STAPES_KERNELS_CASE_STATE_H

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "kernels/reference.h"

#define F32_ROUNDING 5.9604645e-8 /* 2^-24: relative error of one rounding */

static inline void *case_buffer(const struct case_source *s, struct kernel_case *c,
                                uint32_t binding, uint32_t words)
{
    c->data[binding] = s->alloc(s->state, sizeof(uint32_t) * words);
    c->words[binding] = words;
    return c->data[binding];
}

/* uniform in [-scale, scale) */
static inline float *case_floats(const struct case_source *s, struct kernel_case *c,
                                 uint32_t binding, uint32_t words, float scale)
{
    float *data = case_buffer(s, c, binding, words);

    for (uint32_t i = 0; i < words; i++)
        data[i] = scale * case_uniform(s);
    return data;
}

static inline uint32_t *case_integers(const struct case_source *s, struct kernel_case *c,
                                      uint32_t binding, uint32_t words, uint32_t below)
{
    uint32_t *data = case_buffer(s, c, binding, words);

    for (uint32_t i = 0; i < words; i++)
        data[i] = s->random(s->state) % below;
    return data;
}

/* Noise, but for the words that kernels use. Slot i gets `flags`, unless it is slot number `idle`,
 * and counts[i % n] as its frame if they have AUDIO, otherwise as its step; the other one is more.
 */
static inline uint32_t *case_slots(const struct case_source *s, struct kernel_case *c,
                                   uint32_t binding, uint32_t slots, uint32_t flags, uint32_t idle,
                                   const uint32_t *counts, uint32_t n)
{
    uint32_t *state = case_integers(s, c, binding, STATE_HEAD + slots * STATE_SLOT, UINT32_MAX);

    for (uint32_t i = 0; i < slots; i++) {
        uint32_t *slot = state + STATE_HEAD + i * STATE_SLOT;

        slot[STATE_FLAGS] = i == idle ? 0 : flags;
        slot[STATE_STEP] = counts[i % n] + (flags & SLOT_AUDIO ? 3 : 0);
        slot[STATE_FRAME] = counts[i % n] + (flags & SLOT_AUDIO ? 0 : 3);
    }
    return state;
}

static inline const uint32_t *ref_slot(const struct kernel_case *c, uint32_t binding, uint32_t slot)
{
    return (const uint32_t *)c->data[binding] + STATE_HEAD + slot * STATE_SLOT;
}

static inline bool ref_runs(const uint32_t *slot, uint32_t source)
{
    return (slot[STATE_FLAGS] & (source == POSITION_FRAME ? SLOT_AUDIO : SLOT_STEP)) != 0;
}

static inline uint32_t ref_position(const uint32_t *slot, uint32_t source, uint32_t static_position,
                                    uint32_t per_slot)
{
    if (source == POSITION_STATIC)
        return static_position;
    return slot[source == POSITION_FRAME ? STATE_FRAME : STATE_STEP] * per_slot;
}

static inline uint32_t float_bits(float value)
{
    uint32_t bits;

    memcpy(&bits, &value, sizeof(bits));
    return bits;
}

#endif
