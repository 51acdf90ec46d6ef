/* SPDX-License-Identifier: MIT */
#include "kernels/plan.h"

bool suits_always(const void *params)
{
    (void)params;
    return true;
}

void plan_repack_f32(const void *params, struct kernel_plan *plan)
{
    const struct repack_params *p = params;
    plan_fold(plan, 64, (uint64_t)p->rows * div_up(p->k, 4));
}

void plan_repack_16(const void *params, struct kernel_plan *plan)
{
    plan_repack_f32(params, plan);
}

void plan_repack_blocks(const void *params, struct kernel_plan *plan)
{
    const struct repack_params *p = params;
    plan_fold(plan, 64, (uint64_t)p->rows * div_up(p->k, 64));
}

void plan_repack_superblocks(const void *params, struct kernel_plan *plan)
{
    const struct repack_params *p = params;
    plan_fold(plan, 64, (uint64_t)p->rows * div_up(p->k, 512));
}

void plan_centroids(const void *params, struct kernel_plan *plan)
{
    const struct centroids_params *p = params;
    plan_fold(plan, 64, (uint64_t)p->bins * p->dim);
}

void plan_embed(const void *params, struct kernel_plan *plan)
{
    const struct embed_params *p = params;
    plan->spec[0] = 16;
    plan->n_spec = 1;
    plan->groups[0] = div_up(div_up(p->dim, 4), 16);
    plan->groups[1] = p->slots;
    plan->groups[2] = 1;
}
