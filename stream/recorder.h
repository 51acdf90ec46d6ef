/* SPDX-License-Identifier: MIT
 *
 * Recording a program from weights and activations: what the model files share. The first error
 * stays in recorder.status and makes the calls after it do nothing, so a model is recorded straight
 * through and checked once.
 */
#ifndef STAPES_STREAM_RECORDER_H
#define STAPES_STREAM_RECORDER_H

#include "kernels/kernel.h"
#include "loader/plan.h"

struct taps;
struct capture;

struct recorder {
    kernel_set *kernels;
    gpu_program *program;
    uint32_t slots;         /* of this program: the first ones of the model */
    uint32_t model_slots;
    struct gpu_range state; /* kernels/params.h: STATE_* */
    struct taps *taps;      /* NULL unless the model is traced */
    struct capture *capture; /* NULL unless it is opened for capture */
    enum status status;
};

/* Vectors of one kind in a buffer, 32-bit words; see "column" in kernels/params.h. */
struct columns {
    struct gpu_range range;
    uint32_t base, slot_stride, col_stride;
};

/* per_slot dense vectors of `width` a slot. */
struct columns columns_dense(struct gpu_range range, uint32_t per_slot, uint32_t width);

struct matmul_args {
    struct columns x, y, residual, y2; /* residual and y2 where the flags ask for them */
    struct gpu_range bias, scale;
    uint32_t per_slot;
    uint32_t first_row, rows; /* a slice of the weight; rows 0: all */
    uint32_t flags;           /* MATMUL_* */
    float eps;                /* of MATMUL_NORM; see record_norm_matmul */
};

/* One matrix product, in several dispatches where a plane exceeds the device's largest binding. */
void record_matmul(struct recorder *r, const struct weight *w, const struct matmul_args *args);

/* x[slot] = (accumulate ? x[slot] : 0) + the sum of one row of each of `tables` stacked tables. */
void record_embed(struct recorder *r, const struct weight *w, uint32_t tables, struct gpu_range ids,
                  uint32_t ids_base, uint32_t ids_slot_stride, struct gpu_range x,
                  uint32_t x_slot_stride, bool accumulate);

void record_rmsnorm(struct recorder *r, struct gpu_range x, struct gpu_range alpha,
                    struct gpu_range y, uint32_t cols, uint32_t dim);
void record_layernorm(struct recorder *r, struct gpu_range x, struct gpu_range weight,
                      struct gpu_range bias, struct gpu_range y, uint32_t cols, uint32_t dim);

/* What stands before a projection: rmsnorm, or layernorm where there is a bias. */
struct norm {
    struct gpu_range weight, bias;
    struct gpu_range out; /* dense scratch for the kernels that do not fuse it */
};
/* The matrix product of normalized columns: args.x are dense and not normalized yet. In one
 * dispatch where the kernels can and the flags leave room for it. norm NULL: record_matmul. */
void record_norm_matmul(struct recorder *r, const struct norm *norm, const struct weight *w,
                        const struct matmul_args *args);

/* Whether that is one dispatch, and norm.out is not written. */
bool record_fuses_norm(const struct recorder *r, const struct norm *norm, const struct weight *w,
                       const struct matmul_args *args);

/* One attention with its cache, and the projection before it; all positions of one call of one
 * layer. */
struct attention_args {
    const struct norm *norm;
    const struct weight *in_proj; /* from first_row on, 3 * heads * head_dim rows */
    uint32_t first_row;
    struct columns x; /* dense, not normalized yet */
    uint32_t per_slot, heads, head_dim, capacity;
    uint32_t source, static_position; /* POSITION_* */
    uint32_t kv_type;                 /* KV_* */
    struct gpu_range rope;            /* NULL buffer: no rotation */
    struct gpu_range qkv;             /* scratch: [slot][per_slot][3][heads][head_dim] */
    struct gpu_range q, partials;     /* scratch: attention_q_words, attention_partial_words */
    struct gpu_range k_cache, v_cache; /* attention_cache_words each */
    struct gpu_range out; /* [slot][per_slot][heads * head_dim] */
};
/* Where the kernels can, what the projection gives goes straight to q and the caches, bit for bit
 * the same; qkv is not written then. */
void record_attention(struct recorder *r, const struct attention_args *args);

/* Words of its buffers for `slots` slots. */
uint64_t attention_cache_words(uint64_t slots, uint32_t kv_type, uint32_t capacity, uint32_t heads,
                               uint32_t head_dim);
uint64_t attention_q_words(uint64_t cols, uint32_t kv_type, uint32_t heads, uint32_t head_dim);
/* 0 where it needs none: then the range of the partials need not have a buffer */
uint64_t attention_partial_words(uint64_t cols, uint32_t capacity, uint32_t heads,
                                 uint32_t head_dim);

/* Any other kernel of the list. */
void record_kernel(struct recorder *r, enum kernel_id id, const void *params,
                   const struct gpu_range *ranges);
void record_stage(struct recorder *r, const char *name);

#endif
