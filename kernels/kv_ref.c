/* SPDX-License-Identifier: MIT */
#include "kernels/kv_ref.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/case_state.h"
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

/* What is stored at a word of a cache. */
struct place {
    uint32_t element; /* the first one in the word; or the first one of the first scale's block */
    bool scales;
    const float *from; /* the whole head as it was before rounding; NULL: nothing is written here */
};

static struct place find_place(const struct kernel_case *c, uint32_t binding, uint32_t word,
                               const struct kv_shape *s)
{
    const struct rope_kv_params *p = &c->params.rope_kv;
    const uint32_t slot_words = KV_SLOT_WORDS(s->type, s->capacity, s->heads, s->head_dim);
    const uint32_t slot = word / slot_words, cols = p->slots * p->per_slot;
    const uint32_t *state = ref_slot(c, 0, slot);
    struct place place = {.scales = word % slot_words >= scale_at(s, 0, 0, 0)};
    const uint32_t at = word % slot_words - (place.scales ? scale_at(s, 0, 0, 0) : 0);
    const uint32_t head_words = place.scales ? KV_SCALE_WORDS(s->type, s->head_dim)
                                             : KV_HEAD_UNITS(s->type, s->head_dim) * 4;
    const uint32_t head = head_words ? at / head_words / s->capacity : s->heads;

    if (head >= s->heads || !ref_runs(state, p->source))
        return place;
    place.element = at % head_words * (place.scales ? 64 : KV_UNIT(s->type) / 4);
    for (uint32_t t = 0; t < p->per_slot; t++) {
        const uint32_t position =
            ref_position(state, p->source, p->static_position, p->per_slot) + t;
        const uint32_t col = (binding == 5 ? cols : 0) + slot * p->per_slot + t;

        if (position % s->capacity == at / head_words % s->capacity)
            place.from = c->kept + ((size_t)col * s->heads + head) * s->head_dim;
    }
    return place;
}

/* Halves in the order of their values, and those values. */
static int half_order(uint16_t half)
{
    return half & 0x8000 ? -(half & 0x7fff) : half;
}

static double half_value(int order)
{
    return copysign((double)f16_to_float((uint16_t)abs(order)), order);
}

/* From value to the nearest one that rounds to `got`, as a share of error. Without an error a tie has
 * one right result. */
static double half_share(uint16_t got, float value, double error)
{
    const int order = half_order(got);
    const int beside = (double)value > half_value(order) ? order + 1 : order - 1;

    if (order == half_order(nearest_f16(value)))
        return 0;
    if (fabsf(value) < 0x1p-14f)
        error += 0x1p-24;
    if (abs(order) > 0x7c00 || error == 0)
        return INFINITY;
    return fabs((double)value - (half_value(order) + half_value(beside)) / 2) / error;
}

static float most_of(const float *from, uint32_t block, uint32_t head_dim)
{
    float most = 0;

    for (uint32_t i = block * 32; i < MIN(block * 32 + 32, head_dim); i++)
        most = MAX(most, fabsf(from[i]));
    return most;
}

/* Of the two scales that the block may have, the better one counts. */
static double byte_share(int8_t got, const float *from, uint32_t element, uint32_t head_dim,
                         double error)
{
    const double most = (double)most_of(from, element / 32, head_dim);
    double best = INFINITY;

    for (int sign = -1; sign <= 1; sign += 2) {
        const double scale =
            (double)f16_to_float(nearest_f16((float)((most + sign * error) * (1.0 / 127))));
        const double off = fabs(got - (double)from[element] / scale) - 0.5;

        best = fmin(best, fmax(off, 0) / (error / scale + 1e-3));
    }
    return best;
}

/* Element `i` of a word: a half, a byte, or a scale. */
static double part_share(const struct kv_shape *s, const struct place *place, uint32_t i,
                         uint32_t got, double error)
{
    const uint32_t element = place->element + i * (place->scales ? 32 : 1);

    if (element >= s->head_dim) /* a rotated pair of zeros may have a sign */
        return got && !(s->type == KV_F16 && got == 0x8000) ? INFINITY : 0;
    if (place->scales)
        return half_share((uint16_t)got,
                          most_of(place->from, element / 32, s->head_dim) * (1.0f / 127.0f),
                          error / 127);
    if (s->type == KV_F16)
        return half_share((uint16_t)got, place->from[element], error);
    return byte_share((int8_t)got, place->from, element, s->head_dim, error);
}

double kv_ref_share(const struct kernel_case *c, uint32_t binding, uint32_t word, uint32_t got,
                    double error)
{
    const struct rope_kv_params *p = &c->params.rope_kv;
    const struct kv_shape s = {p->kv_type, p->capacity, p->heads, p->head_dim};
    const struct place place = find_place(c, binding, word, &s);
    const uint32_t bits = s.type == KV_F16 || place.scales ? 16 : 8;
    double most = 0;
    float value;

    if (!place.from)
        return INFINITY;
    memcpy(&value, &got, sizeof(value));
    if (s.type == KV_F32 && place.element >= s.head_dim)
        return got << 1 ? INFINITY : 0;
    if (s.type == KV_F32)
        most = fabs((double)value - (double)place.from[place.element]) / error;
    for (uint32_t i = 0; s.type != KV_F32 && i < 32 / bits; i++) {
        const double part =
            part_share(&s, &place, i, got >> (i * bits) & ((1u << bits) - 1), error);

        if (!(part <= most)) /* or NaN */
            most = part;
    }
    return isnan(most) ? INFINITY : most;
}
