/* SPDX-License-Identifier: MIT
 *
 * Whether a source has every tensor that its configuration calls for. Loading finds out by itself,
 * with the shapes; this is for tools that write a model without loading it.
 */
#include "loader/config.h"

#include <stdio.h>
#include <string.h>

#define MAX_NAME_LENGTH 160
#define MAX_BEHIND 10

struct check {
    const struct log *log;
    const struct source *source;
    enum status status; /* of the first tensor that is missing */
};

/* Upstream also splits the attention's two matrices: in_projs.{i}.weight, out_projs.{i}.weight. */
static bool has_parts(const struct source *source, const char *name)
{
    static const char *const forms[][2] = {{".in_proj_weight", ".in_projs.0.weight"},
                                           {".out_proj.weight", ".out_projs.0.weight"}};
    char part[MAX_NAME_LENGTH];
    for (size_t i = 0; i < COUNT_OF(forms); i++) {
        const size_t length = strlen(name), end = strlen(forms[i][0]);
        if (length < end || strcmp(name + length - end, forms[i][0]) != 0)
            continue;
        snprintf(part, sizeof(part), "%.*s%s", (int)(length - end), name, forms[i][1]);
        return source_find(source, part) != NULL;
    }
    return false;
}

static void need(struct check *check, const char *name)
{
    if (check->status == OK && !source_find(check->source, name) && !has_parts(check->source, name))
        check->status = log_error(check->log, ERROR_FORMAT, "%s: tensor %s is missing",
                                  source_path(check->source), name);
}

/* `before` + number + each of `behind`, for the numbers first, first + step, ... (count of them).
 */
static void need_list(struct check *check, const char *before, uint32_t first, uint32_t step,
                      uint32_t count, const char *const behind[MAX_BEHIND])
{
    char name[MAX_NAME_LENGTH];
    for (uint32_t n = 0; n < count && check->status == OK; n++)
        for (uint32_t i = 0; i < MAX_BEHIND && behind[i]; i++) {
            snprintf(name, sizeof(name), "%s%u%s", before, first + n * step, behind[i]);
            need(check, name);
        }
}

#define LIST(...)                                                                                  \
    (const char *const[MAX_BEHIND])                                                                \
    {                                                                                              \
        __VA_ARGS__                                                                                \
    }
#define CONV(name) name ".conv.conv.weight", name ".conv.conv.bias"
#define CODEBOOK "._codebook.embedding_sum", "._codebook.cluster_usage"

static void need_mimi(struct check *check, const struct mimi_config *c, uint32_t n_codes)
{
    need_list(check, "mimi.encoder.model.", 0, 1, 1, LIST(CONV("")));
    need_list(check, "mimi.encoder.model.", 1, 3, c->n_ratios,
              LIST(CONV(".block.1"), CONV(".block.3")));
    need_list(check, "mimi.encoder.model.", 3, 3, c->n_ratios, LIST(CONV("")));
    need_list(check, "mimi.encoder.model.", 2 + 3 * c->n_ratios, 1, 1, LIST(CONV("")));
    need_list(check, "mimi.encoder_transformer.transformer.layers.", 0, 1, c->n_layers,
              LIST(".norm1.weight", ".norm1.bias", ".norm2.weight", ".norm2.bias",
                   ".layer_scale_1.scale", ".layer_scale_2.scale", ".self_attn.in_proj_weight",
                   ".self_attn.out_proj.weight", ".linear1.weight", ".linear2.weight"));
    need(check, "mimi.downsample.conv.conv.conv.weight");
    need(check, "mimi.quantizer.rvq_first.input_proj.weight");
    need_list(check, "mimi.quantizer.rvq_first.vq.layers.", 0, 1, 1, LIST(CODEBOOK));
    if (n_codes > 1)
        need(check, "mimi.quantizer.rvq_rest.input_proj.weight");
    need_list(check, "mimi.quantizer.rvq_rest.vq.layers.", 0, 1, n_codes - 1, LIST(CODEBOOK));
}

static void need_depformer(struct check *check, const struct lm_config *lm)
{
    const struct depformer_config *c = &lm->depformer;
    char layer[MAX_NAME_LENGTH];
    uint32_t sets = 1;
    for (uint32_t k = 0; k < lm->dep_q; k++)
        sets = MAX(sets, (c->n_schedule ? c->schedule[k] : k) + 1);
    need(check, "depformer_text_emb.weight");
    need_list(check, "depformer_emb.", 0, 1, lm->dep_q - 1, LIST(".weight"));
    need_list(check, "depformer_in.", 0, 1, c->multi_linear ? sets : 1, LIST(".weight"));
    need_list(check, "linears.", 0, 1, lm->dep_q, LIST(".weight"));
    need_list(check, "depformer_norms.", 0, 1, c->norm ? lm->dep_q : 0, LIST(".alpha"));
    need_list(check, "depformer.layers.", 0, 1, c->n_layers,
              LIST(".norm1.alpha", ".norm2.alpha", ".self_attn.in_proj_weight",
                   ".self_attn.out_proj.weight"));
    if (!c->weights_per_step) {
        need_list(check, "depformer.layers.", 0, 1, c->n_layers,
                  LIST(".gating.linear_in.weight", ".gating.linear_out.weight"));
        return;
    }
    for (uint32_t n = 0; n < c->n_layers; n++) {
        snprintf(layer, sizeof(layer), "depformer.layers.%u.gating.", n);
        need_list(check, layer, 0, 1, sets, LIST(".linear_in.weight", ".linear_out.weight"));
    }
}

enum status config_check_complete(const struct log *log, const struct source *source,
                                  const struct model_config *config)
{
    const struct lm_config *c = &config->lm;
    struct check check = {.log = log, .source = source};
    need(&check, "text_emb.weight");
    need_list(&check, "emb.", 0, 1, c->n_q, LIST(".weight"));
    need_list(&check, "transformer.layers.", 0, 1, c->n_layers,
              LIST(".norm1.alpha", ".norm2.alpha", ".self_attn.in_proj_weight",
                   ".self_attn.out_proj.weight", ".gating.linear_in.weight",
                   ".gating.linear_out.weight"));
    need(&check, "out_norm.alpha");
    need(&check, "text_linear.weight");
    need_list(&check, "extra_heads.", 0, 1, c->extra_heads, LIST(".weight"));
    if (c->dep_q)
        need_depformer(&check, c);
    need_mimi(&check, &config->mimi, MAX(c->dep_q, c->n_q - c->dep_q));
    return check.status;
}
