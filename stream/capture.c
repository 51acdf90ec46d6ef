/* SPDX-License-Identifier: MIT */
#include "stream/capture_plan.h"

#include "stream/internal.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define PRODUCTS_A_LAYER 4

static void add(struct capture *c, const struct weight *w, uint32_t first_row, const char *format,
                ...)
{
    assert(c->list.n_inputs < c->capacity);
    struct capture_input *input = &c->inputs[c->list.n_inputs++];
    *input = (struct capture_input){
        .width = w->k, .weight = w, .first_row = first_row, .first_word = (uint32_t)c->words};
    c->words += (uint64_t)w->k * c->list.most_slots;
    va_list args;
    va_start(args, format);
    vsnprintf(input->name, sizeof(input->name), format, args);
    va_end(args);
}

static void add_lm(struct capture *c, const struct lm *lm)
{
    for (uint32_t n = 0; n < lm->config->n_layers; n++) {
        const struct lm_layer *l = &lm->layers[n];
        add(c, &l->in_proj, 0, "transformer.layers.%u.self_attn.in_proj_weight", n);
        add(c, &l->out_proj, 0, "transformer.layers.%u.self_attn.out_proj.weight", n);
        add(c, &l->linear_in, 0, "transformer.layers.%u.gating.linear_in.weight", n);
        add(c, &l->linear_out, 0, "transformer.layers.%u.gating.linear_out.weight", n);
    }
    add(c, &lm->text_linear, 0, "text_linear.weight");
}

/* A tensor of all sets, of which a product takes the rows of one. */
static void add_slice(struct capture *c, const struct depformer *d, const struct weight *w,
                      uint32_t set, uint32_t n, const char *tail)
{
    const uint32_t first_row = set * (w->rows / d->slices);
    if (d->slices > 1)
        add(c, w, first_row, "depformer.layers.%u.self_attn.%s#%u", n, tail, set);
    else
        add(c, w, first_row, "depformer.layers.%u.self_attn.%s", n, tail);
}

static void add_gate(struct capture *c, const struct depformer *d, const struct weight *w,
                     uint32_t set, uint32_t n, const char *tail)
{
    if (d->config->depformer.weights_per_step)
        add(c, w, 0, "depformer.layers.%u.gating.%u.%s", n, set, tail);
    else
        add(c, w, 0, "depformer.layers.%u.gating.%s", n, tail);
}

static void add_depformer(struct capture *c, const struct depformer *d)
{
    for (uint32_t k = 0; k < d->config->dep_q; k++) {
        const uint32_t set = depformer_set(d, k);
        for (uint32_t n = 0; n < d->config->depformer.n_layers; n++) {
            const struct depformer_layer *l = &d->layers[n];
            add_slice(c, d, &l->in_proj, set, n, "in_proj_weight");
            add_slice(c, d, &l->out_proj, set, n, "out_proj.weight");
            add_gate(c, d, &l->linear_in[set], set, n, "linear_in.weight");
            add_gate(c, d, &l->linear_out[set], set, n, "linear_out.weight");
        }
        add(c, &d->linears[k], 0, "linears.%u.weight", k);
    }
}

/* The extra heads and the depformer's first matrices read what the text head reads. */
static void add_aliases(struct capture *c, const struct lm *lm, const struct depformer *d)
{
    const uint32_t head = lm->config->n_layers * PRODUCTS_A_LAYER;
    const uint32_t heads = lm->config->extra_heads, inputs = d ? d->inputs : 0;
    for (uint32_t i = 0; i < heads + inputs; i++) {
        struct capture_alias *alias = &c->aliases[c->list.n_aliases++];
        alias->of = head;
        if (i < heads)
            snprintf(alias->name, sizeof(alias->name), "extra_heads.%u.weight", i);
        else
            snprintf(alias->name, sizeof(alias->name), "depformer_in.%u.weight", i - heads);
    }
}

enum status capture_plan(struct capture *c, const struct lm *lm, const struct depformer *d,
                         uint32_t slots, struct buffers *buffers, const struct log *log)
{
    const struct lm_config *config = lm->config;
    const uint32_t dep_layers = d ? config->depformer.n_layers : 0;
    c->capacity = config->n_layers * PRODUCTS_A_LAYER + 1 +
                  (d ? config->dep_q : 0) * (dep_layers * PRODUCTS_A_LAYER + 1);
    c->inputs = calloc(c->capacity, sizeof(*c->inputs));
    c->aliases = calloc(config->extra_heads + (d ? d->inputs : 0) + 1, sizeof(*c->aliases));
    c->slots = calloc(slots, sizeof(*c->slots));
    if (!c->inputs || !c->aliases || !c->slots)
        return log_error(log, ERROR_MEMORY, "out of memory");
    c->list.inputs = c->inputs;
    c->list.aliases = c->aliases;
    c->list.most_slots = slots;
    add_lm(c, lm);
    if (d)
        add_depformer(c, d);
    add_aliases(c, lm, d);
    if (c->words > UINT32_MAX)
        return log_error(log, ERROR_DEVICE_MEMORY,
                         "what the matrices read in %u slots does not fit in a buffer", slots);
    buffers_want_mapped(buffers, &c->range, "captured vectors", c->words, GPU_MEMORY_READBACK);
    return OK;
}

void capture_deinit(struct capture *c)
{
    free(c->inputs);
    free(c->aliases);
    free(c->slots);
}

bool capture_wants(const struct capture *c, const struct weight *w, uint32_t first_row)
{
    const struct capture_input *next = &c->inputs[c->next];
    return c->next < c->list.n_inputs && next->weight == w && next->first_row == first_row;
}

void record_capture(struct recorder *r, const struct weight *w, const struct matmul_args *a)
{
    struct capture *c = r->capture;
    if (r->status || !capture_wants(c, w, a->first_row))
        return;
    assert(a->per_slot == 1 && a->x.base == 0 && a->x.slot_stride == w->k);
    const uint64_t bytes = (uint64_t)r->slots * w->k * 4;
    const struct gpu_range from = {a->x.range.buffer, a->x.range.offset, bytes};
    const struct gpu_range to = {c->range.buffer, c->inputs[c->next++].first_word * 4ull, bytes};
    r->status = gpu_program_copy(r->program, &from, &to);
}

enum status capture_deliver(stapes_model *m, const struct tick *tick)
{
    struct capture *c = m->capture;
    const float *words = gpu_buffer_map(c->range.buffer);
    uint32_t n = 0;
    for (uint32_t i = 0; i < tick->slots; i++)
        if (tick->slot[i].stream && tick->slot[i].flags & SLOT_STEP)
            c->slots[n++] = i;
    for (uint32_t i = 0; i < c->list.n_inputs; i++)
        c->inputs[i].slots = words + c->inputs[i].first_word;
    return n ? c->sink(c->user, &c->list, c->slots, n) : OK;
}

enum status capture_open(const struct stapes_model_params *params, capture_fn *sink, void *user,
                         stapes_model **out)
{
    struct capture *c = calloc(1, sizeof(*c));
    if (!c)
        return ERROR_MEMORY;
    c->sink = sink;
    c->user = user;
    return model_open_with(params, (struct model_uses){.capture = c}, out);
}

const struct capture_inputs *capture_get_inputs(const stapes_model *m)
{
    return &m->capture->list;
}
