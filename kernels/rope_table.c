/* SPDX-License-Identifier: MIT */
#include "kernels/case_state.h"

static const struct rope_table_params shapes[] = {
    {1, 1, 64, POSITION_STEP},  {9, 1, 64, POSITION_STEP}, {9, 2, 32, POSITION_FRAME},
    {11, 1, 1, POSITION_STEP},  {3, 5, 7, POSITION_FRAME}, {1, 2, 32, POSITION_FRAME},
    {11, 1, 40, POSITION_STEP},
};
static const struct rope_table_params bench_shapes[] = {
    {1, 1, 64, POSITION_STEP}, {8, 1, 64, POSITION_STEP}, {1, 2, 32, POSITION_FRAME}};

/* odd, around powers of two where float(position) starts to round, and as far as 400 years of steps
 */
static const uint32_t counts[] = {100003, 0,        1,         4095, 16777213, 16777219,
                                  2,      12345679, 199999999, 31,   134217727};

bool rope_table_cases(enum kernel_id id, uint32_t index, const struct case_source *source,
                      struct kernel_case *out)
{
    const struct rope_table_params *p = CASE_SHAPE(index, shapes, bench_shapes);
    float *freq,
        base = index == COUNT_OF(shapes) - 1 ? 1e9f : 1; /* far beyond what a model asks for */

    (void)id;
    if (!p)
        return false;
    out->params.rope_table = *p;
    snprintf(out->text, sizeof(out->text), "%u slots x %u, half %u, source %u", p->slots,
             p->per_slot, p->half, p->source);
    case_slots(source, out, 0, p->slots, p->source == POSITION_FRAME ? SLOT_AUDIO : SLOT_STEP, 2,
               counts, COUNT_OF(counts));
    freq = case_buffer(source, out, 1, p->half);
    for (uint32_t i = 0; i < p->half; i++)
        freq[i] = base * expf((float)i * (-logf(100000.0f) / (float)p->half));
    case_buffer(source, out, 2, 2 * p->slots * p->per_slot * p->half);
    out->tolerance_absolute = 2e-7;
    out->bytes = 8.0 * p->slots * p->per_slot * p->half;
    out->flops = 40.0 * p->slots * p->per_slot * p->half;
    return true;
}

void rope_table_ref(const struct kernel_case *c)
{
    const struct rope_table_params *p = &c->params.rope_table;
    const float *freq = c->data[1];
    float *table = c->data[2];

    for (uint32_t col = 0; col < p->slots * p->per_slot; col++) {
        const uint32_t *slot = ref_slot(c, 0, col / p->per_slot);
        uint32_t position = ref_position(slot, p->source, 0, p->per_slot) + col % p->per_slot;

        for (uint32_t i = 0; i < p->half; i++) {
            volatile float angle = freq[i] * (float)position;

            table[2 * (col * p->half + i)] = (float)cos((double)angle);
            table[2 * (col * p->half + i) + 1] = (float)sin((double)angle);
        }
    }
}
