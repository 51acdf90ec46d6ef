/* SPDX-License-Identifier: MIT */
#include "kernels/case_state.h"

static const struct rope_kv_params shapes[] = {
    {1, 1, 16, 128, 750, POSITION_STEP, 0, 1}, {3, 2, 8, 64, 250, POSITION_FRAME, 0, 1},
    {9, 1, 2, 16, 10, POSITION_STEP, 0, 1},    {5, 2, 2, 8, 10, POSITION_FRAME, 0, 1},
    {4, 3, 1, 2, 7, POSITION_STEP, 0, 1},      {3, 1, 3, 6, 1, POSITION_STEP, 0, 1},
    {3, 1, 4, 64, 16, POSITION_STATIC, 0, 0},  {3, 1, 4, 64, 16, POSITION_STATIC, 15, 0},
    {2, 1, 1, 34, 8, POSITION_STATIC, 9, 1},   {2, 2, 3, 10, 4, POSITION_FRAME, 0, 0},
};

static const uint32_t counts[] = {749, 0, 5, 9, 10, 124, 125, 1000003, 400000007};

bool rope_kv_cases(enum kernel_id id, uint32_t index, const struct case_source *source,
                   struct kernel_case *out)
{
    const struct rope_kv_params *p;
    uint32_t cols, width, cache;
    float *table;

    (void)id;
    if (index >= COUNT_OF(shapes))
        return false;
    p = &shapes[index];
    cols = p->slots * p->per_slot;
    width = p->heads * p->head_dim;
    cache = p->slots * p->capacity * width;
    out->params.rope_kv = *p;
    snprintf(out->text, sizeof(out->text),
             "%u slots x %u, %u heads of %u, ring %u, source %u, static %u, rotate %u", p->slots,
             p->per_slot, p->heads, p->head_dim, p->capacity, p->source, p->static_position,
             p->rotate);
    /* only the flag that counts, so that a wrong one shows */
    case_slots(source, out, 0, p->slots, p->source == POSITION_FRAME ? SLOT_AUDIO : SLOT_STEP, 2,
               counts, COUNT_OF(counts));
    if (p->rotate) {
        table = case_buffer(source, out, 1, cols * p->head_dim);
        for (uint32_t i = 0; i < cols * p->head_dim; i += 2) {
            double angle = 3.2 * (double)case_uniform(source);

            table[i] = (float)cos(angle);
            table[i + 1] = (float)sin(angle);
        }
    }
    case_floats(source, out, 2, cols * 3 * width, 4.0f);
    case_buffer(source, out, 3, cols * width);
    case_floats(source, out, 4, cache, 1.0f);
    case_floats(source, out, 5, cache, 1.0f);
    /* three roundings of products and a sum of at most 8 */
    out->tolerance_absolute = F32_ROUNDING * 3 * 8;
    out->bytes = 4.0 * cols * width * 6;
    out->flops = 6.0 * cols * width;
    return true;
}

static void rotate(const float *from, float *to, const float *table)
{
    double c = table ? table[0] : 1, s = table ? table[1] : 0;

    to[0] = (float)(from[0] * c - from[1] * s);
    to[1] = (float)(from[0] * s + from[1] * c);
}

void rope_kv_ref(const struct kernel_case *c)
{
    const struct rope_kv_params *p = &c->params.rope_kv;
    const float *qkv = c->data[2];
    float *q = c->data[3], *k_cache = c->data[4], *v_cache = c->data[5];
    uint32_t width = p->heads * p->head_dim;

    for (uint32_t col = 0; col < p->slots * p->per_slot; col++) {
        uint32_t slot = col / p->per_slot;
        const uint32_t *state = ref_slot(c, 0, slot);
        uint32_t position =
            ref_position(state, p->source, p->static_position, p->per_slot) + col % p->per_slot;
        size_t to = (size_t)(slot * p->capacity + position % p->capacity) * width;

        for (uint32_t i = 0; i < width; i += 2) {
            const float *from = qkv + (size_t)col * 3 * width + i;
            const float *table =
                p->rotate ? (float *)c->data[1] + col * p->head_dim + i % p->head_dim : NULL;

            rotate(from, q + col * width + i, table);
            if (!ref_runs(state, p->source))
                continue;
            rotate(from + width, k_cache + to + i, table);
            v_cache[to + i] = from[2 * width];
            v_cache[to + i + 1] = from[2 * width + 1];
        }
    }
}
