/* SPDX-License-Identifier: MIT
 *
 * Plans: how many workgroups of which specialization a dispatch takes. plan_matmul.c has those of
 * matrix products, plan.c those of other weights, plan_state.c the others. Specialization constant
 * 0 is the workgroup's size everywhere; a plan's comment says what the next ones are.
 */
#ifndef STAPES_KERNELS_PLAN_H
#define STAPES_KERNELS_PLAN_H

#include "kernels/kernel.h"

#define KERNEL(name, base, params, access, elements, features, plan, suits, source)                \
    void plan_##plan(const void *params, struct kernel_plan *plan);                                \
    bool suits_##suits(const void *params);
#include "kernels/kernels.def"
#undef KERNEL

/* `invocations` of a kernel that finds its place with global_index(): folded into two dimensions.
 */
static inline void plan_fold(struct kernel_plan *plan, uint32_t local_size, uint64_t invocations)
{
    uint64_t groups = (invocations + local_size - 1) / local_size;
    uint64_t folds = (groups + GPU_MAX_GROUPS - 1) / GPU_MAX_GROUPS;
    plan->spec[0] = local_size;
    plan->n_spec = 1;
    plan->groups[0] = folds ? (uint32_t)((groups + folds - 1) / folds) : 0;
    plan->groups[1] = (uint32_t)folds;
    plan->groups[2] = 1;
}

#endif
