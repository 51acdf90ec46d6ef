/* SPDX-License-Identifier: MIT */
#include "kernels/plan.h"

bool suits_no_norm(const void *params)
{
    const struct matmul_params *p = params;
    return !(p->flags & MATMUL_NORM);
}

bool suits_few_columns(const void *params)
{
    const struct matmul_params *p = params;
    return p->per_slot <= 8 && p->model_slots < MATMUL_MANY_SLOTS;
}

bool suits_many_columns(const void *params)
{
    const struct matmul_params *p = params;
    const uint32_t known = MATMUL_BIAS | MATMUL_GATE | MATMUL_GELU | MATMUL_SCALE | MATMUL_ADD |
                           MATMUL_ADD_TO | MATMUL_ELU | MATMUL_DUAL;
    return (p->per_slot > 8 || p->model_slots >= MATMUL_MANY_SLOTS) && !(p->flags & ~known);
}

/* Its grid is not folded; a workgroup makes four rows at least. */
bool suits_few_columns_wg(const void *params)
{
    const struct matmul_params *p = params;
    return suits_few_columns(params) && p->rows <= 4 * GPU_MAX_GROUPS;
}

/* Rows of 16-bit weights begin at multiples of 16 bytes. */
bool suits_few_columns_8(const void *params)
{
    const struct matmul_params *p = params;
    return suits_few_columns(params) && align_up(p->k, 4) % 8 == 0;
}

/* What is rounded must not depend on the order of a sum, as what a layer norm gives does. */
bool suits_rounded_columns(const void *params)
{
    const struct matmul_params *p = params;
    return suits_few_columns(params) && !(p->flags & MATMUL_NORM_LAYER);
}

static bool x_in_texels(const struct matmul_params *p)
{
    return (p->x_base | p->x_slot_stride | p->x_col_stride) % 4 == 0;
}

/* A texel holds 4 elements of f32, 8 and more of the other types. */
bool suits_texels_of_4(const void *params)
{
    const struct matmul_params *p = params;
    return p->k % 4 == 0 && x_in_texels(p) && suits_no_norm(p);
}

bool suits_texels_of_8(const void *params)
{
    const struct matmul_params *p = params;
    return p->k % 8 == 0 && x_in_texels(p) && suits_no_norm(p);
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

static uint32_t log2_ceil(uint32_t value)
{
    return value <= 1 ? 0 : log2_floor(value - 1) + 1;
}

/* A tile of r rows and c columns loads r weights (fewer of packed types) and c activations for r *
 * c products, and loads are what a CPU device is slow at: square and large is best, as long as
 * enough invocations remain for the cores and their lanes. Columns of different slots share a tile
 * where a slot has one column; the order of a sum is the same in every tile. Specialization: 1 rows
 * and 2 columns of a tile, 3 log2 of the invocations along the rows, 4 unused, 5 flags. */
void plan_matmul(const void *params, struct kernel_plan *plan)
{
    const struct matmul_params *p = params;
    const uint32_t enough = 48;
    const uint32_t least_rows = p->flags & MATMUL_GATE ? 2 : 1;
    const bool single = p->per_slot == 1;
    const uint32_t strip = single ? p->cols : p->per_slot;
    uint32_t rows = 1u << MIN(log2_ceil(p->rows), 4);
    uint32_t cols = 1u << MIN(log2_ceil(strip), single ? 2 : 4);

    while (rows * cols > 64 || (rows > 8 && cols > 4)) {
        if (rows >= cols)
            rows /= 2;
        else
            cols /= 2;
    }
    while (div_up(p->rows, rows) * (single ? 1 : div_up(strip, cols)) < enough) {
        if (rows > least_rows && (rows >= cols || single))
            rows /= 2;
        else if (cols > 1 && !single)
            cols /= 2;
        else
            break;
    }
    const uint32_t row_tiles = div_up(p->rows, rows), col_tiles = div_up(strip, cols);
    const uint64_t tiles = (uint64_t)row_tiles * col_tiles;
    const uint32_t local_size = tiles < 256 ? 8 : tiles < 1024 ? 16 : 32;
    uint32_t lanes = MIN(log2_ceil(row_tiles), log2_floor(local_size));
    while (lanes < log2_floor(local_size) && local_size >> lanes > col_tiles)
        lanes++;

    plan->n_spec = 6;
    plan->spec[0] = local_size;
    plan->spec[1] = MAX(rows, least_rows);
    plan->spec[2] = cols;
    plan->spec[3] = lanes;
    plan->spec[4] = 0;
    plan->spec[5] = p->flags;
    plan->groups[0] = div_up(p->rows, plan->spec[1] << lanes);
    plan->groups[1] = div_up(strip, cols * (local_size >> lanes));
    plan->groups[2] = single ? 1 : p->cols / p->per_slot;
}

/* Tiles of at most these rows and columns, smaller where fewer than 64 would remain. Specialization
 * as plan_matmul's. */
static void plan_texels(const struct matmul_params *p, uint32_t max_rows, uint32_t max_cols,
                        struct kernel_plan *plan)
{
    const uint32_t local_size = 16, enough = 64;
    const uint32_t least_rows = p->flags & MATMUL_GATE ? 2 : 1;
    const bool single = p->per_slot == 1;
    const uint32_t strip = single ? p->cols : p->per_slot;
    const uint32_t cols = MIN(1u << log2_ceil(strip), max_cols);
    uint32_t rows = MIN(1u << log2_ceil(p->rows), max_rows);
    while (rows > least_rows && div_up(p->rows, rows) * (single ? 1 : div_up(strip, cols)) < enough)
        rows /= 2;
    rows = MAX(rows, least_rows);
    const uint32_t row_tiles = div_up(p->rows, rows), col_tiles = div_up(strip, cols);
    uint32_t lanes = MIN(log2_ceil(row_tiles), log2_floor(local_size));
    while (lanes < log2_floor(local_size) && local_size >> lanes > col_tiles)
        lanes++;
    plan->n_spec = 6;
    plan->spec[0] = local_size;
    plan->spec[1] = rows;
    plan->spec[2] = cols;
    plan->spec[3] = lanes;
    plan->spec[4] = 0;
    plan->spec[5] = p->flags;
    plan->groups[0] = div_up(p->rows, rows << lanes);
    plan->groups[1] = div_up(strip, cols * (local_size >> lanes));
    plan->groups[2] = single ? 1 : p->cols / p->per_slot;
}

/* A tile of four rows keeps the accumulators in registers; larger ones halve the fetches, which are
 * most of the work where there are many columns. */
void plan_matmul_tx(const void *params, struct kernel_plan *plan)
{
    const struct matmul_params *p = params;
    if (p->per_slot >= 8)
        plan_texels(p, 8, 8, plan);
    else
        plan_texels(p, 4, 4, plan);
}

/* Specialization beyond plan_matmul's: 6 all invocations of a workgroup have the same columns, 7
 * blocks a turn of the loop; a row's four are a cache line. */
void plan_matmul_nibbles_tx(const void *params, struct kernel_plan *plan)
{
    const struct matmul_params *p = params;
    plan_texels(p, 8, 4, plan);
    plan->n_spec = 8;
    plan->spec[6] = 1u << plan->spec[3] == plan->spec[0];
    plan->spec[7] = p->k % 128 != 0 ? 1 : plan->spec[2] == 1 ? 4 : 2;
}

/* Specialization: 1 rows and 2 columns of a group, 3 log2 of its invocations, 4 x is aligned,
 * 5 flags. The number of columns picks only how many share a read of the weights; what it picks
 * does not change the order of any sum. */
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

/* A subgroup a ROWS x COLS tile, four a workgroup. Fewer rows where the matrix is small: a large
 * device wants a thousand subgroups and more to keep its memory busy, and each row has only some
 * hundred bytes to ask for. Columns share a read of the weights as far as 16 KiB of shared memory
 * holds enough of them for 32 lanes. unit: elements that a lane reads of a row at once.
 * Specialization: 1 rows and 2 columns of a subgroup, 4 x is aligned, 5 flags, 6 elements of a
 * column that are staged at once, 7 units in flight a row. */
static void plan_subgroups(const struct matmul_params *p, uint32_t unit, struct kernel_plan *plan)
{
    const uint32_t local_size = 128, groups = 4, shared_elements = 4096;
    const uint32_t least_rows = p->flags & MATMUL_GATE ? 2 : 1;
    const uint32_t rows = p->rows >= 4096 ? 4 : p->rows >= 2048 ? 2 : 1;
    const uint32_t most_cols = unit <= 16 ? 8 : 4;
    const uint32_t cols = MIN(1u << log2_ceil(p->cols), most_cols);
    const uint32_t most_staged = MIN(shared_elements / cols, 2048);
    const uint32_t staged = MIN(most_staged, div_up(p->k, 512) * 512);
    const uint32_t units = MIN(p->k, staged) / unit;

    plan->n_spec = 8;
    plan->spec[0] = local_size;
    plan->spec[1] = MAX(rows, least_rows);
    plan->spec[2] = cols;
    plan->spec[3] = 0;
    plan->spec[4] = x_aligned(p);
    plan->spec[5] = p->flags;
    plan->spec[6] = staged;
    plan->spec[7] = units >= 128 && rows < 4 ? 4 : units >= 64 ? 2 : 1;
    plan->groups[0] = div_up(p->cols, cols);
    plan->groups[1] = div_up(p->rows, plan->spec[1] * groups);
    plan->groups[2] = 1;
}

void plan_matmul_sg_4(const void *params, struct kernel_plan *plan)
{
    plan_subgroups(params, 4, plan);
}

void plan_matmul_sg_8(const void *params, struct kernel_plan *plan)
{
    plan_subgroups(params, 8, plan);
}

void plan_matmul_sg_16(const void *params, struct kernel_plan *plan)
{
    plan_subgroups(params, 16, plan);
}

void plan_matmul_sg_32(const void *params, struct kernel_plan *plan)
{
    plan_subgroups(params, 32, plan);
}

struct matmul_params qkv_product(const struct qkv_params *p)
{
    return (struct matmul_params){
        .rows = p->rows,
        .k = p->k,
        .cols = p->cols,
        .per_slot = p->per_slot,
        .w_row = p->w_row,
        .flags = p->flags,
        .x_base = p->x_base,
        .x_slot_stride = p->x_slot_stride,
        .x_col_stride = p->x_col_stride,
        .y_slot_stride = p->per_slot * p->rows,
        .y_col_stride = p->rows,
        .eps = p->eps,
        .model_slots = p->model_slots,
    };
}

enum kernel_id qkv_kernel(enum kernel_id product)
{
    switch (product) {
    case KERNEL_matmul_f32_wg: return KERNEL_qkv_f32_wg;
    case KERNEL_matmul_f16_wg: return KERNEL_qkv_f16_wg;
    case KERNEL_matmul_bf16_wg: return KERNEL_qkv_bf16_wg;
    case KERNEL_matmul_q8_0_wg: return KERNEL_qkv_q8_0_wg;
    case KERNEL_matmul_q4_0_wg: return KERNEL_qkv_q4_0_wg;
    case KERNEL_matmul_f32_sg: return KERNEL_qkv_f32_sg;
    case KERNEL_matmul_f16_sg: return KERNEL_qkv_f16_sg;
    case KERNEL_matmul_bf16_sg: return KERNEL_qkv_bf16_sg;
    case KERNEL_matmul_q8_0_sg: return KERNEL_qkv_q8_0_sg;
    case KERNEL_matmul_q4_0_sg: return KERNEL_qkv_q4_0_sg;
    default: return KERNEL_COUNT;
    }
}

/* Rows come in pairs, as those of a gate do. */
static struct matmul_params paired_product(const struct qkv_params *p)
{
    struct matmul_params product = qkv_product(p);
    product.flags |= MATMUL_GATE;
    return product;
}

static bool stores_pairs(const struct qkv_params *p)
{
    return p->kv_type != KV_Q8 && p->head_dim % KV_UNIT(p->kv_type) == 0;
}

bool suits_qkv(const void *params)
{
    const struct matmul_params product = paired_product(params);
    return stores_pairs(params) && suits_few_columns(&product);
}

bool suits_qkv_8(const void *params)
{
    const struct matmul_params product = paired_product(params);
    return stores_pairs(params) && suits_few_columns_8(&product);
}

/* As the product's; in specialization 5 also the caches' type. */
void plan_qkv_wg(const void *params, struct kernel_plan *plan)
{
    const struct qkv_params *p = params;
    const struct matmul_params product = paired_product(p);
    plan_matmul_wg(&product, plan);
    plan->spec[5] |= p->kv_type << QKV_TYPE_SHIFT;
}

static void plan_qkv_subgroups(const struct qkv_params *p, uint32_t unit, struct kernel_plan *plan)
{
    const struct matmul_params product = paired_product(p);
    plan_subgroups(&product, unit, plan);
    plan->spec[5] |= p->kv_type << QKV_TYPE_SHIFT;
}

void plan_qkv_sg_4(const void *params, struct kernel_plan *plan)
{
    plan_qkv_subgroups(params, 4, plan);
}

void plan_qkv_sg_8(const void *params, struct kernel_plan *plan)
{
    plan_qkv_subgroups(params, 8, plan);
}

void plan_qkv_sg_16(const void *params, struct kernel_plan *plan)
{
    plan_qkv_subgroups(params, 16, plan);
}

void plan_qkv_sg_32(const void *params, struct kernel_plan *plan)
{
    plan_qkv_subgroups(params, 32, plan);
}

/* A large tile reads each weight and activation for more products, as long as there are enough
 * tiles for the cores of a large device; the order of a sum is the same in every tile. Rows and
 * columns are powers of two. */
static void mm_tile(const struct matmul_params *p, uint32_t *rows, uint32_t *cols)
{
    const uint32_t enough = 128, least = 32;
    uint32_t r = 1u << MIN(MAX(log2_ceil(p->rows), 5), 7);
    uint32_t c = 1u << MIN(MAX(log2_ceil(p->cols), 5), 7);
    if (c == 128 && align_up(p->cols, 128) - align_up(p->cols, 64) > p->cols / 8)
        c = 64;
    while ((uint64_t)div_up(p->rows, r) * div_up(p->cols, c) < enough && (r > least || c > least)) {
        if (r >= c)
            r /= 2;
        else
            c /= 2;
    }
    *rows = r;
    *cols = c;
}

/* Specialization: 1 rows and 2 columns of an invocation, multiples of 4, 3 log2 of the invocations
 * along the rows, 4 x is read in fours, 5 flags, 6 elements of a chunk: (rows + columns of the
 * tile) * chunk words of shared memory, at most 16 KiB. */
void plan_matmul_mm(const void *params, struct kernel_plan *plan)
{
    const struct matmul_params *p = params;
    uint32_t tile_rows, tile_cols;
    mm_tile(p, &tile_rows, &tile_cols);
    const uint32_t results = tile_rows * tile_cols;
    const uint32_t rows = results >= 4096 && tile_rows > 32 ? 8 : 4;
    const uint32_t cols = results >= 16384 || (results >= 4096 && tile_rows == 32) ? 8 : 4;
    const uint32_t col_tiles = div_up(p->cols, tile_cols);
    const uint32_t folds = div_up(col_tiles, GPU_MAX_GROUPS);

    plan->n_spec = 7;
    plan->spec[0] = results / (rows * cols);
    plan->spec[1] = rows;
    plan->spec[2] = cols;
    plan->spec[3] = log2_floor(tile_rows / rows);
    plan->spec[4] = x_aligned(p) && p->k % 4 == 0;
    plan->spec[5] = p->flags;
    plan->spec[6] = results < 4096 && p->k >= 512 ? 32 : 16;
    plan->groups[0] = div_up(p->rows, tile_rows);
    plan->groups[1] = div_up(col_tiles, folds);
    plan->groups[2] = folds;
}
