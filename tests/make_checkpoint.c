/* SPDX-License-Identifier: MIT
 *
 * Writes a checkpoint directory in upstream's format, of any of the real sizes, with random weights
 * from a seed. Memory stays bounded. Same arguments, same bytes.
 *
 * make_checkpoint [--preset NAME] [--seed N] [--dtype bf16|f16|f32] [--layers N] OUTDIR
 */
#define _POSIX_C_SOURCE 200809L
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "bench/synthetic.h"

static _Noreturn void die(const char *what)
{
    fprintf(stderr, "make_checkpoint: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void write_all(FILE *file, const void *bytes, size_t size, const char *path)
{
    if (fwrite(bytes, 1, size, file) != size)
        die(path);
}

static void write_header(FILE *file, const struct synthetic_list *list,
                         const struct tensor_type_info *type, const char *dtype, const char *path)
{
    size_t capacity = list->count * 320 + 64, used = 0;
    char *header = malloc(capacity);
    uint64_t offset = 0;
    if (!header)
        die("memory");
    header[used++] = '{';
    for (size_t i = 0; i < list->count; i++) {
        const struct synthetic_tensor *entry = &list->tensors[i];
        uint64_t bytes = synthetic_elements(entry) * type->bytes;
        used += (size_t)snprintf(header + used, capacity - used,
                                 "%s\"%s\":{\"dtype\":\"%s\",\"shape\":[", i ? "," : "",
                                 entry->name, dtype);
        for (uint32_t d = 0; d < entry->n_dims; d++)
            used += (size_t)snprintf(header + used, capacity - used, "%s%llu", d ? "," : "",
                                     (unsigned long long)entry->dims[d]);
        used += (size_t)snprintf(header + used, capacity - used, "],\"data_offsets\":[%llu,%llu]}",
                                 (unsigned long long)offset, (unsigned long long)(offset + bytes));
        offset += bytes;
    }
    header[used++] = '}';
    while (used % 8)
        header[used++] = ' ';
    uint64_t length = used;
    write_all(file, &length, sizeof(length), path);
    write_all(file, header, used, path);
    free(header);
}

static void write_safetensors(const char *path, const struct synthetic_list *list,
                              enum tensor_type type, const char *dtype, uint64_t seed)
{
    static float values[16384];
    static uint8_t raw[sizeof(values)];
    const struct tensor_type_info *info = tensor_type_info(type);
    FILE *file = fopen(path, "wb");
    if (!file)
        die(path);
    write_header(file, list, info, dtype, path);
    for (size_t i = 0; i < list->count; i++) {
        uint64_t left = synthetic_elements(&list->tensors[i]), first = 0,
                 state = seed * 1000003 + i;
        while (left > 0) {
            size_t n = (size_t)MIN(left, COUNT_OF(values));
            synthetic_values(&list->tensors[i], &state, first, values, n);
            tensor_from_f32(type, values, raw, n);
            write_all(file, raw, n * info->bytes, path);
            left -= n;
            first += n;
        }
    }
    if (fclose(file))
        die(path);
}

static void write_tokenizer(const char *path, uint32_t pieces)
{
    size_t bytes;
    uint8_t *model = synthetic_tokenizer(pieces, &bytes);
    FILE *file = fopen(path, "wb");
    if (!model || !file)
        die(path);
    write_all(file, model, bytes, path);
    if (fclose(file))
        die(path);
    free(model);
}

static void write_config(const char *path, const struct synthetic *p,
                         const struct synthetic_mimi *m)
{
    FILE *file = fopen(path, "w");
    if (!file)
        die(path);
    fprintf(file, "{\n  \"card\": %u,\n  \"n_q\": %u,\n  \"dep_q\": %u,\n  \"delays\": [0", m->bins,
            p->n_q, p->dep_q);
    for (uint32_t i = 0; i < p->n_q; i++)
        fprintf(file, ", %u", synthetic_delay(p, i));
    fprintf(file,
            "],\n  \"dim\": %u,\n  \"text_card\": %u,\n  \"existing_text_padding_id\": 3,\n  "
            "\"num_heads\": %u,\n"
            "  \"num_layers\": %u,\n  \"hidden_scale\": 4.125,\n  \"causal\": true,\n  "
            "\"layer_scale\": null,\n  \"context\": %u,\n"
            "  \"max_period\": %u.0,\n  \"gating\": \"silu\",\n  \"norm\": \"rms_norm_f32\",\n  "
            "\"positional_embedding\": \"rope\",\n",
            p->dim, p->text_card, p->n_heads, p->n_layers, p->context, p->max_period);
    fprintf(file,
            "  \"depformer_dim\": %u,\n  \"depformer_num_heads\": %u,\n  \"depformer_num_layers\": "
            "%u,\n"
            "  \"depformer_dim_feedforward\": null,\n  \"depformer_multi_linear\": true,\n  "
            "\"depformer_pos_emb\": \"none\",\n"
            "  \"depformer_weights_per_step\": true,\n  \"conditioners\": {},\n  "
            "\"cross_attention\": false,\n",
            p->depformer_dim, p->depformer_heads, p->depformer_layers);
    if (p->extra_heads)
        fprintf(file, "  \"extra_heads_num_heads\": %u,\n  \"extra_heads_dim\": 6,\n",
                p->extra_heads);
    if (p->audio_delay_seconds > 0)
        fprintf(file,
                "  \"stt_config\": {\"audio_delay_seconds\": %.1f, "
                "\"audio_silence_prefix_seconds\": %.1f},\n",
                p->audio_delay_seconds, synthetic_prefix_seconds(p));
    if (p->tiny_mimi)
        fprintf(file, "  \"mimi_config_name\": \"mimi_config.json\",\n");
    fprintf(file,
            "  \"model_type\": \"%s\",\n  \"moshi_name\": \"model.safetensors\",\n  \"mimi_name\": "
            "\"mimi.safetensors\",\n"
            "  \"tokenizer_name\": \"tokenizer.model\"\n}\n",
            p->audio_delay_seconds > 0 ? "stt" : "moshi");
    if (fclose(file))
        die(path);
}

static void write_mimi_config(const char *path, const struct synthetic_mimi *m)
{
    FILE *file = fopen(path, "w");
    if (!file)
        die(path);
    fprintf(file,
            "{\n  \"channels\": 1,\n  \"sample_rate\": 24000,\n  \"frame_rate\": 12.5,\n  "
            "\"seanet\": {\"channels\": 1, \"dimension\": %u,"
            " \"causal\": true, \"n_filters\": %u, \"n_residual_layers\": 1, \"activation\": "
            "\"ELU\", \"compress\": 2,"
            " \"dilation_base\": 2, \"disable_norm_outer_blocks\": 0, \"kernel_size\": 7, "
            "\"residual_kernel_size\": 3,"
            " \"last_kernel_size\": 3, \"norm\": \"none\", \"pad_mode\": \"constant\", \"ratios\": "
            "[8, 6, 5, 4], \"true_skip\": true},\n",
            m->dimension, m->n_filters);
    fprintf(file,
            "  \"transformer\": {\"d_model\": %u, \"num_heads\": %u, \"num_layers\": %u, "
            "\"causal\": true, \"layer_scale\": 0.01,"
            " \"context\": %u, \"conv_layout\": true, \"max_period\": 10000, \"gating\": \"none\", "
            "\"norm\": \"layer_norm\","
            " \"positional_embedding\": \"rope\", \"dim_feedforward\": %u, \"input_dimension\": "
            "%u, \"output_dimensions\": [%u]},\n"
            "  \"quantizer\": {\"dimension\": %u, \"n_q\": %u, \"bins\": %u, \"input_dimension\": "
            "%u, \"output_dimension\": %u}\n}\n",
            m->dimension, m->n_heads, m->n_layers, m->context, m->feedforward, m->dimension,
            m->dimension, m->codebook_dim, m->n_q, m->bins, m->dimension, m->dimension);
    if (fclose(file))
        die(path);
}

static _Noreturn void usage(void)
{
    size_t count;
    const struct synthetic *presets = synthetic_models(&count);
    fprintf(stderr, "usage: make_checkpoint [--preset NAME] [--seed N] [--dtype bf16|f16|f32] "
                    "[--layers N] OUTDIR\npresets:");
    for (size_t i = 0; i < count; i++)
        fprintf(stderr, " %s", presets[i].name);
    fputc('\n', stderr);
    exit(2);
}

static unsigned long long number(const char *text)
{
    char *end;
    unsigned long long value = strtoull(text, &end, 10);
    if (*text < '0' || *text > '9' || *end)
        usage();
    return value;
}

int main(int argc, char **argv)
{
    struct synthetic preset = *synthetic_find("tiny");
    const char *directory = NULL, *dtype = "bf16";
    unsigned long long seed = 1, layers = 0;
    struct synthetic_list lm = {0}, mimi = {0};
    char path[4096];

    for (int i = 1; i < argc; i++) {
        if (argv[i][0] == '-' && i + 1 == argc)
            usage();
        if (!strcmp(argv[i], "--preset")) {
            const struct synthetic *found = synthetic_find(argv[++i]);
            if (!found)
                usage();
            preset = *found;
        } else if (!strcmp(argv[i], "--seed")) {
            seed = number(argv[++i]);
        } else if (!strcmp(argv[i], "--layers")) {
            layers = number(argv[++i]);
        } else if (!strcmp(argv[i], "--dtype")) {
            dtype = argv[++i];
        } else if (argv[i][0] == '-' || directory) {
            usage();
        } else {
            directory = argv[i];
        }
    }
    const struct tensor_type_info *type = tensor_type_by_name(dtype);
    if (!directory || !type || !type->runs || type->block > 1 || layers > 1000)
        usage();
    if (layers)
        preset.n_layers = (uint32_t)layers;
    if (mkdir(directory, 0777) && errno != EEXIST)
        die(directory);

    const struct synthetic_mimi *sizes = synthetic_mimi(&preset);
    if (!synthetic_list_lm(&preset, &lm) || !synthetic_list_mimi(sizes, &mimi))
        die("memory");
    snprintf(path, sizeof(path), "%s/config.json", directory);
    write_config(path, &preset, sizes);
    snprintf(path, sizeof(path), "%s/mimi_config.json", directory);
    if (preset.tiny_mimi)
        write_mimi_config(path, sizes);
    snprintf(path, sizeof(path), "%s/tokenizer.model", directory);
    write_tokenizer(path, preset.text_card);
    snprintf(path, sizeof(path), "%s/mimi.safetensors", directory);
    write_safetensors(path, &mimi, TENSOR_F32, "F32", seed + 1);
    snprintf(path, sizeof(path), "%s/model.safetensors", directory);
    write_safetensors(path, &lm, type->type,
                      type->type == TENSOR_BF16  ? "BF16"
                      : type->type == TENSOR_F16 ? "F16"
                                                 : "F32",
                      seed);
    free(lm.tensors);
    free(mimi.tensors);
    printf("make_checkpoint: %s, seed %llu, %s: %s\n", preset.name, seed, dtype, directory);
    return 0;
}
