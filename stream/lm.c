/* SPDX-License-Identifier: MIT */
#include "stream/lm.h"

#include "stream/mimi.h"

#include <stdio.h>

#define NAME_MAX_LENGTH 160

enum status lm_plan_gate(struct plan *plan, const struct log *log, const char *prefix, uint32_t dim,
                         uint32_t *hidden, struct weight *in, struct weight *out)
{
    char name[NAME_MAX_LENGTH];
    snprintf(name, sizeof(name), "%s.linear_out.weight", prefix);
    enum status status = plan_matrix(plan, name, dim, *hidden, 1, 0, out);
    if (status)
        return status;
    if (out->k > UINT32_MAX / 2)
        return log_error(log, ERROR_FORMAT, "%s has %u columns", name, out->k);
    *hidden = out->k;
    snprintf(name, sizeof(name), "%s.linear_in.weight", prefix);
    return plan_matrix(plan, name, 2 * out->k, dim, 1, PLAN_GATE, in);
}

static enum status plan_layer(struct lm *lm, uint32_t n, struct plan *plan, const struct log *log,
                              struct buffers *buffers)
{
    const uint32_t d = lm->config->dim;
    struct lm_layer *l = &lm->layers[n];
    char name[NAME_MAX_LENGTH];
    enum status status;
    snprintf(name, sizeof(name), "transformer.layers.%u.norm1.alpha", n);
    if ((status = plan_vector(plan, name, d, 0, &l->norm1)))
        return status;
    snprintf(name, sizeof(name), "transformer.layers.%u.norm2.alpha", n);
    if ((status = plan_vector(plan, name, d, 0, &l->norm2)))
        return status;
    snprintf(name, sizeof(name), "transformer.layers.%u.self_attn.in_proj_weight", n);
    if ((status = plan_matrix(plan, name, 3 * d, d, 1, 0, &l->in_proj)))
        return status;
    snprintf(name, sizeof(name), "transformer.layers.%u.self_attn.out_proj.weight", n);
    if ((status = plan_matrix(plan, name, d, d, 1, 0, &l->out_proj)))
        return status;
    snprintf(name, sizeof(name), "transformer.layers.%u.gating", n);
    if ((status = lm_plan_gate(plan, log, name, d, &lm->hidden, &l->linear_in, &l->linear_out)))
        return status;
    const uint32_t heads = lm->config->n_heads;
    const uint64_t cache_words =
        attention_cache_words(lm->max_slots, lm->kv_type, lm->config->context, heads, d / heads);
    buffers_want(buffers, &l->k_cache, "keys", cache_words);
    buffers_want(buffers, &l->v_cache, "values", cache_words);
    return OK;
}

/* Bytes of a table as it will be bound, without knowing the loader's layout: at most a word a
 * value. */
static uint64_t table_bytes(const struct tensor *t)
{
    return t && t->type != TENSOR_F32 ? t->bytes + t->dims[0] * 8
                                      : (t ? tensor_elements(t) + t->dims[0] * 4 : 0) * 4;
}

static enum status plan_tables(struct lm *lm, const struct source *source, struct plan *plan,
                               gpu_device *device)
{
    const struct lm_config *c = lm->config;
    const uint64_t limit = gpu_device_get_info(device)->max_binding_bytes;
    char text[CONFIG_MAX_STREAMS][32];
    const char *names[CONFIG_MAX_STREAMS];
    for (uint32_t k = 0; k < c->n_q; k++) {
        snprintf(text[k], sizeof(text[k]), "emb.%u.weight", k);
        names[k] = text[k];
    }
    for (uint32_t first = 0; first < c->n_q;) {
        const struct tensor *head = source_find(source, names[first]);
        uint64_t bytes = table_bytes(head);
        uint32_t count = 1;
        while (head && first + count < c->n_q) {
            const struct tensor *next = source_find(source, names[first + count]);
            if (!next || next->type != head->type || bytes + table_bytes(next) > limit)
                break;
            bytes += table_bytes(next);
            count++;
        }
        struct lm_tables *t = &lm->tables[lm->n_tables++];
        *t = (struct lm_tables){.first = first, .count = count};
        const enum status status =
            plan_stack(plan, names + first, count, c->card + 1, c->dim, &t->w);
        if (status)
            return status;
        first += count;
    }
    return OK;
}

static enum status plan_heads(struct lm *lm, struct plan *plan)
{
    const struct lm_config *c = lm->config;
    char text[LM_MAX_HEADS][32];
    const char *names[LM_MAX_HEADS];
    for (uint32_t h = 0; h < c->extra_heads; h++) {
        snprintf(text[h], sizeof(text[h]), "extra_heads.%u.weight", h);
        names[h] = text[h];
    }
    return plan_stack(plan, names, c->extra_heads, c->extra_heads_dim, c->dim, &lm->heads);
}

enum status lm_plan(struct lm *lm, const struct lm_config *c, uint32_t n_codes, uint32_t max_slots,
                    const struct source *source, struct plan *plan, struct buffers *buffers,
                    struct taps *taps, gpu_device *device)
{
    const struct log *log = gpu_device_log(device);
    const uint32_t d = c->dim, made = 1 + c->dep_q;
    uint32_t max_delay = 0;
    enum status status;
    for (uint32_t k = 0; k <= c->n_q; k++)
        max_delay = MAX(max_delay, c->delays[k]);
    lm->config = c;
    lm->max_slots = max_slots;
    lm->n_codes = n_codes;
    lm->codes_ring = max_delay + 2;

    if ((status = plan_matrix(plan, "text_emb.weight", c->text_card + 1, d, 1, 0, &lm->text_emb)) ||
        (status = plan_tables(lm, source, plan, device)))
        return status;
    for (uint32_t n = 0; n < c->n_layers; n++)
        if ((status = plan_layer(lm, n, plan, log, buffers)))
            return status;
    if ((status = plan_vector(plan, "out_norm.alpha", d, 0, &lm->out_norm)) ||
        (status = plan_matrix(plan, "text_linear.weight", c->text_card, d, 1, 0, &lm->text_linear)))
        return status;
    if (c->extra_heads && (status = plan_heads(lm, plan)))
        return status;

    const uint64_t slots = max_slots;
    buffers_want(buffers, &lm->codes, "codes", slots * lm->codes_ring * n_codes);
    buffers_want(buffers, &lm->tokens, "tokens", slots * made);
    buffers_want(buffers, &lm->margins, "margins", slots * made);
    buffers_want(buffers, &lm->probs, "head probabilities",
                 MAX(slots * c->extra_heads * c->extra_heads_dim, 1));
    buffers_want(buffers, &lm->head_logits, "head logits",
                 MAX(slots * c->extra_heads * c->extra_heads_dim, 1));
    buffers_want(buffers, &lm->out, "transformer out", slots * d);
    buffers_want(buffers, &lm->delays, "delays", 1 + c->n_q);
    buffers_want(buffers, &lm->freq, "frequencies", d / c->n_heads / 2);
    buffers_want(buffers, &lm->rope, "rotations", slots * (d / c->n_heads));
    buffers_want(buffers, &lm->ids, "ids", slots * (1 + c->n_q));
    buffers_want(buffers, &lm->x, "x", slots * d);
    buffers_want(buffers, &lm->norm, "norm", slots * d);
    buffers_want(buffers, &lm->qkv, "qkv", slots * 3 * d);
    buffers_want(buffers, &lm->q, "q",
                 attention_q_words(slots, lm->kv_type, c->n_heads, d / c->n_heads));
    const uint64_t partials =
        attention_partial_words(slots, c->context, c->n_heads, d / c->n_heads);
    if (partials)
        buffers_want(buffers, &lm->partials, "attention's partials", partials);
    buffers_want(buffers, &lm->attended, "attended", slots * d);
    buffers_want(buffers, &lm->gated, "gated", slots * lm->hidden);
    buffers_want(buffers, &lm->logits, "text logits", slots * c->text_card);
    if (taps) {
        taps_want(taps, TAP_CODES, lm->codes_ring * n_codes);
        taps_want(taps, TAP_INPUT_IDS, 1 + c->n_q);
        taps_want(taps, TAP_EMBEDDED, d);
        taps_want(taps, TAP_HIDDEN_L0, d);
        taps_want(taps, TAP_HIDDEN_LAST, d);
        taps_want(taps, TAP_TRANSFORMER_OUT, d);
        taps_want(taps, TAP_TEXT_LOGITS, c->text_card);
        taps_want(taps, TAP_EXTRA_HEADS, c->extra_heads * c->extra_heads_dim);
        taps_want(taps, TAP_TOKENS, made);
        taps_want(taps, TAP_MARGINS, made);
    }
    return OK;
}

enum status lm_init(struct lm *lm, gpu_device *device)
{
    const struct lm_config *c = lm->config;
    const enum status status = gpu_buffer_write(device, lm->delays.buffer, 0, c->delays,
                                                (1 + (uint64_t)c->n_q) * sizeof(c->delays[0]));
    if (status)
        return status;
    return rope_upload_freq(device, lm->freq, c->dim / c->n_heads, c->max_period);
}

static void record_layer(const struct lm *lm, struct recorder *r, uint32_t n)
{
    const struct lm_config *c = lm->config;
    const struct lm_layer *l = &lm->layers[n];
    const uint32_t d = c->dim;
    const struct columns x = columns_dense(lm->x, 1, d);
    const struct norm norm1 = {.weight = l->norm1, .out = lm->norm},
                      norm2 = {.weight = l->norm2, .out = lm->norm};

    record_attention(r, &(struct attention_args){.norm = &norm1,
                                                 .in_proj = &l->in_proj,
                                                 .x = x,
                                                 .per_slot = 1,
                                                 .heads = c->n_heads,
                                                 .head_dim = d / c->n_heads,
                                                 .capacity = c->context,
                                                 .source = POSITION_STEP,
                                                 .kv_type = lm->kv_type,
                                                 .rope = lm->rope,
                                                 .qkv = lm->qkv,
                                                 .q = lm->q,
                                                 .partials = lm->partials,
                                                 .k_cache = l->k_cache,
                                                 .v_cache = l->v_cache,
                                                 .out = lm->attended});
    record_matmul(
        r, &l->out_proj,
        &(struct matmul_args){
            .x = columns_dense(lm->attended, 1, d), .y = x, .per_slot = 1, .flags = MATMUL_ADD_TO});
    record_norm_matmul(r, &norm2, &l->linear_in,
                       &(struct matmul_args){.x = x,
                                             .y = columns_dense(lm->gated, 1, lm->hidden),
                                             .per_slot = 1,
                                             .flags = MATMUL_GATE});
    record_matmul(r, &l->linear_out,
                  &(struct matmul_args){.x = columns_dense(lm->gated, 1, lm->hidden),
                                        .y = x,
                                        .per_slot = 1,
                                        .flags = MATMUL_ADD_TO});
    if (n == 0)
        record_tap(r, TAP_HIDDEN_L0, lm->x, 0, 0, d);
}

static void record_embedding(const struct lm *lm, struct recorder *r)
{
    const struct lm_config *c = lm->config;
    const struct step_inputs_params p = {r->slots,       c->n_q,  c->dep_q,    lm->n_codes,
                                         lm->codes_ring, c->card, c->text_card};
    record_kernel(r, KERNEL_step_inputs, &p,
                  (const struct gpu_range[]){r->state, lm->delays, lm->tokens, lm->codes, lm->ids});
    record_tap(r, TAP_INPUT_IDS, lm->ids, 0, 0, 1 + c->n_q);
    record_embed(r, &lm->text_emb, 1, lm->ids, 0, 1 + c->n_q, lm->x, c->dim, false);
    for (uint32_t i = 0; i < lm->n_tables; i++)
        record_embed(r, &lm->tables[i].w, lm->tables[i].count, lm->ids, 1 + lm->tables[i].first,
                     1 + c->n_q, lm->x, c->dim, true);
    record_tap(r, TAP_EMBEDDED, lm->x, 0, 0, c->dim);
}

/* Whether only heads read the last norm, and all of them make it themselves. */
static bool heads_normalize(const struct lm *lm, const struct recorder *r, const struct norm *norm,
                            struct columns x)
{
    const struct matmul_args args = {.x = x, .per_slot = 1};
    return !r->taps && !lm->config->dep_q && record_fuses_norm(r, norm, &lm->text_linear, &args) &&
           (!lm->config->extra_heads || record_fuses_norm(r, norm, &lm->heads, &args));
}

static void record_heads(const struct lm *lm, struct recorder *r)
{
    const struct lm_config *c = lm->config;
    const struct norm out_norm = {.weight = lm->out_norm, .out = lm->out}, *norm = &out_norm;
    struct columns x = columns_dense(lm->x, 1, c->dim);
    if (!heads_normalize(lm, r, norm, x)) {
        record_rmsnorm(r, lm->x, lm->out_norm, lm->out, r->slots, c->dim);
        record_tap(r, TAP_TRANSFORMER_OUT, lm->out, 0, 0, c->dim);
        x = columns_dense(lm->out, 1, c->dim);
        norm = NULL;
    }
    record_norm_matmul(r, norm, &lm->text_linear,
                       &(struct matmul_args){
                           .x = x, .y = columns_dense(lm->logits, 1, c->text_card), .per_slot = 1});
    if (c->extra_heads)
        record_norm_matmul(
            r, norm, &lm->heads,
            &(struct matmul_args){
                .x = x, .y = columns_dense(lm->head_logits, 1, lm->heads.rows), .per_slot = 1});
    record_tap(r, TAP_TEXT_LOGITS, lm->logits, 0, 0, c->text_card);
    const struct argmax_params pick = {r->slots, c->text_card, c->text_card, 1 + c->dep_q, 0};
    record_kernel(r, KERNEL_argmax, &pick,
                  (const struct gpu_range[]){r->state, lm->logits, lm->tokens, lm->margins});
    if (!c->extra_heads)
        return;
    const struct head_probs_params probs = {r->slots, c->extra_heads, c->extra_heads_dim};
    record_kernel(r, KERNEL_head_probs, &probs,
                  (const struct gpu_range[]){lm->head_logits, lm->probs});
    record_tap(r, TAP_EXTRA_HEADS, lm->probs, 0, 0, c->extra_heads * c->extra_heads_dim);
}

void lm_record(const struct lm *lm, struct recorder *r)
{
    const struct lm_config *c = lm->config;
    record_stage(r, "transformer");
    record_embedding(lm, r);
    const struct rope_table_params rope = {r->slots, 1, c->dim / c->n_heads / 2, POSITION_STEP};
    record_kernel(r, KERNEL_rope_table, &rope,
                  (const struct gpu_range[]){r->state, lm->freq, lm->rope});
    for (uint32_t n = 0; n < c->n_layers; n++)
        record_layer(lm, r, n);
    record_tap(r, TAP_HIDDEN_LAST, lm->x, 0, 0, c->dim);
    record_stage(r, "heads");
    record_heads(lm, r);
}
