/* SPDX-License-Identifier: MIT */
#include "bench/synthetic.h"

#include "bench/host.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct synthetic models[] = {
    {"stt-1b", 2048, 16, 16, 750, 100000, 8000, 32, 0, 0, 1024, 16, 6, 0.5, false},
    {"stt-1b-vad", 2048, 16, 16, 750, 100000, 8000, 32, 0, 4, 1024, 16, 6, 0.5, false},
    {"stt-2.6b", 2048, 32, 48, 375, 100000, 4000, 32, 0, 0, 1024, 16, 6, 2.5, false},
    {"moshi-7b", 4096, 32, 32, 3000, 10000, 32000, 16, 8, 0, 1024, 16, 6, 0, false},
    {"real-mimi-small-lm", 256, 4, 4, 100, 100000, 500, 32, 0, 4, 64, 4, 2, 0.5, false},
    {"tiny", 64, 4, 2, 20, 10000, 300, 8, 4, 4, 32, 4, 2, 0.5, true},
};

static const struct synthetic_mimi real_mimi = {64, 512, 8, 8, 250, 2048, 256, 2048, 32};
static const struct synthetic_mimi tiny_mimi = {8, 64, 4, 2, 10, 128, 32, 64, 8};

const struct synthetic *synthetic_models(size_t *count)
{
    *count = COUNT_OF(models);
    return models;
}

const struct synthetic *synthetic_find(const char *name)
{
    for (size_t i = 0; i < COUNT_OF(models); i++)
        if (!strcmp(models[i].name, name))
            return &models[i];
    return NULL;
}

const struct synthetic_mimi *synthetic_mimi(const struct synthetic *model)
{
    return model->tiny_mimi ? &tiny_mimi : &real_mimi;
}

double synthetic_prefix_seconds(const struct synthetic *model)
{
    return model->audio_delay_seconds > 1 ? 1.0 : 0.0;
}

uint32_t synthetic_delay(const struct synthetic *model, uint32_t codebook)
{
    return model->dep_q && codebook != 0 && codebook != model->dep_q;
}

static void add(struct synthetic_list *list, enum synthetic_fill fill, uint64_t a, uint64_t b,
                uint64_t c, const char *format, ...) __attribute__((format(printf, 6, 7)));

/* Dimensions of 0 are not there. */
static void add(struct synthetic_list *list, enum synthetic_fill fill, uint64_t a, uint64_t b,
                uint64_t c, const char *format, ...)
{
    va_list args;
    if (list->failed)
        return;
    if (list->count == list->capacity) {
        list->capacity = list->capacity * 2 + 256;
        struct synthetic_tensor *grown =
            realloc(list->tensors, list->capacity * sizeof(*list->tensors));
        if (!grown) {
            list->failed = true;
            return;
        }
        list->tensors = grown;
    }
    struct synthetic_tensor *tensor = &list->tensors[list->count++];
    *tensor = (struct synthetic_tensor){.n_dims = c   ? 3
                                                  : b ? 2
                                                      : 1,
                                        .dims = {a, b, c},
                                        .fill = fill};
    va_start(args, format);
    vsnprintf(tensor->name, sizeof(tensor->name), format, args);
    va_end(args);
}

/* --- The tensors of upstream's models
 * -------------------------------------------------------------------- */

static void add_layer(struct synthetic_list *list, const char *prefix, uint32_t layer, uint64_t dim,
                      uint64_t hidden, uint32_t steps)
{
    add(list, SYNTHETIC_WEIGHT, 3 * dim * MAX(steps, 1), dim, 0,
        "%s.layers.%u.self_attn.in_proj_weight", prefix, layer);
    add(list, SYNTHETIC_WEIGHT, dim * MAX(steps, 1), dim, 0,
        "%s.layers.%u.self_attn.out_proj.weight", prefix, layer);
    add(list, SYNTHETIC_ONES, 1, 1, dim, "%s.layers.%u.norm1.alpha", prefix, layer);
    add(list, SYNTHETIC_ONES, 1, 1, dim, "%s.layers.%u.norm2.alpha", prefix, layer);
    for (uint32_t i = 0; i < MAX(steps, 1); i++) {
        char step[16] = "";
        if (steps)
            snprintf(step, sizeof(step), ".%u", i);
        add(list, SYNTHETIC_WEIGHT, 2 * hidden, dim, 0, "%s.layers.%u.gating%s.linear_in.weight",
            prefix, layer, step);
        add(list, SYNTHETIC_WEIGHT, dim, hidden, 0, "%s.layers.%u.gating%s.linear_out.weight",
            prefix, layer, step);
    }
}

static uint64_t gate_width(uint64_t dim)
{
    return 2 * (uint64_t)(4.125 * (double)dim) / 3;
}

bool synthetic_list_lm(const struct synthetic *p, struct synthetic_list *list)
{
    const uint32_t card = synthetic_mimi(p)->bins;
    uint64_t small = p->depformer_dim;
    for (uint32_t i = 0; i < p->n_q; i++)
        add(list, SYNTHETIC_WEIGHT, card + 1, p->dim, 0, "emb.%u.weight", i);
    add(list, SYNTHETIC_WEIGHT, p->text_card + 1, p->dim, 0, "text_emb.weight");
    add(list, SYNTHETIC_WEIGHT, p->text_card, p->dim, 0, "text_linear.weight");
    add(list, SYNTHETIC_ONES, 1, 1, p->dim, "out_norm.alpha");
    for (uint32_t i = 0; i < p->n_layers; i++)
        add_layer(list, "transformer", i, p->dim, gate_width(p->dim), 0);
    for (uint32_t i = 0; i < p->extra_heads; i++)
        add(list, SYNTHETIC_WEIGHT, 6, p->dim, 0, "extra_heads.%u.weight", i);
    if (!p->dep_q)
        return !list->failed;
    add(list, SYNTHETIC_WEIGHT, p->text_card + 1, small, 0, "depformer_text_emb.weight");
    for (uint32_t i = 0; i < p->dep_q; i++) {
        if (i + 1 < p->dep_q)
            add(list, SYNTHETIC_WEIGHT, card + 1, small, 0, "depformer_emb.%u.weight", i);
        add(list, SYNTHETIC_WEIGHT, small, p->dim, 0, "depformer_in.%u.weight", i);
        add(list, SYNTHETIC_WEIGHT, card, small, 0, "linears.%u.weight", i);
    }
    for (uint32_t i = 0; i < p->depformer_layers; i++)
        add_layer(list, "depformer", i, small, gate_width(small), p->dep_q);
    return !list->failed;
}

static void add_conv(struct synthetic_list *list, uint64_t out, uint64_t in, uint64_t taps,
                     const char *prefix, uint32_t index, const char *rest)
{
    add(list, SYNTHETIC_BIAS, out, 0, 0, "%s.model.%u%s.conv.conv.bias", prefix, index, rest);
    add(list, SYNTHETIC_WEIGHT, out, in, taps, "%s.model.%u%s.conv.conv.weight", prefix, index,
        rest);
}

bool synthetic_list_mimi(const struct synthetic_mimi *m, struct synthetic_list *list)
{
    static const uint32_t ratios[] = {4, 5, 6, 8};
    const char *prefix = "encoder_transformer.transformer.layers";
    uint64_t channels = m->n_filters, d = m->dimension;

    add_conv(list, channels, 1, 7, "encoder", 0, "");
    for (uint32_t i = 0; i < 4; i++, channels *= 2) {
        add_conv(list, channels / 2, channels, 3, "encoder", 1 + 3 * i, ".block.1");
        add_conv(list, channels, channels / 2, 1, "encoder", 1 + 3 * i, ".block.3");
        add_conv(list, 2 * channels, channels, 2 * ratios[i], "encoder", 3 + 3 * i, "");
    }
    add_conv(list, d, channels, 3, "encoder", 14, "");
    for (uint32_t i = 0; i < m->n_layers; i++) {
        for (int n = 1; n <= 2; n++) {
            add(list, SYNTHETIC_SCALE, d, 0, 0, "%s.%u.layer_scale_%d.scale", prefix, i, n);
            add(list, SYNTHETIC_ONES, d, 0, 0, "%s.%u.norm%d.weight", prefix, i, n);
            add(list, SYNTHETIC_BIAS, d, 0, 0, "%s.%u.norm%d.bias", prefix, i, n);
        }
        add(list, SYNTHETIC_WEIGHT, m->feedforward, d, 0, "%s.%u.linear1.weight", prefix, i);
        add(list, SYNTHETIC_WEIGHT, d, m->feedforward, 0, "%s.%u.linear2.weight", prefix, i);
        add(list, SYNTHETIC_WEIGHT, 3 * d, d, 0, "%s.%u.self_attn.in_proj_weight", prefix, i);
        add(list, SYNTHETIC_WEIGHT, d, d, 0, "%s.%u.self_attn.out_proj.weight", prefix, i);
    }
    add(list, SYNTHETIC_WEIGHT, d, d, 4, "downsample.conv.conv.conv.weight");
    for (uint32_t i = 0; i < m->n_q; i++) {
        const char *half = i ? "rvq_rest" : "rvq_first";
        uint32_t layer = i ? i - 1 : 0;
        if (i < 2) {
            add(list, SYNTHETIC_WEIGHT, m->codebook_dim, d, 1, "quantizer.%s.input_proj.weight",
                half);
            add(list, SYNTHETIC_WEIGHT, d, m->codebook_dim, 1, "quantizer.%s.output_proj.weight",
                half);
        }
        add(list, SYNTHETIC_ONES, 1, 0, 0, "quantizer.%s.vq.layers.%u._codebook._initialized", half,
            layer);
        add(list, SYNTHETIC_USAGE, m->bins, 0, 0,
            "quantizer.%s.vq.layers.%u._codebook.cluster_usage", half, layer);
        add(list, SYNTHETIC_SUM, m->bins, m->codebook_dim, 0,
            "quantizer.%s.vq.layers.%u._codebook.embedding_sum", half, layer);
    }
    /* a part that no one reads: a loader has to leave it alone */
    add(list, SYNTHETIC_WEIGHT, d, d, 7, "decoder.model.0.conv.conv.weight");
    return !list->failed;
}

uint64_t synthetic_elements(const struct synthetic_tensor *tensor)
{
    uint64_t n = 1;
    for (uint32_t i = 0; i < tensor->n_dims; i++)
        n *= tensor->dims[i];
    return n;
}

void synthetic_values(const struct synthetic_tensor *tensor, uint64_t *state, uint64_t first,
                      float *out, size_t n)
{
    uint64_t k = synthetic_elements(tensor) / tensor->dims[0];
    float bound = 1 / sqrtf((float)k);
    for (size_t i = 0; i < n; i++) {
        float uniform = (float)((double)(int64_t)host_random(state) * 0x1p-63);
        switch (tensor->fill) {
        case SYNTHETIC_WEIGHT: out[i] = uniform * bound; break;
        case SYNTHETIC_ONES: out[i] = 1; break;
        case SYNTHETIC_SCALE: out[i] = 0.01f; break;
        case SYNTHETIC_BIAS: out[i] = 0.01f * uniform; break;
        case SYNTHETIC_SUM:
            out[i] = 2 * uniform;
            break; /* usage 1 to 2: centroids spread over -2 .. 2 */
        case SYNTHETIC_USAGE: out[i] = (first + i) % 97 ? 1.5f + 0.5f * uniform : 0; break;
        }
        if (tensor->fill == SYNTHETIC_SUM && first / k % 97 == 0 && (first + i) / k % 97 == 0)
            out[i] *= 1e-5f; /* of unused entries, so that their centroids are like the others */
    }
}
