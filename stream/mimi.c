/* SPDX-License-Identifier: MIT */
#include "stream/mimi.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define NAME_MAX_LENGTH 160

static void want_input(struct mimi *m, struct buffers *buffers, struct mimi_input *in,
                       uint32_t prefix, uint32_t length, uint32_t channels)
{
    *in = (struct mimi_input){{0}, (prefix + length) * channels, prefix, length, channels};
    buffers_want(buffers, &in->range, "mimi convolution input",
                 (uint64_t)in->slot_stride * m->max_slots);
    m->inputs[m->n_inputs++] = in;
}

/* The windows of a convolution, one a column: they overlap, which is all there is to a convolution
 * once time comes first. */
static struct columns windows(const struct mimi_input *in, uint32_t stride)
{
    return (struct columns){in->range, 0, in->slot_stride, stride * in->channels};
}

/* Where a frame's own vectors go, behind what is kept. */
static struct columns fresh(const struct mimi_input *in)
{
    return (struct columns){in->range, in->prefix * in->channels, in->slot_stride, in->channels};
}

static enum status plan_conv(struct plan *plan, struct mimi_conv *conv, const char *prefix,
                             uint32_t out, uint32_t in, uint32_t taps)
{
    char name[NAME_MAX_LENGTH];
    snprintf(name, sizeof(name), "mimi.%s.conv.conv.weight", prefix);
    enum status status = plan_matrix(plan, name, out, in * taps, taps, 0, &conv->w);
    if (status)
        return status;
    snprintf(name, sizeof(name), "mimi.%s.conv.conv.bias", prefix);
    return plan_vector(plan, name, out, 0, &conv->bias);
}

static enum status plan_seanet(struct mimi *m, struct plan *plan, struct buffers *buffers)
{
    const struct mimi_config *c = m->config;
    const uint32_t slots = m->max_slots;
    uint32_t channels = c->n_filters, length = c->frame_samples;
    char name[NAME_MAX_LENGTH];
    enum status status = plan_conv(plan, &m->first, "encoder.model.0", channels, 1, c->kernel_size);
    if (status)
        return status;
    want_input(m, buffers, &m->pcm, c->kernel_size - 1, length, 1);

    for (uint32_t n = 0; n < c->n_ratios; n++) {
        struct mimi_block *b = &m->blocks[n];
        const uint32_t hidden = channels / c->compress, ratio = c->ratios[n];
        *b = (struct mimi_block){.channels = channels, .length = length, .ratio = ratio};
        want_input(m, buffers, &b->narrow_in, c->residual_kernel_size - 1, length, channels);
        want_input(m, buffers, &b->down_in, ratio, length, channels);
        buffers_want(buffers, &b->raw, "mimi block", (uint64_t)slots * length * channels);
        buffers_want(buffers, &b->hidden, "mimi block hidden", (uint64_t)slots * length * hidden);

        snprintf(name, sizeof(name), "encoder.model.%u.block.1", 1 + 3 * n);
        status = plan_conv(plan, &b->narrow, name, hidden, channels, c->residual_kernel_size);
        if (status)
            return status;
        snprintf(name, sizeof(name), "encoder.model.%u.block.3", 1 + 3 * n);
        status = plan_conv(plan, &b->widen, name, channels, hidden, 1);
        if (status)
            return status;
        snprintf(name, sizeof(name), "encoder.model.%u", 3 + 3 * n);
        status = plan_conv(plan, &b->down, name, 2 * channels, channels, 2 * ratio);
        if (status)
            return status;
        channels *= 2;
        length /= ratio;
    }
    want_input(m, buffers, &m->last_in, c->last_kernel_size - 1, length, channels);
    snprintf(name, sizeof(name), "encoder.model.%u", 2 + 3 * c->n_ratios);
    return plan_conv(plan, &m->last, name, c->dimension, channels, c->last_kernel_size);
}

static enum status plan_layer(struct mimi *m, uint32_t n, struct plan *plan,
                              struct buffers *buffers)
{
    const struct mimi_config *c = m->config;
    struct mimi_layer *l = &m->layers[n];
    const uint32_t d = c->dimension;
    const struct {
        const char *name;
        struct gpu_range *out;
    } vectors[] = {
        {"norm1.weight", &l->norm1_weight},  {"norm1.bias", &l->norm1_bias},
        {"norm2.weight", &l->norm2_weight},  {"norm2.bias", &l->norm2_bias},
        {"layer_scale_1.scale", &l->scale1}, {"layer_scale_2.scale", &l->scale2},
    };
    const struct {
        const char *name;
        uint32_t rows, k;
        struct weight *out;
    } matrices[] = {
        {"self_attn.in_proj_weight", 3 * d, d, &l->in_proj},
        {"self_attn.out_proj.weight", d, d, &l->out_proj},
        {"linear1.weight", c->dim_feedforward, d, &l->linear1},
        {"linear2.weight", d, c->dim_feedforward, &l->linear2},
    };
    char name[NAME_MAX_LENGTH];
    enum status status;
    for (uint32_t i = 0; i < COUNT_OF(vectors); i++) {
        snprintf(name, sizeof(name), "mimi.encoder_transformer.transformer.layers.%u.%s", n,
                 vectors[i].name);
        if ((status = plan_vector(plan, name, d, 0, vectors[i].out)))
            return status;
    }
    for (uint32_t i = 0; i < COUNT_OF(matrices); i++) {
        snprintf(name, sizeof(name), "mimi.encoder_transformer.transformer.layers.%u.%s", n,
                 matrices[i].name);
        if ((status =
                 plan_matrix(plan, name, matrices[i].rows, matrices[i].k, 1, 0, matrices[i].out)))
            return status;
    }
    const uint64_t cache_words =
        attention_cache_words(m->max_slots, KV_F32, c->context, c->n_heads, d / c->n_heads);
    buffers_want(buffers, &l->k_cache, "mimi keys", cache_words);
    buffers_want(buffers, &l->v_cache, "mimi values", cache_words);
    return OK;
}

static enum status plan_quantizer(struct mimi *m, struct plan *plan)
{
    const struct mimi_config *c = m->config;
    char name[NAME_MAX_LENGTH];
    enum status status = plan_matrix(plan, "mimi.downsample.conv.conv.conv.weight", c->dimension,
                                     4 * c->dimension, 4, 0, &m->downsample);
    if (status)
        return status;
    status = plan_matrix(plan, "mimi.quantizer.rvq_first.input_proj.weight", c->codebook_dim,
                         c->dimension, 1, 0, &m->proj_first);
    if (status)
        return status;
    if (m->n_codes > 1)
        status = plan_matrix(plan, "mimi.quantizer.rvq_rest.input_proj.weight", c->codebook_dim,
                             c->dimension, 1, 0, &m->proj_rest);
    for (uint32_t i = 0; i < m->n_codes && status == OK; i++) {
        snprintf(name, sizeof(name), "mimi.quantizer.%s.vq.layers.%u._codebook",
                 i ? "rvq_rest" : "rvq_first", i ? i - 1 : 0);
        status = plan_codebook(plan, name, c->bins, c->codebook_dim, &m->codebooks[i]);
    }
    return status;
}

enum status mimi_plan(struct mimi *m, const struct mimi_config *config, uint32_t n_codes,
                      uint32_t max_slots, struct plan *plan, struct buffers *buffers,
                      struct taps *taps, const struct log *log)
{
    const uint32_t d = config->dimension, cols = max_slots * MIMI_PER_FRAME;
    const uint64_t vq_row = VQ_ROW(config->bins, config->codebook_dim);
    if (config->codebook_dim % 4 || config->codebook_dim > VQ_MAX_DIM)
        return log_error(log, ERROR_UNSUPPORTED,
                         "codebooks of dimension %u: only multiples of 4 up to %u are supported",
                         config->codebook_dim, VQ_MAX_DIM);
    m->config = config;
    m->n_codes = n_codes;
    m->max_slots = max_slots;
    enum status status = plan_seanet(m, plan, buffers);
    for (uint32_t n = 0; n < config->n_layers && status == OK; n++)
        status = plan_layer(m, n, plan, buffers);
    if (status == OK)
        status = plan_quantizer(m, plan);
    if (status)
        return status;

    want_input(m, buffers, &m->downsample_in, 2, MIMI_PER_FRAME, d);
    buffers_want(buffers, &m->freq, "mimi frequencies", d / config->n_heads / 2);
    buffers_want(buffers, &m->rope, "mimi rotations", (uint64_t)cols * (d / config->n_heads));
    buffers_want(buffers, &m->x, "mimi x", (uint64_t)cols * d);
    buffers_want(buffers, &m->norm, "mimi norm", (uint64_t)cols * d);
    buffers_want(buffers, &m->qkv, "mimi qkv", (uint64_t)cols * 3 * d);
    const uint32_t head_dim = d / config->n_heads;
    buffers_want(buffers, &m->q, "mimi q",
                 attention_q_words(cols, KV_F32, config->n_heads, head_dim));
    const uint64_t partials =
        attention_partial_words(cols, config->context, config->n_heads, head_dim);
    if (partials)
        buffers_want(buffers, &m->partials, "mimi attention's partials", partials);
    buffers_want(buffers, &m->attended, "mimi attended", (uint64_t)cols * d);
    buffers_want(buffers, &m->hidden, "mimi hidden", (uint64_t)cols * config->dim_feedforward);
    buffers_want(buffers, &m->latent, "mimi latent", (uint64_t)max_slots * d);
    for (uint32_t i = 0; i < 2; i++) {
        buffers_want(buffers, &m->vq_first[i], "mimi residual", vq_row * max_slots);
        buffers_want(buffers, &m->vq_rest[i], "mimi residual", vq_row * max_slots);
    }
    buffers_want(buffers, &m->info, "mimi decisions", (uint64_t)max_slots * n_codes * 3);
    if (taps) {
        taps_want(taps, TAP_SEANET, MIMI_PER_FRAME * d);
        taps_want(taps, TAP_TRANSFORMER_L0, MIMI_PER_FRAME * d);
        taps_want(taps, TAP_TRANSFORMER, MIMI_PER_FRAME * d);
        taps_want(taps, TAP_LATENT, d);
        taps_want(taps, TAP_PROJ_FIRST, config->codebook_dim);
        taps_want(taps, TAP_PROJ_REST, n_codes > 1 ? config->codebook_dim : 0);
        taps_want(taps, TAP_VQ_INFO, n_codes * 3);
    }
    return OK;
}

enum status rope_upload_freq(gpu_device *device, struct gpu_range range, uint32_t head_dim,
                             float max_period)
{
    const float scale = (float)(-log((double)max_period) * 2 / head_dim);
    const uint32_t n = head_dim / 2;
    float *freq = malloc(n * sizeof(*freq));
    if (!freq)
        return log_error(gpu_device_log(device), ERROR_MEMORY, "out of memory");
    for (uint32_t i = 0; i < n; i++)
        freq[i] = (float)exp((double)((float)i * scale));
    const enum status status =
        gpu_buffer_write(device, range.buffer, range.offset, freq, n * sizeof(*freq));
    free(freq);
    return status;
}

enum status mimi_init(struct mimi *m, gpu_device *device)
{
    return rope_upload_freq(device, m->freq, m->config->dimension / m->config->n_heads,
                            m->config->max_period);
}

static void record_seanet(const struct mimi *m, struct recorder *r)
{
    const struct mimi_config *c = m->config;
    record_matmul(
        r, &m->first.w,
        &(struct matmul_args){.x = windows(&m->pcm, 1),
                              .bias = m->first.bias,
                              .per_slot = m->pcm.length,
                              .y = columns_dense(m->blocks[0].raw, m->pcm.length, c->n_filters),
                              .y2 = fresh(&m->blocks[0].narrow_in),
                              .flags = MATMUL_BIAS | MATMUL_DUAL});
    for (uint32_t n = 0; n < c->n_ratios; n++) {
        const struct mimi_block *b = &m->blocks[n];
        const bool last = n + 1 == c->n_ratios;
        const uint32_t hidden = b->channels / c->compress;
        record_matmul(r, &b->narrow.w,
                      &(struct matmul_args){.x = windows(&b->narrow_in, 1),
                                            .bias = b->narrow.bias,
                                            .per_slot = b->length,
                                            .y = columns_dense(b->hidden, b->length, hidden),
                                            .flags = MATMUL_BIAS | MATMUL_ELU});
        record_matmul(
            r, &b->widen.w,
            &(struct matmul_args){.x = columns_dense(b->hidden, b->length, hidden),
                                  .bias = b->widen.bias,
                                  .per_slot = b->length,
                                  .residual = columns_dense(b->raw, b->length, b->channels),
                                  .y = fresh(&b->down_in),
                                  .flags = MATMUL_BIAS | MATMUL_ADD | MATMUL_ELU});
        struct matmul_args down = {.x = windows(&b->down_in, b->ratio),
                                   .bias = b->down.bias,
                                   .per_slot = b->length / b->ratio};
        if (last) {
            down.y = fresh(&m->last_in);
            down.flags = MATMUL_BIAS | MATMUL_ELU;
        } else {
            down.y = columns_dense(b[1].raw, b[1].length, b[1].channels);
            down.y2 = fresh(&b[1].narrow_in);
            down.flags = MATMUL_BIAS | MATMUL_DUAL;
        }
        record_matmul(r, &b->down.w, &down);
    }
    record_matmul(r, &m->last.w,
                  &(struct matmul_args){.x = windows(&m->last_in, 1),
                                        .bias = m->last.bias,
                                        .per_slot = MIMI_PER_FRAME,
                                        .y = columns_dense(m->x, MIMI_PER_FRAME, c->dimension),
                                        .flags = MATMUL_BIAS});
    record_tap(r, TAP_SEANET, m->x, 0, 0, MIMI_PER_FRAME * c->dimension);
}

static void record_layer(const struct mimi *m, struct recorder *r, uint32_t n)
{
    const struct mimi_config *c = m->config;
    const struct mimi_layer *l = &m->layers[n];
    const uint32_t d = c->dimension, t = MIMI_PER_FRAME;
    const bool last = n + 1 == c->n_layers;
    const struct columns x = columns_dense(m->x, t, d);
    const struct columns hidden = columns_dense(m->hidden, t, c->dim_feedforward);
    const struct norm norm1 = {l->norm1_weight, l->norm1_bias, m->norm},
                      norm2 = {l->norm2_weight, l->norm2_bias, m->norm};

    record_attention(r, &(struct attention_args){.norm = &norm1,
                                                 .in_proj = &l->in_proj,
                                                 .x = x,
                                                 .per_slot = t,
                                                 .heads = c->n_heads,
                                                 .head_dim = d / c->n_heads,
                                                 .capacity = c->context,
                                                 .source = POSITION_FRAME,
                                                 .kv_type = KV_F32,
                                                 .rope = m->rope,
                                                 .qkv = m->qkv,
                                                 .q = m->q,
                                                 .partials = m->partials,
                                                 .k_cache = l->k_cache,
                                                 .v_cache = l->v_cache,
                                                 .out = m->attended});
    record_matmul(r, &l->out_proj,
                  &(struct matmul_args){.x = columns_dense(m->attended, t, d),
                                        .y = x,
                                        .scale = l->scale1,
                                        .per_slot = t,
                                        .flags = MATMUL_SCALE | MATMUL_ADD_TO});
    record_norm_matmul(
        r, &norm2, &l->linear1,
        &(struct matmul_args){.x = x, .y = hidden, .per_slot = t, .flags = MATMUL_GELU});
    /* The last layer writes where the downsampling convolution reads. */
    struct matmul_args linear2 = {
        .x = hidden, .y = x, .scale = l->scale2, .per_slot = t, .flags = MATMUL_SCALE};
    if (last) {
        linear2.residual = x;
        linear2.y = fresh(&m->downsample_in);
    }
    linear2.flags |= last ? MATMUL_ADD : MATMUL_ADD_TO;
    record_matmul(r, &l->linear2, &linear2);
    if (n == 0) {
        const struct columns out = last ? fresh(&m->downsample_in) : x;
        record_tap(r, TAP_TRANSFORMER_L0, out.range, out.base, 0, t * d);
    }
}

/* Codebook i: from the residual, which codebook 0 and 1 find where the projections wrote it. Rows
 * change sides in each step. */
static void record_step(const struct mimi *m, struct recorder *r, struct gpu_range codes,
                        uint32_t codes_ring, uint32_t i)
{
    const struct mimi_config *c = m->config;
    const struct gpu_range none = {0}, *rows = i ? m->vq_rest : m->vq_first;
    const bool picks = i > 1;
    const struct vq_step_params p = {
        .slots = r->slots,
        .bins = c->bins,
        .dim = c->codebook_dim,
        .picks = picks,
        .codebook = picks ? i - 1 : 0,
        .n_codes = m->n_codes,
        .codes_ring = codes_ring,
    };
    record_kernel(r, KERNEL_vq_step, &p,
                  (const struct gpu_range[]){r->state, rows[i ? (i + 1) % 2 : 0],
                                             picks ? m->codebooks[i - 1] : none, m->codebooks[i],
                                             rows[i ? i % 2 : 1], picks ? codes : none,
                                             picks ? m->info : none});
}

static void record_projection(const struct mimi *m, struct recorder *r, const struct weight *w,
                              struct gpu_range rows, enum tap tap)
{
    const struct mimi_config *c = m->config;
    const uint32_t dim = c->codebook_dim, r_at = 4 * VQ_TILES(c->bins);
    record_matmul(r, w,
                  &(struct matmul_args){.x = columns_dense(m->latent, 1, c->dimension),
                                        .y = {rows, r_at, VQ_ROW(c->bins, dim), dim},
                                        .per_slot = 1});
    record_tap(r, tap, rows, r_at, 0, dim);
}

static void record_quantizer(const struct mimi *m, struct recorder *r, struct gpu_range codes,
                             uint32_t codes_ring)
{
    const struct mimi_config *c = m->config;
    record_projection(m, r, &m->proj_first, m->vq_first[0], TAP_PROJ_FIRST);
    if (m->n_codes > 1)
        record_projection(m, r, &m->proj_rest, m->vq_rest[0], TAP_PROJ_REST);
    for (uint32_t i = 0; i < m->n_codes; i++)
        record_step(m, r, codes, codes_ring, i);
    const struct vq_end_params end = {r->slots, c->bins, c->codebook_dim, m->n_codes, codes_ring};
    const struct gpu_range none = {0},
                           rest = m->n_codes > 1 ? m->vq_rest[(m->n_codes - 1) % 2] : none;
    record_kernel(r, KERNEL_vq_end, &end,
                  (const struct gpu_range[]){r->state, m->vq_first[1], rest, codes, m->info});
    record_tap(r, TAP_VQ_INFO, m->info, 0, 0, m->n_codes * 3);
}

void mimi_record(const struct mimi *m, struct recorder *r, struct gpu_range codes,
                 uint32_t codes_ring)
{
    const struct mimi_config *c = m->config;
    const uint32_t d = c->dimension;
    record_stage(r, "mimi convolutions");
    record_seanet(m, r);

    record_stage(r, "mimi transformer");
    const struct rope_table_params rope = {r->slots, MIMI_PER_FRAME, d / c->n_heads / 2,
                                           POSITION_FRAME};
    record_kernel(r, KERNEL_rope_table, &rope,
                  (const struct gpu_range[]){r->state, m->freq, m->rope});
    for (uint32_t n = 0; n < c->n_layers; n++)
        record_layer(m, r, n);
    record_tap(r, TAP_TRANSFORMER, m->downsample_in.range, fresh(&m->downsample_in).base, 0,
               MIMI_PER_FRAME * d);

    record_stage(r, "mimi quantizer");
    const struct mimi_input *in = &m->downsample_in;
    const struct conv_replicate_params replicate = {r->slots, 0, in->slot_stride, in->prefix,
                                                    in->channels};
    record_kernel(r, KERNEL_conv_replicate, &replicate,
                  (const struct gpu_range[]){r->state, in->range});
    record_matmul(r, &m->downsample,
                  &(struct matmul_args){
                      .x = windows(in, 2), .y = columns_dense(m->latent, 1, d), .per_slot = 1});
    record_tap(r, TAP_LATENT, m->latent, 0, 0, d);
    record_quantizer(m, r, codes, codes_ring);
}

void mimi_record_end(const struct mimi *m, struct recorder *r)
{
    for (uint32_t first = 0; first < m->n_inputs; first += CONV_STATES) {
        struct conv_state_params p = {.slots = r->slots};
        struct gpu_range ranges[1 + CONV_STATES] = {r->state};
        for (uint32_t n = 0; n < MIN(CONV_STATES, m->n_inputs - first); n++) {
            const struct mimi_input *in = m->inputs[first + n];
            p.prefix[n] = in->prefix;
            p.frame[n] = in->length;
            p.channels[n] = in->channels;
            ranges[1 + n] = in->range;
        }
        record_kernel(r, KERNEL_conv_state, &p, ranges);
    }
}
