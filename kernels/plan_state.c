/* SPDX-License-Identifier: MIT
 *
 * Plans of the kernels around the matrix products: how many workgroups of which size, and tiles.
 * Sizes suit CPU devices, which run the plain forms: few invocations a workgroup, and tiles that
 * reuse what was loaded, since loads cost most there.
 */
#include "kernels/plan.h"

/* What _tx rows load four words at once must begin at multiples of four. */
bool suits_row_texels(const void *params)
{
    const struct norm_params *p = params;

    return p->dim % 4 == 0;
}

bool suits_rope_texels(const void *params)
{
    const struct rope_kv_params *p = params;

    return p->head_dim % 4 == 0;
}

/* attention_wg keeps a query in shared memory, and a lane for each of its dims. */
bool suits_heads_256(const void *params)
{
    const struct attention_params *p = params;

    return p->head_dim <= 256;
}

bool suits_argmax_texels(const void *params)
{
    const struct argmax_params *p = params;

    return p->logits_slot_stride % 4 == 0;
}

/* Workgroups that find their place with group_index(). */
static void plan_groups(struct kernel_plan *plan, uint32_t local_size, uint32_t groups)
{
    plan_fold(plan, local_size, (uint64_t)groups * local_size);
}

void plan_row_each(const void *params, struct kernel_plan *plan)
{
    const struct norm_params *p = params;

    plan_fold(plan, 8, p->cols);
}

void plan_row_wg(const void *params, struct kernel_plan *plan)
{
    const struct norm_params *p = params;

    plan_groups(plan, p->dim > 128 ? 256 : 64, p->cols);
}

/* Invocations that all do the same work for one of `n`, and share what comes after it:
 * specialization constant 1 of them, as many as fill two vectors, which would be idle otherwise. */
static void plan_parts(struct kernel_plan *plan, uint32_t n)
{
    uint32_t parts = 16;

    while (parts > 1 && parts * n > 16)
        parts /= 2;
    plan_fold(plan, 8, (uint64_t)n * parts);
    plan->n_spec = 2;
    plan->spec[1] = parts;
}

void plan_row_tx(const void *params, struct kernel_plan *plan)
{
    const struct norm_params *p = params;

    plan_parts(plan, p->cols);
}

void plan_slot_each(const void *params, struct kernel_plan *plan)
{
    const uint32_t *slots = params;

    plan_fold(plan, 8, *slots);
}

void plan_slot_wg(const void *params, struct kernel_plan *plan)
{
    const uint32_t *slots = params;

    plan_groups(plan, 256, *slots);
}

void plan_rope_table(const void *params, struct kernel_plan *plan)
{
    const struct rope_table_params *p = params;

    plan_fold(plan, 32, p->slots * p->per_slot * p->half);
}

/* Specialization constants: 1 the caches' type, 2 the units that an invocation stores. */
void plan_rope_kv(const void *params, struct kernel_plan *plan)
{
    const struct rope_kv_params *p = params;
    uint32_t units = p->kv_type == KV_Q8 ? 4 : 1;

    plan_fold(plan, 64,
              (uint64_t)p->slots * p->per_slot * 3 * p->heads *
                  div_up(KV_HEAD_UNITS(p->kv_type, p->head_dim), units));
    plan->n_spec = 3;
    plan->spec[1] = p->kv_type;
    plan->spec[2] = units;
}

uint32_t attention_splits(uint32_t capacity)
{
    return capacity <= 256 ? 1 : MIN(capacity / 96, 16);
}

/* Specialization constants: 1 the caches' type, 2 room for the ring slots of a part, in steps so
 * that there are few pipelines, 3 queries that are computed together. */
void plan_attention(const void *params, struct kernel_plan *plan)
{
    const struct attention_params *p = params;
    uint32_t queries = MIN(p->per_slot, 4);

    plan_fold(plan, 8, (uint64_t)p->slots * div_up(p->per_slot, queries) * p->splits * p->heads);
    plan->n_spec = 4;
    plan->spec[1] = p->kv_type;
    plan->spec[2] = div_up(ATTENTION_SHARE(p->capacity, p->splits), 64) * 64;
    plan->spec[3] = queries;
}

/* Specialization constants: 1 the caches' type, 2 lanes that share a key. */
void plan_attention_wg(const void *params, struct kernel_plan *plan)
{
    const struct attention_params *p = params;

    plan_groups(plan, 256, p->slots * p->per_slot * p->heads * p->splits);
    plan->n_spec = 3;
    plan->spec[1] = p->kv_type;
    plan->spec[2] = 8;
    while (plan->spec[2] > KV_HEAD_UNITS(p->kv_type, p->head_dim))
        plan->spec[2] /= 2;
}

void plan_attention_combine(const void *params, struct kernel_plan *plan)
{
    const struct attention_params *p = params;

    plan_fold(plan, 8, (uint64_t)p->slots * p->per_slot * p->heads * div_up(p->head_dim, 4));
}

/* Specialization constants 1 and 2: slots that an invocation takes, and `picks`. */
void plan_vq_step(const void *params, struct kernel_plan *plan)
{
    const struct vq_step_params *p = params;
    uint32_t slots = MIN(p->slots, 4);

    plan_fold(plan, 8, div_up(p->slots, slots) * VQ_TILES(p->bins));
    plan->n_spec = 3;
    plan->spec[1] = slots;
    plan->spec[2] = p->picks != 0;
}

/* Specialization constants 1 and 2: dim and `picks`. */
void plan_vq_step_wg(const void *params, struct kernel_plan *plan)
{
    const struct vq_step_params *p = params;

    plan->n_spec = 3;
    plan->spec[0] = 256;
    plan->spec[1] = p->dim;
    plan->spec[2] = p->picks != 0;
    plan->groups[0] = VQ_TILES(p->bins);
    plan->groups[1] = p->slots;
    plan->groups[2] = 1;
}

void plan_vq_end(const void *params, struct kernel_plan *plan)
{
    const struct vq_end_params *p = params;

    plan_fold(plan, 8, p->slots * MIN(p->n_codes, 2));
}

void plan_vq_end_wg(const void *params, struct kernel_plan *plan)
{
    const struct vq_end_params *p = params;

    plan_groups(plan, 64, MIN(p->n_codes, 2));
    plan->groups[1] = p->slots;
}

void plan_conv_state(const void *params, struct kernel_plan *plan)
{
    const struct conv_state_params *p = params;
    uint32_t groups = 0;

    for (uint32_t n = 0; n < CONV_STATES; n++)
        groups += div_up(p->channels[n], 64);
    plan_groups(plan, 64, groups);
    plan->groups[1] = p->slots;
}

void plan_conv_replicate(const void *params, struct kernel_plan *plan)
{
    const struct conv_replicate_params *p = params;

    plan_groups(plan, 64, div_up(p->channels, 64));
    plan->groups[1] = p->slots;
}

void plan_step_inputs(const void *params, struct kernel_plan *plan)
{
    const struct step_inputs_params *p = params;

    plan_fold(plan, 32, p->slots * (1 + p->n_q));
}

void plan_head_probs(const void *params, struct kernel_plan *plan)
{
    const struct head_probs_params *p = params;

    plan_fold(plan, 8, p->slots * p->heads);
}

void plan_frame_begin(const void *params, struct kernel_plan *plan)
{
    const struct frame_begin_params *p = params;

    plan_groups(plan, 64, div_up(MAX(MAX(p->samples, p->n_codes), 1), 64));
    plan->groups[1] = p->slots;
}

void plan_frame_end(const void *params, struct kernel_plan *plan)
{
    const struct frame_end_params *p = params;

    plan_fold(plan, 8, p->slots);
}
