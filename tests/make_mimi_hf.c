/* SPDX-License-Identifier: MIT
 *
 * make_mimi_hf CHECKPOINT OUT.safetensors: a checkpoint's Mimi in the form of transformers.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loader/config.h"

enum { MAX_PARTS = 512 };

/* A tensor of the file: rows [first, first + rows) of a tensor of the checkpoint. */
struct part {
    char name[TENSOR_MAX_NAME];
    const struct tensor *tensor;
    uint64_t first, rows;
    bool permuted;
};

static struct part list[MAX_PARTS];
static uint32_t n_parts;

static _Noreturn void die(const char *what)
{
    fprintf(stderr, "make_mimi_hf: %s\n", what);
    exit(1);
}

/* The converter's list, in its order: every occurrence of the first becomes the second. */
static void convert(char *name)
{
    static const char *const names[][2] = {
        {"conv.conv.conv", "conv"},
        {"conv.conv", "conv"},
        {"quantizer.rvq_first.vq", "quantizer.semantic_residual_vector_quantizer"},
        {"quantizer.rvq_first", "quantizer.semantic_residual_vector_quantizer"},
        {"quantizer.rvq_rest.vq", "quantizer.acoustic_residual_vector_quantizer"},
        {"quantizer.rvq_rest", "quantizer.acoustic_residual_vector_quantizer"},
        {"_codebook", "codebook"},
        {"_initialized", "initialized"},
        {"embedding_sum", "embed_sum"},
        {"encoder.model", "encoder.layers"},
        {"encoder_transformer.transformer", "encoder_transformer"},
        {"linear1", "mlp.fc1"},
        {"linear2", "mlp.fc2"},
        {"self_attn.out_proj", "self_attn.o_proj"},
        {"norm1", "input_layernorm"},
        {"norm2", "post_attention_layernorm"},
        {"layer_scale_1", "self_attn_layer_scale"},
        {"layer_scale_2", "mlp_layer_scale"},
    };
    char text[TENSOR_MAX_NAME];
    for (size_t i = 0; i < COUNT_OF(names); i++)
        for (char *at = name; (at = strstr(at, names[i][0]));) {
            snprintf(text, sizeof(text), "%s", at + strlen(names[i][0]));
            snprintf(at, sizeof(text) - (size_t)(at - name), "%s%s", names[i][1], text);
            at += strlen(names[i][1]);
        }
}

static void add(const struct tensor *tensor, const char *behind, uint64_t first, uint64_t rows)
{
    struct part *part = &list[n_parts++];
    char *at;
    if (n_parts == MAX_PARTS)
        die("too many tensors");
    *part = (struct part){.tensor = tensor, .first = first, .rows = rows};
    snprintf(part->name, sizeof(part->name), "%s", tensor->name + strlen("mimi."));
    convert(part->name);
    if (behind && (at = strstr(part->name, "in_proj_weight"))) {
        strcpy(at, behind);
        part->permuted = behind[0] != 'v';
    }
}

static void add_all(const struct source *source)
{
    static const char *const projections[] = {"q_proj.weight", "k_proj.weight", "v_proj.weight"};
    for (uint32_t i = 0; i < source_count(source); i++) {
        const struct tensor *tensor = source_tensor(source, i);
        if (strncmp(tensor->name, "mimi.encoder", 12) &&
            strncmp(tensor->name, "mimi.downsample", 15) &&
            strncmp(tensor->name, "mimi.quantizer", 14))
            continue;
        if (!strstr(tensor->name, "in_proj_weight")) {
            add(tensor, NULL, 0, tensor->dims[0]);
            continue;
        }
        for (uint64_t k = 0; k < 3; k++)
            add(tensor, projections[k], k * tensor->dims[0] / 3, tensor->dims[0] / 3);
    }
}

static uint64_t row_bytes(const struct part *part)
{
    return part->tensor->bytes / part->tensor->dims[0];
}

static void write_header(FILE *file)
{
    static char header[MAX_PARTS * 320];
    size_t used = 1;
    uint64_t at = 0;
    header[0] = '{';
    for (uint32_t i = 0; i < n_parts; i++) {
        const struct part *part = &list[i];
        used += (size_t)snprintf(header + used, sizeof(header) - used,
                                 "%s\"%s\":{\"dtype\":\"F32\",\"shape\":[%llu", i ? "," : "",
                                 part->name, (unsigned long long)part->rows);
        for (uint32_t d = 1; d < part->tensor->n_dims; d++)
            used += (size_t)snprintf(header + used, sizeof(header) - used, ",%llu",
                                     (unsigned long long)part->tensor->dims[d]);
        uint64_t end = at + part->rows * row_bytes(part);
        used += (size_t)snprintf(header + used, sizeof(header) - used,
                                 "],\"data_offsets\":[%llu,%llu]}", (unsigned long long)at,
                                 (unsigned long long)end);
        at = end;
    }
    header[used++] = '}';
    uint64_t length = used;
    fwrite(&length, sizeof(length), 1, file);
    fwrite(header, 1, used, file);
}

/* [heads, pairs, 2] becomes [heads, 2, pairs]. */
static void write_rows(const struct source *source, const struct part *part, uint64_t heads,
                       FILE *file)
{
    uint64_t bytes = row_bytes(part), pairs = part->rows / heads / 2;
    char *row = malloc(bytes);
    for (uint64_t i = 0; i < part->rows; i++) {
        uint64_t from = i;
        if (part->permuted)
            from = i / (2 * pairs) * 2 * pairs + i % pairs * 2 + i / pairs % 2;
        if (!row || source_read(source, part->tensor, (part->first + from) * bytes, row, bytes))
            die(part->name);
        fwrite(row, 1, bytes, file);
    }
    free(row);
}

int main(int argc, char **argv)
{
    struct model_config config;
    struct source *source;
    if (argc != 3)
        die("usage: make_mimi_hf CHECKPOINT OUT.safetensors");
    if (source_open(NULL, argv[1], &source) || config_read(NULL, source, &config))
        die("no checkpoint");
    FILE *file = fopen(argv[2], "wb");
    if (!file)
        die(argv[2]);
    add_all(source);
    write_header(file);
    for (uint32_t i = 0; i < n_parts; i++)
        write_rows(source, &list[i], config.mimi.n_heads, file);
    if (fclose(file))
        die(argv[2]);
    source_close(&source);
    return 0;
}
