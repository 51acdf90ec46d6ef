/* SPDX-License-Identifier: MIT */
#include "stream/recorder.h"

#include "stream/capture_plan.h"

/* Any weight plane's row is a whole number of words, so this many rows are a whole number of
 * binding alignments. It is even, which keeps the pairs of a gate together. */
#define WINDOW_ROWS (GPU_OFFSET_ALIGNMENT / 4)
#define RMSNORM_EPS 1e-8f
#define LAYERNORM_EPS 1e-5f

static void row_bytes(const struct weight *w, uint64_t bytes[2])
{
    const uint32_t type = tensor_kernel_type(w->type);
    bytes[0] = PLANE0_WORDS(type, (uint64_t)w->k) * 4;
    bytes[1] = PLANE1_WORDS(type, (uint64_t)w->k) * 4;
}

struct columns columns_dense(struct gpu_range range, uint32_t per_slot, uint32_t width)
{
    return (struct columns){range, 0, per_slot * width, width};
}

void record_kernel(struct recorder *r, enum kernel_id id, const void *params,
                   const struct gpu_range *ranges)
{
    if (r->status == OK)
        r->status = kernel_dispatch(r->kernels, r->program, id, params, ranges);
}

void record_stage(struct recorder *r, const char *name)
{
    if (r->status == OK)
        r->status = gpu_program_stage(r->program, name);
}

/* How many rows of a weight one dispatch can bind: all of them, or a multiple of WINDOW_ROWS. */
static uint32_t window_rows(struct recorder *r, const struct weight *w)
{
    gpu_device *device = kernel_set_device(r->kernels);
    const uint64_t limit = gpu_device_get_info(device)->max_binding_bytes;
    uint64_t bytes[2];
    row_bytes(w, bytes);
    if (w->rows * bytes[0] <= limit)
        return w->rows;
    const uint32_t rows = (uint32_t)(limit / bytes[0] / WINDOW_ROWS * WINDOW_ROWS);
    if (rows == 0 && r->status == OK)
        r->status = log_error(gpu_device_log(device), ERROR_DEVICE_MEMORY,
                              "a matrix of %u columns has rows too long for this device's bindings "
                              "(%llu bytes)",
                              w->k, (unsigned long long)limit);
    return MAX(rows, 1);
}

/* The part of a plane (which: 0 or 1) that holds `rows` rows from `first` on. */
static struct gpu_range rows_of(const struct weight *w, struct gpu_range plane, uint32_t first,
                                uint32_t rows, int which)
{
    uint64_t bytes[2];
    row_bytes(w, bytes);
    if (plane.buffer && rows < w->rows) {
        plane.offset += first * bytes[which];
        plane.size = rows * bytes[which];
    }
    return plane;
}

static enum kernel_id matmul_kernel(const struct weight *w)
{
    return KERNEL_OF_TYPE(matmul, tensor_kernel_type(w->type));
}

static uint32_t product_end(const struct weight *w, const struct matmul_args *a)
{
    return a->first_row + (a->rows ? a->rows : w->rows);
}

/* Rows `row` to `last` of the weight, of which those from `first` on are bound. */
static struct matmul_params product_params(const struct recorder *r, const struct weight *w,
                                           const struct matmul_args *a, uint32_t row,
                                           uint32_t first, uint32_t last)
{
    return (struct matmul_params){
        .rows = last - row,
        .k = w->k,
        .cols = r->slots * a->per_slot,
        .per_slot = a->per_slot,
        .w_row = row - first,
        .row_offset = (row - a->first_row) / (a->flags & MATMUL_GATE ? 2 : 1),
        .flags = a->flags,
        .x_base = a->x.base,
        .x_slot_stride = a->x.slot_stride,
        .x_col_stride = a->x.col_stride,
        .y_base = a->y.base,
        .y_slot_stride = a->y.slot_stride,
        .y_col_stride = a->y.col_stride,
        .res_base = a->residual.base,
        .res_slot_stride = a->residual.slot_stride,
        .res_col_stride = a->residual.col_stride,
        .y2_base = a->y2.base,
        .y2_slot_stride = a->y2.slot_stride,
        .y2_col_stride = a->y2.col_stride,
        .eps = a->eps,
        .model_slots = r->model_slots,
    };
}

void record_matmul(struct recorder *r, const struct weight *w, const struct matmul_args *a)
{
    const enum kernel_id id = matmul_kernel(w);
    const uint32_t end = product_end(w, a);
    const uint32_t window = window_rows(r, w);

    if (r->capture)
        record_capture(r, w, a);
    for (uint32_t row = a->first_row; row < end && r->status == OK;) {
        const uint32_t first = window == w->rows ? 0 : row / WINDOW_ROWS * WINDOW_ROWS;
        const uint32_t bound = MIN(window, w->rows - first), last = MIN(first + bound, end);
        const struct matmul_params p = product_params(r, w, a, row, first, last);
        record_kernel(r, id, &p,
                      (const struct gpu_range[]){rows_of(w, w->plane0, first, bound, 0),
                                                 rows_of(w, w->plane1, first, bound, 1), a->x.range,
                                                 a->bias, a->scale, a->residual.range, a->y.range,
                                                 a->y2.range});
        row = last;
    }
}

void record_embed(struct recorder *r, const struct weight *w, uint32_t tables, struct gpu_range ids,
                  uint32_t ids_base, uint32_t ids_slot_stride, struct gpu_range x,
                  uint32_t x_slot_stride, bool accumulate)
{
    const enum kernel_id id = KERNEL_OF_TYPE(embed, tensor_kernel_type(w->type));
    struct embed_params p = {
        .slots = r->slots,
        .tables = tables,
        .table_rows = w->rows / tables,
        .dim = w->k,
        .ids_base = ids_base,
        .ids_slot_stride = ids_slot_stride,
        .x_slot_stride = x_slot_stride,
        .accumulate = accumulate,
    };
    /* Stacks of tables are planned so that they fit; one table alone may come in parts. */
    const uint32_t window = tables == 1 ? window_rows(r, w) : w->rows;
    for (uint32_t row = 0; row < w->rows && r->status == OK; row += window) {
        const uint32_t rows = MIN(window, w->rows - row);
        if (tables == 1) {
            p.first_id = row;
            p.table_rows = rows;
        }
        record_kernel(r, id, &p,
                      (const struct gpu_range[]){rows_of(w, w->plane0, row, rows, 0),
                                                 rows_of(w, w->plane1, row, rows, 1), ids, x});
        p.accumulate = true;
    }
}

void record_rmsnorm(struct recorder *r, struct gpu_range x, struct gpu_range alpha,
                    struct gpu_range y, uint32_t cols, uint32_t dim)
{
    const struct norm_params p = {.cols = cols, .dim = dim, .eps = RMSNORM_EPS};
    record_kernel(r, KERNEL_rmsnorm, &p, (const struct gpu_range[]){x, alpha, y});
}

void record_layernorm(struct recorder *r, struct gpu_range x, struct gpu_range weight,
                      struct gpu_range bias, struct gpu_range y, uint32_t cols, uint32_t dim)
{
    const struct norm_params p = {.cols = cols, .dim = dim, .eps = LAYERNORM_EPS};
    record_kernel(r, KERNEL_layernorm, &p, (const struct gpu_range[]){x, weight, bias, y});
}

static struct matmul_args with_norm(const struct norm *norm, const struct matmul_args *args)
{
    const bool layer = norm->bias.buffer != NULL;
    struct matmul_args a = *args;
    a.flags |= layer ? MATMUL_NORM_LAYER : MATMUL_NORM_RMS;
    a.eps = layer ? LAYERNORM_EPS : RMSNORM_EPS;
    a.scale = norm->weight;
    a.bias = norm->bias;
    return a;
}

bool record_fuses_norm(const struct recorder *r, const struct norm *norm, const struct weight *w,
                       const struct matmul_args *args)
{
    const struct matmul_args a = with_norm(norm, args);
    const struct matmul_params p =
        product_params(r, w, &a, a.first_row, a.first_row, product_end(w, &a));
    /* Their vectors are bound where the norm's would be. */
    const bool room = !(args->flags & (MATMUL_BIAS | MATMUL_SCALE));
    if (r->capture && capture_wants(r->capture, w, args->first_row))
        return false;
    return room && kernel_set_fuses(r->kernels, matmul_kernel(w), &p);
}

void record_norm_matmul(struct recorder *r, const struct norm *norm, const struct weight *w,
                        const struct matmul_args *args)
{
    struct matmul_args a = *args;
    if (norm && record_fuses_norm(r, norm, w, args)) {
        a = with_norm(norm, args);
    } else if (norm) {
        const uint32_t cols = r->slots * args->per_slot;
        a.x = columns_dense(norm->out, args->per_slot, w->k);
        if (norm->bias.buffer)
            record_layernorm(r, args->x.range, norm->weight, norm->bias, norm->out, cols, w->k);
        else
            record_rmsnorm(r, args->x.range, norm->weight, norm->out, cols, w->k);
    }
    record_matmul(r, w, &a);
}

static struct qkv_params qkv_params_of(const struct attention_args *a,
                                       const struct matmul_params *m)
{
    return (struct qkv_params){
        .rows = m->rows,
        .k = m->k,
        .cols = m->cols,
        .per_slot = m->per_slot,
        .w_row = m->w_row,
        .flags = m->flags,
        .x_base = m->x_base,
        .x_slot_stride = m->x_slot_stride,
        .x_col_stride = m->x_col_stride,
        .eps = m->eps,
        .model_slots = m->model_slots,
        .heads = a->heads,
        .head_dim = a->head_dim,
        .capacity = a->capacity,
        .source = a->source,
        .static_position = a->static_position,
        .rotate = a->rope.buffer != NULL,
        .kv_type = a->kv_type,
    };
}

/* False: no kernel does it all, and nothing was recorded. */
static bool record_qkv(struct recorder *r, const struct attention_args *a,
                       const struct matmul_args *projection)
{
    const struct weight *w = a->in_proj;
    const struct gpu_range none = {0};
    enum kernel_id product = KERNEL_COUNT;
    if (r->status || !record_fuses_norm(r, a->norm, w, projection) || window_rows(r, w) < w->rows)
        return false;
    const struct matmul_args args = with_norm(a->norm, projection);
    const struct matmul_params m =
        product_params(r, w, &args, a->first_row, 0, a->first_row + args.rows);
    const struct qkv_params p = qkv_params_of(a, &m);
    r->status = kernel_pick(r->kernels, matmul_kernel(w), &m,
                            (const struct gpu_range[]){w->plane0, w->plane1, a->x.range, args.bias,
                                                       args.scale, none, a->qkv, none},
                            &product);
    const enum kernel_id id = qkv_kernel(product);
    if (r->status || id == KERNEL_COUNT || !kernel_set_fuses(r->kernels, id, &p))
        return false;
    record_kernel(r, id, &p,
                  (const struct gpu_range[]){w->plane0, w->plane1, a->x.range, args.bias,
                                             args.scale, r->state, a->rope, a->q, a->k_cache,
                                             a->v_cache});
    return true;
}

static void record_projection(struct recorder *r, const struct attention_args *a)
{
    const uint32_t rows = 3 * a->heads * a->head_dim;
    const struct matmul_args projection = {
        .x = a->x,
        .y = columns_dense(a->qkv, a->per_slot, rows),
        .per_slot = a->per_slot,
        .first_row = a->first_row,
        .rows = rows,
    };
    if (record_qkv(r, a, &projection))
        return;
    record_norm_matmul(r, a->norm, a->in_proj, &projection);
    const struct rope_kv_params rope = {
        .slots = r->slots,
        .per_slot = a->per_slot,
        .heads = a->heads,
        .head_dim = a->head_dim,
        .capacity = a->capacity,
        .source = a->source,
        .static_position = a->static_position,
        .rotate = a->rope.buffer != NULL,
        .kv_type = a->kv_type,
    };
    record_kernel(
        r, KERNEL_rope_kv, &rope,
        (const struct gpu_range[]){r->state, a->rope, a->qkv, a->q, a->k_cache, a->v_cache});
}

void record_attention(struct recorder *r, const struct attention_args *a)
{
    const struct attention_params p = {
        .slots = r->slots,
        .per_slot = a->per_slot,
        .heads = a->heads,
        .head_dim = a->head_dim,
        .capacity = a->capacity,
        .source = a->source,
        .static_position = a->static_position,
        .kv_type = a->kv_type,
        .splits = attention_splits(a->capacity),
    };
    const struct gpu_range to = p.splits > 1 ? a->partials : a->out;
    record_projection(r, a);
    record_kernel(r, KERNEL_attention, &p,
                  (const struct gpu_range[]){r->state, a->q, a->k_cache, a->v_cache, to});
    if (p.splits > 1)
        record_kernel(r, KERNEL_attention_combine, &p,
                      (const struct gpu_range[]){r->state, a->partials, a->out});
}

uint64_t attention_cache_words(uint64_t slots, uint32_t kv_type, uint32_t capacity, uint32_t heads,
                               uint32_t head_dim)
{
    return slots * KV_SLOT_WORDS(kv_type, (uint64_t)capacity, heads, head_dim);
}

uint64_t attention_q_words(uint64_t cols, uint32_t kv_type, uint32_t heads, uint32_t head_dim)
{
    return cols * heads * KV_Q_WORDS(kv_type, head_dim);
}

uint64_t attention_partial_words(uint64_t cols, uint32_t capacity, uint32_t heads,
                                 uint32_t head_dim)
{
    const uint32_t splits = attention_splits(capacity);
    return splits > 1 ? cols * heads * splits * PARTIAL_WORDS(head_dim) : 0;
}
