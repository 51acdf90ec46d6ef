/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "kernels/case_state.h"
#include "kernels/kv_ref.h"
#include "kernels/matmul_ref.h"
#include "kernels/weights_ref.h"

struct shape {
    uint32_t slots, per_slot, heads, head_dim, k, capacity;
    uint32_t source, static_position, rotate, flags;
    uint32_t shift; /* first row of W, base of x, and gaps between columns */
};

/* k is rounded up to whole blocks for the block types */
static const struct shape shapes[] = {
    {1, 1, 1, 8, 1, 3, POSITION_STEP, 0, 1, 0, 0},
    {1, 1, 2, 12, 30, 5, POSITION_STEP, 0, 1, MATMUL_NORM_RMS, 0}, /* no whole units of f16 */
    {3, 2, 8, 64, 512, 250, POSITION_FRAME, 0, 1, MATMUL_NORM_LAYER, 0},
    {9, 1, 2, 16, 100, 10, POSITION_STEP, 0, 1, MATMUL_NORM_RMS, 0},
    {5, 2, 2, 8, 33, 10, POSITION_FRAME, 0, 1, MATMUL_NORM_LAYER, 1},
    {4, 3, 1, 8, 65, 7, POSITION_STEP, 0, 1, 0, 3},
    {3, 1, 4, 64, 256, 16, POSITION_STATIC, 15, 0, MATMUL_NORM_RMS, 0},
    {3, 1, 4, 24, 96, 16, POSITION_STATIC, 16, 0, MATMUL_NORM_RMS, 12},
    {2, 1, 3, 104, 72, 5, POSITION_STEP, 0, 1, MATMUL_NORM_RMS, 4},
    {2, 1, 1, 256, 40, 3, POSITION_STEP, 0, 1, MATMUL_NORM_RMS, 0},
    {8, 1, 12, 128, 64, 9, POSITION_STEP, 0, 1, MATMUL_NORM_RMS, 0},
    {2, 8, 1, 8, 2144, 11, POSITION_FRAME, 0, 1, MATMUL_NORM_LAYER, 0},
    {15, 1, 1, 16, 24, 4, POSITION_STEP, 0, 1, 0, 0},
};

/* stt-1b's and Mimi's */
static const struct shape bench_shapes[] = {
    {1, 1, 16, 128, 2048, 750, POSITION_STEP, 0, 1, MATMUL_NORM_RMS, 0},
    {8, 1, 16, 128, 2048, 750, POSITION_STEP, 0, 1, MATMUL_NORM_RMS, 0},
    {1, 2, 8, 64, 512, 250, POSITION_FRAME, 0, 1, MATMUL_NORM_LAYER, 0},
};

static const uint32_t kv_types[] = {KV_F32, KV_F16};
static const uint32_t counts[] = {749, 0, 5, 9, 10, 124, 125, 1000003, 400000007};

/* The product alone, whose dense result goes to y. */
static struct kernel_case product_of(const struct kernel_case *c, float *y)
{
    struct kernel_case product = {.id = c->id};

    product.params.matmul = qkv_product(&c->params.qkv);
    for (uint32_t b = 0; b < 5; b++)
        product.data[b] = c->data[b];
    product.data[6] = y;
    return product;
}

/* And rope_kv, from that result. */
static struct kernel_case rope_of(const struct kernel_case *c, float *qkv)
{
    const struct qkv_params *p = &c->params.qkv;

    return (struct kernel_case){
        .data = {c->data[5], c->data[6], qkv, c->data[7], c->data[8], c->data[9]},
        .kept = c->kept,
        .params.rope_kv =
            {
                .slots = p->cols / p->per_slot,
                .per_slot = p->per_slot,
                .heads = p->heads,
                .head_dim = p->head_dim,
                .capacity = p->capacity,
                .source = p->source,
                .static_position = p->static_position,
                .rotate = p->rotate,
                .kv_type = p->kv_type,
            },
    };
}

static double cache_share(const struct kernel_case *c, uint32_t binding, uint32_t word,
                          uint32_t got)
{
    const struct kernel_case rope = rope_of(c, NULL);

    if (binding < 8) /* weights */
        return INFINITY;
    return kv_ref_share(&rope, binding - 4, word, got, c->tolerance_absolute);
}

void qkv_ref(const struct kernel_case *c)
{
    const struct qkv_params *p = &c->params.qkv;
    float *qkv = malloc((size_t)p->cols * p->rows * sizeof(*qkv));

    if (!qkv)
        abort();
    const struct kernel_case product = product_of(c, qkv), rope = rope_of(c, qkv);
    matmul_ref(&product);
    rope_kv_ref(&rope);
    free(qkv);
}

static void fill_params(const struct shape *h, uint32_t type, uint32_t kv_type,
                        struct qkv_params *p)
{
    const uint32_t k = weights_round_up(type, h->k);

    *p = (struct qkv_params){
        .rows = 3 * h->heads * h->head_dim,
        .k = k,
        .cols = h->slots * h->per_slot,
        .per_slot = h->per_slot,
        .w_row = h->shift,
        .flags = h->flags,
        .x_base = h->shift,
        .x_slot_stride = h->per_slot * (k + h->shift),
        .x_col_stride = k + h->shift,
        .eps = h->flags & MATMUL_NORM_LAYER ? 1e-5f : 1e-8f,
        .model_slots = h->slots,
        .heads = h->heads,
        .head_dim = h->head_dim,
        .capacity = h->capacity,
        .source = h->source,
        .static_position = h->static_position,
        .rotate = h->rotate,
        .kv_type = kv_type,
    };
}

static void fill_product(const struct case_source *source, uint32_t type, struct kernel_case *out)
{
    const struct qkv_params *p = &out->params.qkv;
    uint32_t planes[2];

    weights_words(type, p->w_row + p->rows, p->k, &planes[0], &planes[1]);
    for (uint32_t b = 0; b < 2; b++)
        if (planes[b])
            case_buffer(source, out, b, planes[b]);
    weights_fill(type, p->w_row + p->rows, p->k, 1, source, out->data[0], out->data[1]);
    case_floats(source, out, 2, p->x_base + p->cols * p->x_col_stride, 1);
    if (p->flags & MATMUL_NORM_LAYER)
        case_floats(source, out, 3, p->k, 1);
    if (p->flags & MATMUL_NORM)
        case_floats(source, out, 4, p->k, 1);
}

static void fill_attention(const struct case_source *source, struct kernel_case *out)
{
    const struct qkv_params *p = &out->params.qkv;
    const uint32_t slots = p->cols / p->per_slot;
    const uint32_t cache = slots * KV_SLOT_WORDS(p->kv_type, p->capacity, p->heads, p->head_dim);

    /* only the flag that counts, so that a wrong one shows */
    case_slots(source, out, 5, slots, p->source == POSITION_FRAME ? SLOT_AUDIO : SLOT_STEP, 2,
               counts, COUNT_OF(counts));
    if (p->rotate) {
        float *table = case_buffer(source, out, 6, p->cols * p->head_dim);

        for (uint32_t i = 0; i < p->cols * p->head_dim; i += 2) {
            const double angle = 3.2 * (double)case_uniform(source);

            table[i] = (float)cos(angle);
            table[i + 1] = (float)sin(angle);
        }
    }
    case_buffer(source, out, 7, p->cols * p->heads * KV_Q_WORDS(p->kv_type, p->head_dim));
    case_integers(source, out, 8, cache, UINT32_MAX);
    case_integers(source, out, 9, cache, UINT32_MAX);
    out->kept = source->alloc(source->state, sizeof(float) * 2 * p->cols * p->rows / 3);
}

bool qkv_cases(enum kernel_id id, uint32_t index, const struct case_source *source,
               struct kernel_case *out)
{
    const bool bench = index >= CASE_BENCH;
    const uint32_t n_types = COUNT_OF(kv_types), type = weights_type(id);
    const uint32_t number = (index % CASE_BENCH) / n_types + (bench ? CASE_BENCH : 0);
    const struct shape *h = CASE_SHAPE(number, shapes, bench_shapes);
    struct qkv_params *p = &out->params.qkv;

    if (!h)
        return false;
    out->id = id;
    fill_params(h, type, kv_types[index % n_types], p);
    snprintf(out->text, sizeof(out->text),
             "%s, %ux%u, %u slots x %u, %ux%u, ring %u, source %u, flags 0x%x, shift %u",
             kv_type_names[p->kv_type], p->rows, p->k, h->slots, h->per_slot, h->heads, h->head_dim,
             h->capacity, h->source, h->flags, h->shift);
    fill_product(source, type, out);
    fill_attention(source, out);

    /* A rotation mixes two errors, sqrt(2) times one at most, and rounds three times what is less
     * than sqrt(2) times a result: about as much again. */
    const struct kernel_case product = product_of(out, NULL);
    out->tolerance_absolute = 3 * matmul_ref_error(&product, bench ? 64 : p->rows);
    out->share = cache_share;
    out->bytes = 4.0 * ((double)(out->words[0] + out->words[1]) * p->rows / (p->rows + p->w_row) +
                        out->words[2] + 2.0 * out->words[7]) +
                 4.0 * out->words[8] / p->capacity * p->per_slot * 2;
    out->flops = 2.0 * p->rows * p->k * p->cols;
    return true;
}
