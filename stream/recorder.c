/* SPDX-License-Identifier: MIT */
#include "stream/recorder.h"

/* Any weight plane's row is a whole number of words, so this many rows are a whole number of binding
 * alignments. It is even, which keeps the pairs of a gate together. */
#define WINDOW_ROWS (GPU_OFFSET_ALIGNMENT / 4)
#define ATTENTION_MAX_HEAD_DIM 256 /* of the kernel attention (kernels/params.h) */

static enum kernel_id weight_kernel(enum tensor_type type, enum kernel_id f32, enum kernel_id f16,
                                    enum kernel_id bf16, enum kernel_id q8_0, enum kernel_id q4_0)
{
    switch (type) {
    case TENSOR_F32: return f32;
    case TENSOR_F16: return f16;
    case TENSOR_BF16: return bf16;
    case TENSOR_Q8_0: return q8_0;
    case TENSOR_Q4_0: return q4_0;
    default: return KERNEL_COUNT; /* the loader refuses what has no kernels */
    }
}

static void row_bytes(const struct weight *w, uint64_t *plane0, uint64_t *plane1)
{
    const uint64_t k4 = align_up(w->k, 4);
    *plane1 = 0;
    switch (w->type) {
    case TENSOR_F32: *plane0 = k4 * 4; break;
    case TENSOR_F16:
    case TENSOR_BF16: *plane0 = k4 * 2; break;
    case TENSOR_Q8_0:
        *plane0 = w->k;
        *plane1 = (w->k / 32 + 1) / 2 * 4;
        break;
    case TENSOR_Q4_0:
        *plane0 = w->k / 2;
        *plane1 = (w->k / 32 + 1) / 2 * 4;
        break;
    default: *plane0 = k4 * 4; break;
    }
}

struct columns columns_dense(struct gpu_range range, uint32_t per_slot, uint32_t width)
{
    return (struct columns){range, 0, per_slot * width, width};
}

void record_kernel(struct recorder *r, enum kernel_id id, const void *params, const struct gpu_range *ranges)
{
    if (r->status == OK)
        r->status = kernel_dispatch(r->kernels, r->program, id, params, ranges);
}

void record_stage(struct recorder *r, const char *name)
{
    if (r->status == OK)
        r->status = gpu_program_stage(r->program, name);
}

void record_matmul(struct recorder *r, const struct weight *w, const struct matmul_args *a)
{
    const enum kernel_id id = weight_kernel(w->type, KERNEL_matmul_f32, KERNEL_matmul_f16, KERNEL_matmul_bf16,
                                            KERNEL_matmul_q8_0, KERNEL_matmul_q4_0);
    const uint64_t limit = gpu_device_get_info(kernel_set_device(r->kernels))->max_binding_bytes;
    const uint32_t end = a->first_row + (a->rows ? a->rows : w->rows);
    uint64_t bytes0, bytes1;
    row_bytes(w, &bytes0, &bytes1);
    const bool whole = w->rows * bytes0 <= limit;
    const uint32_t window = whole ? w->rows : (uint32_t)(limit / bytes0 / WINDOW_ROWS * WINDOW_ROWS);
    if (r->status == OK && (id == KERNEL_COUNT || window == 0))
        r->status = log_error(gpu_device_log(kernel_set_device(r->kernels)), ERROR_DEVICE_MEMORY,
                              "a matrix of %u columns has rows too long for this device's bindings (%llu bytes)",
                              w->k, (unsigned long long)limit);

    for (uint32_t row = a->first_row; row < end && r->status == OK;) {
        const uint32_t first = whole ? 0 : row / WINDOW_ROWS * WINDOW_ROWS;
        const uint32_t last = MIN(MIN(first + window, w->rows), end);
        const struct matmul_params p = {
            .rows = last - row, .k = w->k,
            .cols = r->slots * a->per_slot, .per_slot = a->per_slot,
            .w_row = row - first,
            .row_offset = (row - a->first_row) / (a->flags & MATMUL_GATE ? 2 : 1),
            .flags = a->flags,
            .x_base = a->x.base, .x_slot_stride = a->x.slot_stride, .x_col_stride = a->x.col_stride,
            .y_base = a->y.base, .y_slot_stride = a->y.slot_stride, .y_col_stride = a->y.col_stride,
            .res_base = a->residual.base, .res_slot_stride = a->residual.slot_stride,
            .res_col_stride = a->residual.col_stride,
            .y2_base = a->y2.base, .y2_slot_stride = a->y2.slot_stride, .y2_col_stride = a->y2.col_stride,
        };
        struct gpu_range plane0 = w->plane0, plane1 = w->plane1;
        if (!whole) {
            const uint32_t bound = MIN(first + window, w->rows) - first;
            plane0.offset += first * bytes0;
            plane0.size = bound * bytes0;
            if (plane1.buffer) {
                plane1.offset += first * bytes1;
                plane1.size = bound * bytes1;
            }
        }
        record_kernel(r, id, &p, (const struct gpu_range[]){plane0, plane1, a->x.range, a->bias, a->scale,
                                                            a->residual.range, a->y.range, a->y2.range});
        row = last;
    }
}

void record_embed(struct recorder *r, const struct weight *w, uint32_t tables, struct gpu_range ids, uint32_t ids_base,
                  uint32_t ids_slot_stride, struct gpu_range x, uint32_t x_slot_stride, bool accumulate)
{
    const enum kernel_id id = weight_kernel(w->type, KERNEL_embed_f32, KERNEL_embed_f16, KERNEL_embed_bf16,
                                            KERNEL_embed_q8_0, KERNEL_embed_q4_0);
    const struct embed_params p = {
        .slots = r->slots, .tables = tables, .table_rows = w->rows / tables, .dim = w->k,
        .ids_base = ids_base, .ids_slot_stride = ids_slot_stride,
        .x_slot_stride = x_slot_stride, .accumulate = accumulate,
    };
    record_kernel(r, id, &p, (const struct gpu_range[]){w->plane0, w->plane1, ids, x});
}

void record_rmsnorm(struct recorder *r, struct gpu_range x, struct gpu_range alpha, struct gpu_range y, uint32_t cols,
                    uint32_t dim)
{
    const struct norm_params p = {.cols = cols, .dim = dim, .eps = 1e-8f};
    record_kernel(r, KERNEL_rmsnorm, &p, (const struct gpu_range[]){x, alpha, y});
}

void record_layernorm(struct recorder *r, struct gpu_range x, struct gpu_range weight, struct gpu_range bias,
                      struct gpu_range y, uint32_t cols, uint32_t dim)
{
    const struct norm_params p = {.cols = cols, .dim = dim, .eps = 1e-5f};
    record_kernel(r, KERNEL_layernorm, &p, (const struct gpu_range[]){x, weight, bias, y});
}

void record_attention(struct recorder *r, const struct attention_args *a)
{
    const struct rope_kv_params rope = {
        .slots = r->slots, .per_slot = a->per_slot, .heads = a->heads, .head_dim = a->head_dim,
        .capacity = a->capacity, .source = a->source, .static_position = a->static_position,
        .rotate = a->rope.buffer != NULL,
    };
    const struct attention_params p = {
        .slots = r->slots, .per_slot = a->per_slot, .heads = a->heads, .head_dim = a->head_dim,
        .capacity = a->capacity, .source = a->source, .static_position = a->static_position,
    };
    record_kernel(r, KERNEL_rope_kv, &rope,
                  (const struct gpu_range[]){r->state, a->rope, a->qkv, a->q, a->k_cache, a->v_cache});
    const bool fits = a->head_dim % 4 == 0 && a->head_dim <= ATTENTION_MAX_HEAD_DIM;
    if (fits && kernel_set_can_run(r->kernels, KERNEL_attention)) {
        record_kernel(r, KERNEL_attention, &p,
                      (const struct gpu_range[]){r->state, a->q, a->k_cache, a->v_cache, a->out});
        return;
    }
    record_kernel(r, KERNEL_attn_scores, &p, (const struct gpu_range[]){r->state, a->q, a->k_cache, a->scores});
    record_kernel(r, KERNEL_attn_softmax, &p, (const struct gpu_range[]){r->state, a->scores});
    record_kernel(r, KERNEL_attn_values, &p, (const struct gpu_range[]){r->state, a->scores, a->v_cache, a->out});
}
