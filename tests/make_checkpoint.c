/* SPDX-License-Identifier: MIT
 *
 * Writes a checkpoint directory in upstream's format, of any of the real sizes, with random weights
 * from a seed. Memory stays bounded. Same arguments, same bytes.
 *
 * make_checkpoint [--preset NAME] [--seed N] [--dtype bf16|f16|f32] [--layers N] OUTDIR
 */
#define _POSIX_C_SOURCE 200809L
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "loader/tensor.h"

struct preset {
    const char *name;
    uint32_t dim, n_heads, n_layers, context, max_period, text_card;
    uint32_t n_q, dep_q, extra_heads;
    uint32_t depformer_dim, depformer_heads, depformer_layers;
    double audio_delay_seconds; /* 0: model_type moshi, without stt_config */
    bool tiny_mimi;
};

static const struct preset presets[] = {
    {"stt-1b", 2048, 16, 16, 750, 100000, 8000, 32, 0, 0, 1024, 16, 6, 0.5, false},
    {"stt-1b-vad", 2048, 16, 16, 750, 100000, 8000, 32, 0, 4, 1024, 16, 6, 0.5, false},
    {"stt-2.6b", 2048, 32, 48, 375, 100000, 4000, 32, 0, 0, 1024, 16, 6, 2.5, false},
    {"moshi-7b", 4096, 32, 32, 3000, 10000, 32000, 16, 8, 0, 1024, 16, 6, 0, false},
    {"real-mimi-small-lm", 256, 4, 4, 100, 100000, 500, 32, 0, 4, 64, 4, 2, 0.5, false},
    {"tiny", 64, 4, 2, 20, 10000, 300, 8, 4, 4, 32, 4, 2, 0.5, true},
};

struct mimi_sizes {
    uint32_t n_filters, dimension, n_heads, n_layers, context, feedforward, codebook_dim, bins, n_q;
};

static const struct mimi_sizes real_mimi = {64, 512, 8, 8, 250, 2048, 256, 2048, 32};
static const struct mimi_sizes tiny_mimi = {8, 64, 4, 2, 10, 128, 32, 64, 8};

/* What a tensor's elements are. */
enum fill { WEIGHT, ONES, SCALE, BIAS, SUM, USAGE };

struct entry {
    char name[128];
    uint32_t n_dims;
    uint64_t dims[3];
    enum fill fill;
};

struct list {
    struct entry *entries;
    size_t count, capacity;
};

static _Noreturn void die(const char *what)
{
    fprintf(stderr, "make_checkpoint: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void add(struct list *list, enum fill fill, uint64_t a, uint64_t b, uint64_t c,
                const char *format, ...) __attribute__((format(printf, 6, 7)));

/* Dimensions of 0 are not there. */
static void add(struct list *list, enum fill fill, uint64_t a, uint64_t b, uint64_t c,
                const char *format, ...)
{
    va_list args;
    if (list->count == list->capacity) {
        list->capacity = list->capacity * 2 + 256;
        list->entries = realloc(list->entries, list->capacity * sizeof(*list->entries));
        if (!list->entries)
            die("memory");
    }
    struct entry *entry = &list->entries[list->count++];
    *entry = (struct entry){.n_dims = c ? 3 : b ? 2 : 1, .dims = {a, b, c}, .fill = fill};
    va_start(args, format);
    vsnprintf(entry->name, sizeof(entry->name), format, args);
    va_end(args);
}

/* --- The tensors of upstream's models
 * -------------------------------------------------------------------- */

static void add_layer(struct list *list, const char *prefix, uint32_t layer, uint64_t dim,
                      uint64_t hidden, uint32_t steps)
{
    add(list, WEIGHT, 3 * dim * MAX(steps, 1), dim, 0, "%s.layers.%u.self_attn.in_proj_weight",
        prefix, layer);
    add(list, WEIGHT, dim * MAX(steps, 1), dim, 0, "%s.layers.%u.self_attn.out_proj.weight", prefix,
        layer);
    add(list, ONES, 1, 1, dim, "%s.layers.%u.norm1.alpha", prefix, layer);
    add(list, ONES, 1, 1, dim, "%s.layers.%u.norm2.alpha", prefix, layer);
    for (uint32_t i = 0; i < MAX(steps, 1); i++) {
        char step[16] = "";
        if (steps)
            snprintf(step, sizeof(step), ".%u", i);
        add(list, WEIGHT, 2 * hidden, dim, 0, "%s.layers.%u.gating%s.linear_in.weight", prefix,
            layer, step);
        add(list, WEIGHT, dim, hidden, 0, "%s.layers.%u.gating%s.linear_out.weight", prefix, layer,
            step);
    }
}

static uint64_t gate_width(uint64_t dim)
{
    return 2 * (uint64_t)(4.125 * (double)dim) / 3;
}

static void list_lm(struct list *list, const struct preset *p, uint32_t card)
{
    uint64_t small = p->depformer_dim;
    for (uint32_t i = 0; i < p->n_q; i++)
        add(list, WEIGHT, card + 1, p->dim, 0, "emb.%u.weight", i);
    add(list, WEIGHT, p->text_card + 1, p->dim, 0, "text_emb.weight");
    add(list, WEIGHT, p->text_card, p->dim, 0, "text_linear.weight");
    add(list, ONES, 1, 1, p->dim, "out_norm.alpha");
    for (uint32_t i = 0; i < p->n_layers; i++)
        add_layer(list, "transformer", i, p->dim, gate_width(p->dim), 0);
    for (uint32_t i = 0; i < p->extra_heads; i++)
        add(list, WEIGHT, 6, p->dim, 0, "extra_heads.%u.weight", i);
    if (!p->dep_q)
        return;
    add(list, WEIGHT, p->text_card + 1, small, 0, "depformer_text_emb.weight");
    for (uint32_t i = 0; i < p->dep_q; i++) {
        if (i + 1 < p->dep_q)
            add(list, WEIGHT, card + 1, small, 0, "depformer_emb.%u.weight", i);
        add(list, WEIGHT, small, p->dim, 0, "depformer_in.%u.weight", i);
        add(list, WEIGHT, card, small, 0, "linears.%u.weight", i);
    }
    for (uint32_t i = 0; i < p->depformer_layers; i++)
        add_layer(list, "depformer", i, small, gate_width(small), p->dep_q);
}

static void add_conv(struct list *list, uint64_t out, uint64_t in, uint64_t taps,
                     const char *prefix, uint32_t index, const char *rest)
{
    add(list, BIAS, out, 0, 0, "%s.model.%u%s.conv.conv.bias", prefix, index, rest);
    add(list, WEIGHT, out, in, taps, "%s.model.%u%s.conv.conv.weight", prefix, index, rest);
}

static void list_mimi(struct list *list, const struct mimi_sizes *m)
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
            add(list, SCALE, d, 0, 0, "%s.%u.layer_scale_%d.scale", prefix, i, n);
            add(list, ONES, d, 0, 0, "%s.%u.norm%d.weight", prefix, i, n);
            add(list, BIAS, d, 0, 0, "%s.%u.norm%d.bias", prefix, i, n);
        }
        add(list, WEIGHT, m->feedforward, d, 0, "%s.%u.linear1.weight", prefix, i);
        add(list, WEIGHT, d, m->feedforward, 0, "%s.%u.linear2.weight", prefix, i);
        add(list, WEIGHT, 3 * d, d, 0, "%s.%u.self_attn.in_proj_weight", prefix, i);
        add(list, WEIGHT, d, d, 0, "%s.%u.self_attn.out_proj.weight", prefix, i);
    }
    add(list, WEIGHT, d, d, 4, "downsample.conv.conv.conv.weight");
    for (uint32_t i = 0; i < m->n_q; i++) {
        const char *half = i ? "rvq_rest" : "rvq_first";
        uint32_t layer = i ? i - 1 : 0;
        if (i < 2) {
            add(list, WEIGHT, m->codebook_dim, d, 1, "quantizer.%s.input_proj.weight", half);
            add(list, WEIGHT, d, m->codebook_dim, 1, "quantizer.%s.output_proj.weight", half);
        }
        add(list, ONES, 1, 0, 0, "quantizer.%s.vq.layers.%u._codebook._initialized", half, layer);
        add(list, USAGE, m->bins, 0, 0, "quantizer.%s.vq.layers.%u._codebook.cluster_usage", half,
            layer);
        add(list, SUM, m->bins, m->codebook_dim, 0,
            "quantizer.%s.vq.layers.%u._codebook.embedding_sum", half, layer);
    }
    /* a part that no one reads: a loader has to leave it alone */
    add(list, WEIGHT, d, d, 7, "decoder.model.0.conv.conv.weight");
}

/* --- Writing
 * ------------------------------------------------------------------------------------------------
 */

static uint64_t element_count(const struct entry *entry)
{
    uint64_t n = 1;
    for (uint32_t i = 0; i < entry->n_dims; i++)
        n *= entry->dims[i];
    return n;
}

/* splitmix64 */
static uint64_t mix(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static void make_values(const struct entry *entry, uint64_t *state, uint64_t first, float *out,
                        size_t n)
{
    uint64_t k = element_count(entry) / entry->dims[0];
    float bound = 1 / sqrtf((float)k);
    for (size_t i = 0; i < n; i++) {
        float uniform = (float)((double)(int64_t)mix(state) * 0x1p-63);
        switch (entry->fill) {
        case WEIGHT: out[i] = uniform * bound; break;
        case ONES: out[i] = 1; break;
        case SCALE: out[i] = 0.01f; break;
        case BIAS: out[i] = 0.01f * uniform; break;
        case SUM: out[i] = 2 * uniform; break; /* usage 1 to 2: centroids spread over -2 .. 2 */
        case USAGE: out[i] = (first + i) % 97 ? 1.5f + 0.5f * uniform : 0; break;
        }
        if (entry->fill == SUM && first / k % 97 == 0 && (first + i) / k % 97 == 0)
            out[i] *= 1e-5f; /* of unused entries, so that their centroids are like the others */
    }
}

static void write_all(FILE *file, const void *bytes, size_t size, const char *path)
{
    if (fwrite(bytes, 1, size, file) != size)
        die(path);
}

static void write_header(FILE *file, const struct list *list, const struct tensor_type_info *type,
                         const char *dtype, const char *path)
{
    size_t capacity = list->count * 320 + 64, used = 0;
    char *header = malloc(capacity);
    uint64_t offset = 0;
    if (!header)
        die("memory");
    header[used++] = '{';
    for (size_t i = 0; i < list->count; i++) {
        const struct entry *entry = &list->entries[i];
        uint64_t bytes = element_count(entry) * type->bytes;
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

static void write_safetensors(const char *path, const struct list *list, enum tensor_type type,
                              const char *dtype, uint64_t seed)
{
    static float values[16384];
    static uint8_t raw[sizeof(values)];
    const struct tensor_type_info *info = tensor_type_info(type);
    FILE *file = fopen(path, "wb");
    if (!file)
        die(path);
    write_header(file, list, info, dtype, path);
    for (size_t i = 0; i < list->count; i++) {
        uint64_t left = element_count(&list->entries[i]), first = 0, state = seed * 1000003 + i;
        while (left > 0) {
            size_t n = (size_t)MIN(left, COUNT_OF(values));
            make_values(&list->entries[i], &state, first, values, n);
            tensor_from_f32(type, values, raw, n);
            write_all(file, raw, n * info->bytes, path);
            left -= n;
            first += n;
        }
    }
    if (fclose(file))
        die(path);
}

static void put_varint(uint8_t *out, size_t *at, uint64_t value)
{
    for (; value > 127; value >>= 7)
        out[(*at)++] = (uint8_t)(value | 128);
    out[(*at)++] = (uint8_t)value;
}

/* SentencePiece's ModelProto: the four special pieces, the 256 bytes, syllables. */
static void write_tokenizer(const char *path, uint32_t size)
{
    static const char *const special[] = {"<unk>", "<s>", "</s>", "<pad>"};
    static const char consonants[] = "bdfgklmnprstvz", vowels[] = "aeiou";
    FILE *file = fopen(path, "wb");
    if (!file)
        die(path);
    for (uint32_t id = 0; id < size; id++) {
        uint8_t piece[128], message[128];
        size_t n = 0, m = 0;
        char text[64] = "";
        int type = id == 0 ? 2 : id < 4 ? 3 : id < 260 ? 6 : 1;
        float score = -(float)id;
        if (id < 4)
            snprintf(text, sizeof(text), "%s", special[id]);
        else if (id < 260)
            snprintf(text, sizeof(text), "<0x%02X>", id - 4);
        else
            for (uint32_t left = id - 260, i = 0; i == 0 || left; left /= 70, i++) {
                size_t used = strlen(text);
                snprintf(text + used, sizeof(text) - used, "%s%c%c",
                         i == 0 && id % 3 == 0 ? "\u2581" : "", consonants[left % 14],
                         vowels[left / 14 % 5]);
            }
        piece[n++] = 1 << 3 | 2;
        put_varint(piece, &n, strlen(text));
        memcpy(piece + n, text, strlen(text));
        n += strlen(text);
        piece[n++] = 2 << 3 | 5;
        memcpy(piece + n, &score, 4);
        n += 4;
        piece[n++] = 3 << 3;
        piece[n++] = (uint8_t)type;
        message[m++] = 1 << 3 | 2;
        put_varint(message, &m, n);
        write_all(file, message, m, path);
        write_all(file, piece, n, path);
    }
    if (fclose(file))
        die(path);
}

static void write_config(const char *path, const struct preset *p, const struct mimi_sizes *m)
{
    FILE *file = fopen(path, "w");
    if (!file)
        die(path);
    fprintf(file, "{\n  \"card\": %u,\n  \"n_q\": %u,\n  \"dep_q\": %u,\n  \"delays\": [0", m->bins,
            p->n_q, p->dep_q);
    for (uint32_t i = 0; i < p->n_q; i++)
        fprintf(file, ", %d", p->dep_q && i != 0 && i != p->dep_q);
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
                p->audio_delay_seconds, p->audio_delay_seconds > 1 ? 1.0 : 0.0);
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

static void write_mimi_config(const char *path, const struct mimi_sizes *m)
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
    fprintf(stderr, "usage: make_checkpoint [--preset NAME] [--seed N] [--dtype bf16|f16|f32] "
                    "[--layers N] OUTDIR\npresets:");
    for (size_t i = 0; i < COUNT_OF(presets); i++)
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
    struct preset preset = presets[COUNT_OF(presets) - 1];
    const char *directory = NULL, *dtype = "bf16";
    unsigned long long seed = 1, layers = 0;
    struct list lm = {0}, mimi = {0};
    char path[4096];

    for (int i = 1; i < argc; i++) {
        if (argv[i][0] == '-' && i + 1 == argc)
            usage();
        if (!strcmp(argv[i], "--preset")) {
            size_t found = 0;
            for (i++; found < COUNT_OF(presets) && strcmp(presets[found].name, argv[i]);)
                found++;
            if (found == COUNT_OF(presets))
                usage();
            preset = presets[found];
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

    const struct mimi_sizes *sizes = preset.tiny_mimi ? &tiny_mimi : &real_mimi;
    list_lm(&lm, &preset, sizes->bins);
    list_mimi(&mimi, sizes);
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
    free(lm.entries);
    free(mimi.entries);
    printf("make_checkpoint: %s, seed %llu, %s: %s\n", preset.name, seed, dtype, directory);
    return 0;
}
