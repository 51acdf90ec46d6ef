/* SPDX-License-Identifier: MIT */
#include "kernels/case_state.h"
#include "kernels/kv_ref.h"

static const struct rope_kv_params shapes[] = {
    {1, 1, 16, 128, 750, POSITION_STEP, 0, 1, 0}, {3, 2, 8, 64, 250, POSITION_FRAME, 0, 1, 0},
    {9, 1, 2, 16, 10, POSITION_STEP, 0, 1, 0},    {5, 2, 2, 8, 10, POSITION_FRAME, 0, 1, 0},
    {4, 3, 1, 2, 7, POSITION_STEP, 0, 1, 0},      {3, 1, 3, 6, 1, POSITION_STEP, 0, 1, 0},
    {3, 1, 4, 64, 16, POSITION_STATIC, 0, 0, 0},  {3, 1, 4, 64, 16, POSITION_STATIC, 15, 0, 0},
    {2, 1, 2, 7, 4, POSITION_STATIC, 2, 0, 0},    {2, 1, 1, 34, 8, POSITION_STATIC, 9, 1, 0},
    {2, 2, 3, 10, 4, POSITION_FRAME, 0, 0, 0},    {2, 1, 3, 96, 5, POSITION_STEP, 0, 1, 0},
    {2, 1, 1, 256, 3, POSITION_STEP, 0, 1, 0},
};

static const struct rope_kv_params bench_shapes[] = {
    {1, 1, 16, 128, 750, POSITION_STEP, 0, 1, 0},
    {8, 1, 16, 128, 750, POSITION_STEP, 0, 1, 0},
    {64, 1, 16, 128, 750, POSITION_STEP, 0, 1, 0},
    {1, 2, 8, 64, 250, POSITION_FRAME, 0, 1, 0},
};

static const uint32_t counts[] = {749, 0, 5, 9, 10, 124, 125, 1000003, 400000007};

static struct kv_shape cache_shape(const struct rope_kv_params *p)
{
    return (struct kv_shape){p->kv_type, p->capacity, p->heads, p->head_dim};
}

static double cache_share(const struct kernel_case *c, uint32_t binding, uint32_t word,
                          uint32_t got)
{
    /* what is not rotated is copied */
    const bool rotated = binding == 4 && c->params.rope_kv.rotate;

    return kv_ref_share(c, binding, word, got, rotated ? c->tolerance_absolute : 0);
}

/* Some elements become halfway between two f16, of which the even one counts. */
static void make_ties(float *values, uint32_t n)
{
    for (uint32_t i = 0; i < n; i += 7) {
        uint32_t bits;

        memcpy(&bits, &values[i], sizeof(bits));
        bits = (bits & ~0x1fffu) | 0x1000;
        memcpy(&values[i], &bits, sizeof(bits));
    }
}

/* every shape with every type of cache */
static bool pick_shape(uint32_t index, struct rope_kv_params *p)
{
    if (index >= CASE_BENCH && index - CASE_BENCH < 3 * COUNT_OF(bench_shapes))
        *p = bench_shapes[(index - CASE_BENCH) / 3];
    else if (index < 3 * COUNT_OF(shapes))
        *p = shapes[index / 3];
    else
        return false;
    p->kv_type = index >= CASE_BENCH ? (index - CASE_BENCH) % 3 : index % 3;
    return true;
}

bool rope_kv_cases(enum kernel_id id, uint32_t index, const struct case_source *source,
                   struct kernel_case *out)
{
    const struct rope_kv_params *p = &out->params.rope_kv;
    uint32_t cols, width, cache;
    float *table;

    (void)id;
    if (!pick_shape(index, &out->params.rope_kv))
        return false;
    cols = p->slots * p->per_slot;
    width = p->heads * p->head_dim;
    cache = p->slots * KV_SLOT_WORDS(p->kv_type, p->capacity, p->heads, p->head_dim);
    snprintf(out->text, sizeof(out->text),
             "%s, %u slots x %u, %u heads of %u, ring %u, source %u, static %u, rotate %u",
             kv_type_names[p->kv_type], p->slots, p->per_slot, p->heads, p->head_dim, p->capacity,
             p->source, p->static_position, p->rotate);
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
    make_ties(case_floats(source, out, 2, cols * 3 * width, 4.0f), cols * 3 * width);
    case_buffer(source, out, 3, cols * p->heads * KV_Q_WORDS(p->kv_type, p->head_dim));
    case_integers(source, out, 4, cache, UINT32_MAX);
    case_integers(source, out, 5, cache, UINT32_MAX);
    out->kept = source->alloc(source->state, sizeof(float) * 2 * cols * width);
    /* three roundings of products and a sum of at most 8 */
    out->tolerance_absolute = F32_ROUNDING * 3 * 8;
    out->share = cache_share;
    out->bytes = 4.0 * cols * width * 4 + 8.0 * cache / p->slots / p->capacity * cols;
    out->flops = 6.0 * cols * width;
    return true;
}

/* table: of this column, or NULL */
static void rotate(const float *from, float *to, uint32_t n, const float *table)
{
    for (uint32_t i = 0; i < n; i++) {
        to[i] = from[i];
        if (table) {
            double c = table[i & ~1u], s = table[i | 1];

            to[i] = (float)(i % 2 ? from[i - 1] * s + from[i] * c : from[i] * c - from[i + 1] * s);
        }
    }
}

static void keep(const struct kernel_case *c, uint32_t row, const float *k, const float *v)
{
    const struct rope_kv_params *p = &c->params.rope_kv;
    const uint32_t rows = p->slots * p->per_slot * p->heads;

    memcpy(c->kept + (size_t)row * p->head_dim, k, p->head_dim * sizeof(*k));
    memcpy(c->kept + (size_t)(rows + row) * p->head_dim, v, p->head_dim * sizeof(*v));
}

void rope_kv_ref(const struct kernel_case *c)
{
    const struct rope_kv_params *p = &c->params.rope_kv;
    const struct kv_shape shape = cache_shape(p);
    const float *qkv = c->data[2];
    uint32_t width = p->heads * p->head_dim, q_words = KV_Q_WORDS(p->kv_type, p->head_dim);

    for (uint32_t row = 0; row < p->slots * p->per_slot * p->heads; row++) {
        uint32_t col = row / p->heads, head = row % p->heads, slot = col / p->per_slot;
        const uint32_t *state = ref_slot(c, 0, slot);
        uint32_t position =
            ref_position(state, p->source, p->static_position, p->per_slot) + col % p->per_slot;
        const float *from = qkv + (size_t)col * 3 * width + head * p->head_dim;
        const float *table = p->rotate ? (float *)c->data[1] + col * p->head_dim : NULL;
        float *q = (float *)c->data[3] + (size_t)row * q_words, k[256];

        memset(q, 0, q_words * sizeof(*q));
        rotate(from, q, p->head_dim, table);
        rotate(from + width, k, p->head_dim, table);
        if (!ref_runs(state, p->source))
            continue;
        kv_ref_store(&shape, c->data[4], slot, head, position % p->capacity, k);
        kv_ref_store(&shape, c->data[5], slot, head, position % p->capacity, from + 2 * width);
        keep(c, row, k, from + 2 * width);
    }
}
