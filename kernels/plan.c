/* SPDX-License-Identifier: MIT */
#include "kernels/plan.h"

bool suits_always(const void *params)
{
    (void)params;
    return true;
}

bool suits_few_columns(const void *params)
{
    const struct matmul_params *p = params;
    return p->per_slot <= 8;
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

/* Whether load_x may read four words at once. */
static bool x_aligned(const struct matmul_params *p)
{
    return (p->x_base | p->x_slot_stride | p->x_col_stride) % 4 == 0;
}

static uint32_t log2_floor(uint32_t value)
{
    uint32_t log = 0;
    while (value >>= 1)
        log++;
    return log;
}

/* Specialization: 1 rows and 2 columns of a tile, 3 log2 of the invocations along the rows, 4 x is
 * aligned, 5 flags. */
void plan_matmul(const void *params, struct kernel_plan *plan)
{
    const struct matmul_params *p = params;
    const uint32_t local_size = 16;
    const uint32_t strip = p->per_slot == 1 ? p->cols : p->per_slot;
    const uint32_t strips = p->per_slot == 1 ? 1 : p->cols / p->per_slot;
    uint32_t tile_rows, tile_cols, lanes;

    tile_cols = p->per_slot >= 4 ? 4 : p->per_slot;
    if (p->per_slot >= 4)
        tile_rows = 4;
    else
        tile_rows = p->rows >= 256 ? 8 : p->rows >= 64 ? 4 : 2;
    while (tile_rows > 2 && tile_rows > p->rows)
        tile_rows /= 2;
    if (p->rows == 1)
        tile_rows = 1;

    lanes = MIN(log2_floor(div_up(p->rows, tile_rows)), 4);
    if (div_up(strip, tile_cols) == 1)
        lanes = 4;

    plan->n_spec = 6;
    plan->spec[0] = local_size;
    plan->spec[1] = tile_rows;
    plan->spec[2] = tile_cols;
    plan->spec[3] = lanes;
    plan->spec[4] = x_aligned(p);
    plan->spec[5] = p->flags;
    plan->groups[0] = div_up(p->rows, tile_rows << lanes);
    plan->groups[1] = div_up(strip, tile_cols * (local_size >> lanes));
    plan->groups[2] = strips;
}

/* Specialization: 1 rows and 2 columns of a group, 3 log2 of its invocations, 4 x is aligned,
 * 5 flags. The number of columns picks only how many share a read of the weights; what it picks does
 * not change the order of any sum. */
void plan_matmul_wg(const void *params, struct kernel_plan *plan)
{
    const struct matmul_params *p = params;
    const uint32_t local_size = 64;
    const uint32_t rows = p->rows >= 2048 ? 4 : 2;
    const uint32_t cols = p->cols >= 3 ? 4 : p->cols;
    const uint32_t lanes = MIN(MAX(log2_floor(p->k / 8), 3), 6);

    plan->n_spec = 6;
    plan->spec[0] = local_size;
    plan->spec[1] = rows;
    plan->spec[2] = cols;
    plan->spec[3] = lanes;
    plan->spec[4] = x_aligned(p);
    plan->spec[5] = p->flags;
    plan->groups[0] = div_up(p->rows, rows * (local_size >> lanes));
    plan->groups[1] = div_up(p->cols, cols);
    plan->groups[2] = 1;
}
