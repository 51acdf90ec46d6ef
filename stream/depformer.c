/* SPDX-License-Identifier: MIT */
#include "stream/depformer.h"

#include <stdio.h>

#define NAME_MAX_LENGTH 160

/* Which set of weights codebook k takes where there is more than one. */
static uint32_t scheduled(const struct depformer *d, uint32_t k)
{
    const struct depformer_config *c = &d->config->depformer;
    return c->n_schedule ? c->schedule[k] : k;
}

uint32_t depformer_set(const struct depformer *d, uint32_t k)
{
    return d->config->depformer.weights_per_step ? scheduled(d, k) : 0;
}

static uint32_t input_of(const struct depformer *d, uint32_t k)
{
    return d->config->depformer.multi_linear ? scheduled(d, k) : 0;
}

static enum status plan_layer(struct depformer *d, uint32_t n, struct plan *plan,
                              const struct log *log)
{
    const struct depformer_config *c = &d->config->depformer;
    struct depformer_layer *l = &d->layers[n];
    const uint32_t dim = c->dim;
    char name[NAME_MAX_LENGTH];
    enum status status;
    snprintf(name, sizeof(name), "depformer.layers.%u.norm1.alpha", n);
    if ((status = plan_vector(plan, name, dim, 0, &l->norm1)))
        return status;
    snprintf(name, sizeof(name), "depformer.layers.%u.norm2.alpha", n);
    if ((status = plan_vector(plan, name, dim, 0, &l->norm2)))
        return status;
    snprintf(name, sizeof(name), "depformer.layers.%u.self_attn.in_proj_weight", n);
    if ((status = plan_matrix(plan, name, d->slices * 3 * dim, dim, 1, 0, &l->in_proj)))
        return status;
    snprintf(name, sizeof(name), "depformer.layers.%u.self_attn.out_proj.weight", n);
    if ((status = plan_matrix(plan, name, d->slices * dim, dim, 1, 0, &l->out_proj)))
        return status;
    for (uint32_t s = 0; s < d->slices; s++) {
        if (c->weights_per_step)
            snprintf(name, sizeof(name), "depformer.layers.%u.gating.%u", n, s);
        else
            snprintf(name, sizeof(name), "depformer.layers.%u.gating", n);
        if ((status = lm_plan_gate(plan, log, name, dim, &d->hidden, &l->linear_in[s],
                                   &l->linear_out[s])))
            return status;
    }
    return OK;
}

static enum status plan_streams(struct depformer *d, struct plan *plan)
{
    const struct lm_config *lm = d->config;
    const struct depformer_config *c = &lm->depformer;
    char name[NAME_MAX_LENGTH];
    enum status status = plan_matrix(plan, "depformer_text_emb.weight", lm->text_card + 1, c->dim,
                                     1, 0, &d->text_emb);
    for (uint32_t k = 1; k < lm->dep_q && status == OK; k++) {
        snprintf(name, sizeof(name), "depformer_emb.%u.weight", k - 1);
        status = plan_matrix(plan, name, lm->card + 1, c->dim, 1, 0, &d->emb[k]);
    }
    for (uint32_t i = 0; i < d->inputs && status == OK; i++) {
        snprintf(name, sizeof(name), "depformer_in.%u.weight", i);
        status = plan_matrix(plan, name, c->dim, lm->dim, 1, 0, &d->in[i]);
    }
    for (uint32_t k = 0; k < lm->dep_q && status == OK; k++) {
        snprintf(name, sizeof(name), "linears.%u.weight", k);
        status = plan_matrix(plan, name, lm->card, c->dim, 1, 0, &d->linears[k]);
        if (status == OK && c->norm) {
            snprintf(name, sizeof(name), "depformer_norms.%u.alpha", k);
            status = plan_vector(plan, name, c->dim, 0, &d->norms[k]);
        }
    }
    return status;
}

enum status depformer_plan(struct depformer *d, const struct lm_config *lm, uint32_t max_slots,
                           struct plan *plan, struct buffers *buffers, struct taps *taps,
                           gpu_device *device)
{
    const struct depformer_config *c = &lm->depformer;
    const struct log *log = gpu_device_log(device);
    const uint32_t head_dim = c->dim / c->n_heads;
    const uint64_t slots = max_slots, cache_words = attention_cache_words(slots, KV_F32, lm->dep_q,
                                                                          c->n_heads, head_dim);
    enum status status;
    if (c->dim % 2)
        return log_error(log, ERROR_UNSUPPORTED,
                         "a depformer of width %u: only even ones are supported", c->dim);
    d->config = lm;
    d->hidden = c->feedforward;
    for (uint32_t k = 0; k < lm->dep_q; k++) {
        d->slices = MAX(d->slices, depformer_set(d, k) + 1);
        d->inputs = MAX(d->inputs, input_of(d, k) + 1);
    }
    if ((status = plan_streams(d, plan)))
        return status;
    for (uint32_t n = 0; n < c->n_layers; n++) {
        if ((status = plan_layer(d, n, plan, log)))
            return status;
        buffers_want(buffers, &d->layers[n].k_cache, "depformer keys", cache_words);
        buffers_want(buffers, &d->layers[n].v_cache, "depformer values", cache_words);
    }
    buffers_want(buffers, &d->x, "depformer x", slots * c->dim);
    buffers_want(buffers, &d->norm, "depformer norm", slots * c->dim);
    buffers_want(buffers, &d->qkv, "depformer qkv", slots * 3 * c->dim);
    buffers_want(buffers, &d->q, "depformer q",
                 attention_q_words(slots, KV_F32, c->n_heads, head_dim));
    const uint64_t partials = attention_partial_words(slots, lm->dep_q, c->n_heads, head_dim);
    if (partials)
        buffers_want(buffers, &d->partials, "depformer attention's partials", partials);
    buffers_want(buffers, &d->attended, "depformer attended", slots * c->dim);
    buffers_want(buffers, &d->gated, "depformer gated", slots * d->hidden);
    buffers_want(buffers, &d->logits, "depformer logits", slots * lm->card);
    if (taps)
        taps_want(taps, TAP_DEP_LOGITS, lm->dep_q * lm->card);
    return OK;
}

static void record_layer(const struct depformer *d, struct recorder *r, uint32_t n, uint32_t k)
{
    const struct depformer_config *c = &d->config->depformer;
    const struct depformer_layer *l = &d->layers[n];
    const uint32_t dim = c->dim, slice = depformer_set(d, k);
    const struct columns x = columns_dense(d->x, 1, dim);
    const struct norm norm1 = {.weight = l->norm1, .out = d->norm},
                      norm2 = {.weight = l->norm2, .out = d->norm};

    record_attention(r, &(struct attention_args){.norm = &norm1,
                                                 .in_proj = &l->in_proj,
                                                 .first_row = slice * 3 * dim,
                                                 .x = x,
                                                 .per_slot = 1,
                                                 .heads = c->n_heads,
                                                 .head_dim = dim / c->n_heads,
                                                 .capacity = d->config->dep_q,
                                                 .source = POSITION_STATIC,
                                                 .static_position = k,
                                                 .kv_type = KV_F32,
                                                 .qkv = d->qkv,
                                                 .q = d->q,
                                                 .partials = d->partials,
                                                 .k_cache = l->k_cache,
                                                 .v_cache = l->v_cache,
                                                 .out = d->attended});
    record_matmul(r, &l->out_proj,
                  &(struct matmul_args){.x = columns_dense(d->attended, 1, dim),
                                        .y = x,
                                        .per_slot = 1,
                                        .flags = MATMUL_ADD_TO,
                                        .first_row = slice * dim,
                                        .rows = dim});
    record_norm_matmul(r, &norm2, &l->linear_in[slice],
                       &(struct matmul_args){.x = x,
                                             .y = columns_dense(d->gated, 1, d->hidden),
                                             .per_slot = 1,
                                             .flags = MATMUL_GATE});
    record_matmul(r, &l->linear_out[slice],
                  &(struct matmul_args){.x = columns_dense(d->gated, 1, d->hidden),
                                        .y = x,
                                        .per_slot = 1,
                                        .flags = MATMUL_ADD_TO});
}

void depformer_record(const struct depformer *d, struct recorder *r, const struct lm *lm)
{
    const struct lm_config *c = d->config;
    const struct depformer_config *dc = &c->depformer;
    const uint32_t made = 1 + c->dep_q;
    const struct columns x = columns_dense(d->x, 1, dc->dim);
    record_stage(r, "depformer");
    for (uint32_t k = 0; k < c->dep_q; k++) {
        record_matmul(
            r, &d->in[input_of(d, k)],
            &(struct matmul_args){.x = columns_dense(lm->out, 1, c->dim), .y = x, .per_slot = 1});
        record_embed(r, k ? &d->emb[k] : &d->text_emb, 1, lm->tokens, k, made, d->x, dc->dim, true);
        for (uint32_t n = 0; n < dc->n_layers; n++)
            record_layer(d, r, n, k);
        const struct matmul_args linear = {
            .x = x, .y = columns_dense(d->logits, 1, c->card), .per_slot = 1};
        const struct norm norm = {.weight = d->norms[k], .out = d->norm};
        record_norm_matmul(r, dc->norm ? &norm : NULL, &d->linears[k], &linear);
        record_tap(r, TAP_DEP_LOGITS, d->logits, 0, k * c->card, c->card);
        const struct argmax_params pick = {r->slots, c->card, c->card, made, 1 + k};
        record_kernel(r, KERNEL_argmax, &pick,
                      (const struct gpu_range[]){r->state, d->logits, lm->tokens, lm->margins});
    }
}
