/* SPDX-License-Identifier: MIT */
#include "kernels/kv_ref.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/weights_ref.h"

const char *const kv_type_names[] = {"f32", "f16", "q8"};

static uint16_t nearest_f16(float value)
{
    const uint16_t below = float_to_f16(value), above = below + 1;
    const float to_below = fabsf(value - f16_to_float(below)),
                to_above = fabsf(value - f16_to_float(above));

    return to_above < to_below || (to_above == to_below && below % 2) ? above : below;
}

static uint32_t unit_at(const struct kv_shape *s, uint32_t slot, uint32_t head, uint32_t position)
{
    return slot * KV_SLOT_WORDS(s->type, s->capacity, s->heads, s->head_dim) +
           (head * s->capacity + position) * KV_HEAD_UNITS(s->type, s->head_dim) * 4;
}

static uint32_t scale_at(const struct kv_shape *s, uint32_t slot, uint32_t head, uint32_t position)
{
    return unit_at(s, slot, s->heads, 0) +
           (head * s->capacity + position) * KV_SCALE_WORDS(s->type, s->head_dim);
}

static void store_blocks(const struct kv_shape *s, uint32_t *words, uint32_t *scales,
                         const float *from)
{
    for (uint32_t first = 0; first < s->head_dim; first += 32) {
        const uint32_t end = MIN(first + 32, s->head_dim);
        float most = 0;

        for (uint32_t i = first; i < end; i++)
            most = MAX(most, fabsf(from[i]));
        const uint16_t half = nearest_f16(most * (1.0f / 127.0f));
        const float inverse = half ? 1.0f / f16_to_float(half) : 0.0f;

        scales[first / 64] |= (uint32_t)half << (first / 32 % 2 * 16);
        for (uint32_t i = first; i < end; i++) {
            const float byte = fminf(fmaxf(nearbyintf(from[i] * inverse), -127), 127);

            words[i / 4] |= ((uint32_t)(int)byte & 255) << (i % 4 * 8);
        }
    }
}

void kv_ref_store(const struct kv_shape *s, uint32_t *cache, uint32_t slot, uint32_t head,
                  uint32_t position, const float *from)
{
    uint32_t *words = cache + unit_at(s, slot, head, position);
    uint32_t *scales = cache + scale_at(s, slot, head, position);

    memset(words, 0, KV_HEAD_UNITS(s->type, s->head_dim) * 4 * sizeof(*words));
    memset(scales, 0, KV_SCALE_WORDS(s->type, s->head_dim) * sizeof(*scales));
    if (s->type == KV_Q8)
        store_blocks(s, words, scales, from);
    else if (s->type == KV_F32)
        memcpy(words, from, s->head_dim * sizeof(*words));
    else
        for (uint32_t i = 0; i < s->head_dim; i++)
            words[i / 2] |= (uint32_t)nearest_f16(from[i]) << (i % 2 * 16);
}

void kv_ref_load(const struct kv_shape *s, const uint32_t *cache, uint32_t slot, uint32_t head,
                 uint32_t position, double *to)
{
    const uint32_t *words = cache + unit_at(s, slot, head, position);
    const uint32_t *scales = cache + scale_at(s, slot, head, position);

    for (uint32_t i = 0; i < s->head_dim; i++) {
        float value;

        memcpy(&value, &words[i], sizeof(value));
        if (s->type == KV_F16)
            value = f16_to_float((uint16_t)(words[i / 2] >> (i % 2 * 16)));
        if (s->type == KV_Q8)
            value = (float)(int8_t)(words[i / 4] >> (i % 4 * 8)) *
                    f16_to_float((uint16_t)(scales[i / 64] >> (i / 32 % 2 * 16)));
        to[i] = (double)value;
    }
}

void kv_ref_poison(const struct kv_shape *s, uint32_t *cache, uint32_t slot, uint32_t head,
                   uint32_t position)
{
    memset(cache + unit_at(s, slot, head, position), 255,
           KV_HEAD_UNITS(s->type, s->head_dim) * 4 * sizeof(*cache));
    memset(cache + scale_at(s, slot, head, position), 255,
           KV_SCALE_WORDS(s->type, s->head_dim) * sizeof(*cache));
}

static double half_share(uint16_t got, uint16_t want, double error)
{
    const double value = (double)f16_to_float(want);

    return fabs((double)f16_to_float(got) - value) / (error + ldexp(fabs(value), -10) + 0x1p-24);
}

double kv_ref_share(const struct kv_shape *s, uint32_t word, uint32_t got, uint32_t want,
                    double error)
{
    const uint32_t in_slot = word % KV_SLOT_WORDS(s->type, s->capacity, s->heads, s->head_dim);
    double most = 0;

    if (s->type == KV_F32) {
        float got_value, want_value;

        memcpy(&got_value, &got, sizeof(got));
        memcpy(&want_value, &want, sizeof(want));
        most = fabs((double)got_value - (double)want_value) / error;
    } else if (s->type == KV_F16 || in_slot >= scale_at(s, 0, 0, 0)) {
        for (uint32_t shift = 0; shift < 32; shift += 16)
            most = fmax(most, half_share((uint16_t)(got >> shift), (uint16_t)(want >> shift),
                                         s->type == KV_F16 ? error : 0));
    } else {
        for (uint32_t shift = 0; shift < 32; shift += 8)
            most = fmax(most, abs((int8_t)(got >> shift) - (int8_t)(want >> shift)));
    }
    return isnan(most) ? INFINITY : most;
}
