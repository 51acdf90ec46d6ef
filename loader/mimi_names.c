/* SPDX-License-Identifier: MIT */
#include "loader/mimi_names.h"

#include <stdio.h>
#include <string.h>

/* Parts of names. What is in the second list is in the names of one layer. */
static const char *const starts[][2] = {
    {"mimi.encoder.layers.", "mimi.encoder.model."},
    {"mimi.encoder_transformer.layers.", "mimi.encoder_transformer.transformer.layers."},
    {"mimi.downsample.conv.", "mimi.downsample.conv.conv.conv."},
    {"mimi.quantizer.semantic_residual_vector_quantizer.layers.",
     "mimi.quantizer.rvq_first.vq.layers."},
    {"mimi.quantizer.acoustic_residual_vector_quantizer.layers.",
     "mimi.quantizer.rvq_rest.vq.layers."},
    {"mimi.quantizer.semantic_residual_vector_quantizer.", "mimi.quantizer.rvq_first."},
    {"mimi.quantizer.acoustic_residual_vector_quantizer.", "mimi.quantizer.rvq_rest."},
};

static const char *const parts[][2] = {
    {".conv.weight", ".conv.conv.weight"},
    {".conv.bias", ".conv.conv.bias"},
    {".self_attn.q_proj.", ".self_attn.in_projs.0."},
    {".self_attn.k_proj.", ".self_attn.in_projs.1."},
    {".self_attn.v_proj.", ".self_attn.in_projs.2."},
    {".self_attn.o_proj.", ".self_attn.out_proj."},
    {".input_layernorm.", ".norm1."},
    {".post_attention_layernorm.", ".norm2."},
    {".self_attn_layer_scale.", ".layer_scale_1."},
    {".mlp_layer_scale.", ".layer_scale_2."},
    {".mlp.fc1.", ".linear1."},
    {".mlp.fc2.", ".linear2."},
    {".codebook.embed_sum", "._codebook.embedding_sum"},
    {".codebook.cluster_usage", "._codebook.cluster_usage"},
    {".codebook.initialized", "._codebook._initialized"},
};

static void replace(char *name, char *at, const char *from, const char *to)
{
    char renamed[TENSOR_MAX_NAME];
    int n = snprintf(renamed, sizeof(renamed), "%.*s%s%s", (int)(at - name), name, to,
                     at + strlen(from));
    if (n > 0 && (size_t)n < sizeof(renamed))
        memcpy(name, renamed, (size_t)n + 1);
}

static size_t start_of(const char *name)
{
    size_t i = 0;
    while (i < COUNT_OF(starts) && strncmp(name, starts[i][0], strlen(starts[i][0])))
        i++;
    return i;
}

bool mimi_is_renamed(const char *name)
{
    return !strncmp(name, starts[0][0], strlen(starts[0][0]));
}

void mimi_rename(struct tensor *tensor, uint32_t n_heads)
{
    char *name = tensor->name;
    size_t start = start_of(name);

    if (start == COUNT_OF(starts))
        return;
    if (strstr(name, ".q_proj.") || strstr(name, ".k_proj."))
        tensor->rope_heads = n_heads;
    replace(name, name, starts[start][0], starts[start][1]);
    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        char *at = strstr(name, parts[i][0]);
        bool whole = strstr(name, ".conv.conv.") != NULL;
        if (at && !(whole && i < 2))
            replace(name, at, parts[i][0], parts[i][1]);
    }
}
