/* SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdio.h>

#include "kernels/weights_ref.h"

static double evaluate(const struct kernel_case *c, bool write)
{
    const struct embed_params *p = &c->params.embed;
    const uint32_t type = weights_type(c->id);
    const uint32_t *ids = c->data[2];
    float *x = c->data[3];
    double worst = 0;
    for (uint32_t slot = 0; slot < p->slots; slot++) {
        for (uint32_t d = 0; d < p->dim; d++) {
            float *to = &x[slot * p->x_slot_stride + d];
            double sum = p->accumulate ? *to : 0, magnitude = fabs(sum);
            for (uint32_t t = 0; t < p->tables; t++) {
                const uint32_t id = ids[slot * p->ids_slot_stride + p->ids_base + t] - p->first_id;
                if (id >= p->table_rows)
                    continue;
                const double w = weights_element(type, c->data[0], c->data[1], p->dim,
                                                 t * p->table_rows + id, d);
                sum += w;
                magnitude += fabs(w);
            }
            worst = MAX(worst, magnitude);
            if (write)
                *to = (float)sum;
        }
    }
    /* One rounding an addition, and one of an element whose block has a minimum. */
    const bool minimum = type == TYPE_Q4_1 || type == TYPE_Q5_1 || type == TYPE_Q4_K;
    return worst * ((minimum ? 2 : 1) * p->tables + 1) * 0x1p-24;
}

void embed_ref(const struct kernel_case *c)
{
    evaluate(c, true);
}

static const struct embed_params shapes[] = {
    /* slots, tables, table_rows, dim, ids_base, ids_slot_stride, x_slot_stride, accumulate,
       first_id */
    {1, 1, 1, 1, 0, 1, 1, 0, 0},      {1, 1, 5, 3, 0, 1, 3, 0, 0},
    {2, 3, 7, 32, 0, 3, 32, 0, 0},    {3, 4, 9, 33, 2, 8, 41, 1, 0},
    {2, 1, 300, 67, 0, 1, 68, 1, 0},  {1, 33, 17, 160, 1, 34, 160, 0, 0},
    {5, 2, 33, 257, 0, 3, 300, 0, 0}, {9, 1, 64, 96, 0, 2, 96, 1, 128},
};
/* Tables as long as a model's are not needed: 33 rows are read. */
static const struct embed_params bench_shapes[] = {{1, 32, 64, 2048, 1, 33, 2048, 1, 0},
                                                   {8, 32, 64, 2048, 1, 33, 2048, 1, 0}};

bool embed_cases(enum kernel_id id, uint32_t index, const struct case_source *s,
                 struct kernel_case *out)
{
    const struct embed_params *shape = CASE_SHAPE(index, shapes, bench_shapes);
    if (!shape)
        return false;
    const uint32_t type = weights_type(id);
    struct embed_params *p = &out->params.embed;
    *p = *shape;
    p->dim = weights_round_up(type, p->dim);
    p->x_slot_stride += p->dim - shape->dim;
    out->id = id;
    snprintf(out->text, sizeof(out->text), "%u slots, %u tables of %ux%u%s", p->slots, p->tables,
             p->table_rows, p->dim, p->accumulate ? ", accumulate" : "");

    uint32_t *words = out->words;
    weights_words(type, p->tables * p->table_rows, p->dim, &words[0], &words[1]);
    words[2] = (p->slots - 1) * p->ids_slot_stride + p->ids_base + p->tables;
    words[3] = (p->slots - 1) * p->x_slot_stride + p->dim;
    for (uint32_t b = 0; b < 4; b++)
        out->data[b] = words[b] ? s->alloc(s->state, (size_t)words[b] * 4) : NULL;
    weights_fill(type, p->tables * p->table_rows, p->dim, 1, s, out->data[0], out->data[1]);
    uint32_t *ids = out->data[2], *x = out->data[3];
    for (uint32_t i = 0; i < words[2]; i++)
        ids[i] = s->random(s->state) % (p->first_id ? 2 * p->first_id : p->table_rows);
    ids[p->ids_base] = p->first_id + p->table_rows - 1;
    if (p->tables > 1 && index < CASE_BENCH) {
        ids[p->ids_base + 1] = UINT32_MAX;
        ids[words[2] - 1] = p->table_rows;
    }
    for (uint32_t i = 0; i < words[3]; i++) {
        if (p->accumulate)
            ((float *)x)[i] = case_uniform(s);
        else
            x[i] = CASE_POISON;
    }

    out->tolerance_absolute = evaluate(out, false);
    out->bytes =
        4.0 * ((double)(words[0] + words[1]) / p->table_rows * p->slots + p->slots * p->dim);
    out->flops = (double)p->slots * p->tables * p->dim;
    return true;
}
