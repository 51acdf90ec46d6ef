/* SPDX-License-Identifier: MIT */
#include "tests/qwen3_asr_checkpoint.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LAYERS = 2, AUDIO_LAYERS = 2, MAX_TENSORS = 96, FIRST_ADDED = 259 };

/* Queries are wider than the model, as those of 0.6B; 20 mel bins become 10, 5, 3. */
enum { DIM = 64, QUERIES = 128, KEYS = 64, HEAD = 32, FEED = 96, AUDIO = 64, AUDIO_FEED = 128 };
enum { CHANNELS = 32, MEL_BINS = 20, CONVOLVED = 3 * CHANNELS };

const char *const qwen3_asr_merges[QWEN3_ASR_MERGES] = {"t h", "th e", "\xc4\xa0 the"};

static const char *const added[] = {"<|endoftext|>",   "<|im_start|>",  "<|im_end|>",
                                    "<|audio_start|>", "<|audio_end|>", "<|audio_pad|>",
                                    "<asr_text>"};

struct list {
    struct tensor tensors[MAX_TENSORS];
    uint32_t n;
};

/* Dimensions up to the first 0. */
static void add(struct list *list, uint64_t a, uint64_t b, uint64_t c, uint64_t d,
                const char *format, ...)
{
    struct tensor *tensor = &list->tensors[list->n++];
    va_list args;
    *tensor = (struct tensor){.type = TENSOR_BF16, .dims = {a, b, c, d}, .n_dims = 1};
    while (tensor->n_dims < TENSOR_MAX_DIMS && tensor->dims[tensor->n_dims])
        tensor->n_dims++;
    va_start(args, format);
    vsnprintf(tensor->name, sizeof(tensor->name), format, args);
    va_end(args);
    tensor->bytes = 2 * tensor_elements(tensor);
}

static void add_linear(struct list *list, uint64_t out, uint64_t in, const char *name)
{
    add(list, out, in, 0, 0, "%s.weight", name);
    add(list, out, 0, 0, 0, "%s.bias", name);
}

static void add_layer(struct list *list, int i)
{
    char at[64];
    snprintf(at, sizeof(at), "thinker.model.layers.%d.", i);
    add(list, DIM, 0, 0, 0, "%sinput_layernorm.weight", at);
    add(list, FEED, DIM, 0, 0, "%smlp.gate_proj.weight", at);
    add(list, FEED, DIM, 0, 0, "%smlp.up_proj.weight", at);
    add(list, DIM, FEED, 0, 0, "%smlp.down_proj.weight", at);
    add(list, DIM, 0, 0, 0, "%spost_attention_layernorm.weight", at);
    add(list, QUERIES, DIM, 0, 0, "%sself_attn.q_proj.weight", at);
    add(list, KEYS, DIM, 0, 0, "%sself_attn.k_proj.weight", at);
    add(list, KEYS, DIM, 0, 0, "%sself_attn.v_proj.weight", at);
    add(list, DIM, QUERIES, 0, 0, "%sself_attn.o_proj.weight", at);
    add(list, HEAD, 0, 0, 0, "%sself_attn.q_norm.weight", at);
    add(list, HEAD, 0, 0, 0, "%sself_attn.k_norm.weight", at);
}

static void add_audio_layer(struct list *list, int i)
{
    static const char *const squares[] = {"self_attn.q_proj", "self_attn.k_proj",
                                          "self_attn.v_proj", "self_attn.out_proj"};
    char name[96];
    for (size_t k = 0; k < COUNT_OF(squares); k++) {
        snprintf(name, sizeof(name), "thinker.audio_tower.layers.%d.%s", i, squares[k]);
        add_linear(list, AUDIO, AUDIO, name);
    }
    snprintf(name, sizeof(name), "thinker.audio_tower.layers.%d.fc1", i);
    add_linear(list, AUDIO_FEED, AUDIO, name);
    snprintf(name, sizeof(name), "thinker.audio_tower.layers.%d.fc2", i);
    add_linear(list, AUDIO, AUDIO_FEED, name);
    for (int k = 0; k < 2; k++) {
        snprintf(name, sizeof(name), "thinker.audio_tower.layers.%d.%s_layer_norm", i,
                 k ? "final" : "self_attn");
        add(list, AUDIO, 0, 0, 0, "%s.weight", name);
        add(list, AUDIO, 0, 0, 0, "%s.bias", name);
    }
}

static void fill(struct list *list)
{
    add(list, QWEN3_ASR_VOCAB, DIM, 0, 0, "thinker.model.embed_tokens.weight");
    for (int i = 0; i < LAYERS; i++)
        add_layer(list, i);
    add(list, DIM, 0, 0, 0, "thinker.model.norm.weight");
    for (int i = 1; i <= 3; i++) {
        add(list, CHANNELS, i == 1 ? 1 : CHANNELS, 3, 3, "thinker.audio_tower.conv2d%d.weight", i);
        add(list, CHANNELS, 0, 0, 0, "thinker.audio_tower.conv2d%d.bias", i);
    }
    add(list, AUDIO, CONVOLVED, 0, 0, "thinker.audio_tower.conv_out.weight");
    for (int i = 0; i < AUDIO_LAYERS; i++)
        add_audio_layer(list, i);
    add(list, AUDIO, 0, 0, 0, "thinker.audio_tower.ln_post.weight");
    add(list, AUDIO, 0, 0, 0, "thinker.audio_tower.ln_post.bias");
    add_linear(list, AUDIO, AUDIO, "thinker.audio_tower.proj1");
    add_linear(list, DIM, AUDIO, "thinker.audio_tower.proj2");
    add(list, QWEN3_ASR_VOCAB, DIM, 0, 0, "thinker.lm_head.weight");
}

uint32_t qwen3_asr_tensors(const struct tensor **out)
{
    static struct list list;
    if (!list.n)
        fill(&list);
    *out = list.tensors;
    return list.n;
}

void qwen3_asr_values(const struct qwen3_asr_checkpoint *checkpoint, const struct tensor *tensor,
                      float *values)
{
    uint64_t state = checkpoint->seed + 1, n = tensor_elements(tensor);
    for (const char *c = tensor->name; *c; c++)
        state = state * 1099511628211u + (uint8_t)*c;
    for (uint64_t i = 0; i < n; i++) {
        uint16_t rounded;
        state = state * 6364136223846793005u + 1442695040888963407u;
        values[i] = (float)(int32_t)(state >> 32) * 0x1p-34f;
        tensor_from_f32(TENSOR_BF16, &values[i], &rounded, 1);
        tensor_to_f32(TENSOR_BF16, &rounded, &values[i], 1);
    }
}

/* Which of the two shards; the -hf form has one file. */
static uint32_t shard_of(const struct qwen3_asr_checkpoint *checkpoint, uint32_t index)
{
    return checkpoint->hf ? 0 : index % 2;
}

static bool is_written(const struct qwen3_asr_checkpoint *checkpoint, const struct tensor *tensor)
{
    if (checkpoint->left_out && !strcmp(checkpoint->left_out, tensor->name))
        return false;
    /* Upstream's form has a copy of the embedding table, which is to be ignored. */
    return strcmp(tensor->name, "thinker.lm_head.weight") || checkpoint->untied || !checkpoint->hf;
}

static const char *name_of(const struct qwen3_asr_checkpoint *checkpoint,
                           const struct tensor *tensor, char *renamed, size_t size)
{
    static const char *const starts[][2] = {
        {"thinker.model.", "model.language_model."},
        {"thinker.audio_tower.proj1.", "model.multi_modal_projector.linear_1."},
        {"thinker.audio_tower.proj2.", "model.multi_modal_projector.linear_2."},
        {"thinker.audio_tower.", "model.audio_tower."},
        {"thinker.", ""},
    };
    for (size_t i = 0; checkpoint->hf && i < COUNT_OF(starts); i++) {
        size_t length = strlen(starts[i][0]);
        if (strncmp(tensor->name, starts[i][0], length))
            continue;
        snprintf(renamed, size, "%s%s", starts[i][1], tensor->name + length);
        return renamed;
    }
    return tensor->name;
}

static FILE *create(const char *directory, const char *name)
{
    char path[4096];
    snprintf(path, sizeof(path), "%s/%s", directory, name);
    return fopen(path, "wb");
}

static void put_header(const struct qwen3_asr_checkpoint *checkpoint, uint32_t shard, FILE *file)
{
    static char header[MAX_TENSORS * 256];
    const struct tensor *tensors;
    uint32_t n = qwen3_asr_tensors(&tensors);
    uint64_t at = 0, used = 1;
    char renamed[TENSOR_MAX_NAME];

    header[0] = '{';
    for (uint32_t i = 0; i < n; i++) {
        const struct tensor *t = &tensors[i];
        if (shard_of(checkpoint, i) != shard || !is_written(checkpoint, t))
            continue;
        used += (uint64_t)snprintf(header + used, sizeof(header) - used,
                                   "%s\"%s\":{\"dtype\":\"BF16\",\"shape\":[", at ? "," : "",
                                   name_of(checkpoint, t, renamed, sizeof(renamed)));
        for (uint32_t d = 0; d < t->n_dims; d++)
            used += (uint64_t)snprintf(header + used, sizeof(header) - used, "%s%d", d ? "," : "",
                                       (int)t->dims[d]);
        used += (uint64_t)snprintf(header + used, sizeof(header) - used,
                                   "],\"data_offsets\":[%d,%d]}", (int)at, (int)(at + t->bytes));
        at += t->bytes;
    }
    header[used++] = '}';
    fwrite(&used, sizeof(used), 1, file);
    fwrite(header, 1, used, file);
}

static bool write_weights(const struct qwen3_asr_checkpoint *checkpoint, const char *directory,
                          uint32_t shard, const char *name)
{
    static float values[QWEN3_ASR_VOCAB * DIM];
    static uint16_t rounded[COUNT_OF(values)];
    const struct tensor *tensors;
    uint32_t n = qwen3_asr_tensors(&tensors);
    FILE *file = create(directory, name);
    if (!file)
        return false;
    put_header(checkpoint, shard, file);
    for (uint32_t i = 0; i < n; i++) {
        if (shard_of(checkpoint, i) != shard || !is_written(checkpoint, &tensors[i]))
            continue;
        qwen3_asr_values(checkpoint, &tensors[i], values);
        tensor_from_f32(TENSOR_BF16, values, rounded, tensor_elements(&tensors[i]));
        fwrite(rounded, 1, tensors[i].bytes, file);
    }
    return !fclose(file);
}

static bool write_index(const struct qwen3_asr_checkpoint *checkpoint, const char *directory)
{
    const struct tensor *tensors;
    uint32_t n = qwen3_asr_tensors(&tensors);
    FILE *file = create(directory, "model.safetensors.index.json");
    const char *comma = "";
    if (!file)
        return false;
    fputs("{\"metadata\": {\"total_size\": 1}, \"weight_map\": {", file);
    for (uint32_t i = 0; i < n; i++) {
        if (!is_written(checkpoint, &tensors[i]))
            continue;
        fprintf(file, "%s\"%s\": \"model-0000%u-of-00002.safetensors\"", comma, tensors[i].name,
                shard_of(checkpoint, i) + 1);
        comma = ", ";
    }
    fputs("}}", file);
    return !fclose(file);
}

static bool write_config(const struct qwen3_asr_checkpoint *checkpoint, const char *directory)
{
    FILE *file = create(directory, "config.json");
    if (!file)
        return false;
    fputs("{\"model_type\": \"qwen3_asr\", ", file);
    if (!checkpoint->hf)
        fputs("\"support_languages\": [\"Chinese\", \"English\"], \"thinker_config\": {"
              "\"audio_start_token_id\": 262, \"audio_end_token_id\": 263, ",
              file);
    fprintf(file,
            "\"audio_token_id\": 264, \"audio_config\": {\"num_mel_bins\": %d, \"d_model\": %d, "
            "\"encoder_layers\": %d, \"%s\": 2, \"encoder_ffn_dim\": %d, \"output_dim\": %d, "
            "\"downsample_hidden_size\": %d, \"n_window\": 50, \"n_window_infer\": 800, "
            "\"activation_function\": \"gelu\", \"scale_embedding\": false}, ",
            MEL_BINS, AUDIO, AUDIO_LAYERS,
            checkpoint->hf ? "num_attention_heads" : "encoder_attention_heads", AUDIO_FEED, DIM,
            CHANNELS);
    fprintf(file,
            "\"text_config\": {\"vocab_size\": %d, \"hidden_size\": %d, \"intermediate_size\": %d, "
            "\"num_hidden_layers\": %d, \"num_attention_heads\": 4, \"num_key_value_heads\": 2, "
            "\"head_dim\": %d, \"hidden_act\": \"silu\", \"max_position_embeddings\": 65536, "
            "\"rms_norm_eps\": 1e-06, \"attention_bias\": false, %s, "
            "\"tie_word_embeddings\": %s}}",
            QWEN3_ASR_VOCAB, DIM, FEED, LAYERS, HEAD,
            checkpoint->hf ? "\"rope_parameters\": {\"rope_theta\": 1000000}"
                           : "\"rope_theta\": 1000000, \"rope_scaling\": {\"type\": \"default\"}",
            checkpoint->untied ? "false" : "true");
    if (!checkpoint->hf)
        fputs("}", file);
    return !fclose(file);
}

/* Ids as GPT-2 gives them: the printable bytes first, then the others, then the merges. */
static void put_vocab(FILE *file)
{
    int id = 0;
    fputs("{", file);
    for (int pass = 0; pass < 2; pass++) {
        for (int byte = 0, other = 0; byte < 256; byte++) {
            bool printable = (byte > 32 && byte < 127) || (byte > 160 && byte != 173);
            int code = printable ? byte : 256 + other;
            other += !printable;
            if (printable == (pass == 1))
                continue;
            fprintf(file, "%s\"", id ? ", " : "");
            if (code == '"' || code == '\\')
                fprintf(file, "\\%c", code);
            else if (code < 128)
                fputc(code, file);
            else
                fprintf(file, "%c%c", 0xc0 | code >> 6, 0x80 | (code & 63));
            fprintf(file, "\": %d", id++);
        }
    }
    fputs(", \"th\": 256, \"the\": 257, \"\xc4\xa0the\": 258}", file);
}

static bool write_tokenizer_files(const char *directory)
{
    FILE *vocab = create(directory, "vocab.json"), *merges = create(directory, "merges.txt");
    FILE *settings = create(directory, "tokenizer_config.json");
    if (!vocab || !merges || !settings)
        return false;
    put_vocab(vocab);
    fputs("#version: 0.2\n", merges);
    for (int i = 0; i < QWEN3_ASR_MERGES; i++)
        fprintf(merges, "%s\n", qwen3_asr_merges[i]);
    fputs("{\"bos_token\": null, \"eos_token\": \"<|im_end|>\", \"pad_token\": "
          "{\"content\": \"<|endoftext|>\"}, \"added_tokens_decoder\": {",
          settings);
    for (size_t i = 0; i < COUNT_OF(added); i++)
        fprintf(settings, "%s\"%zu\": {\"content\": \"%s\", \"special\": %s}", i ? ", " : "",
                FIRST_ADDED + i, added[i], i + 1 < COUNT_OF(added) ? "true" : "false");
    fputs("}}", settings);
    const int failed = fclose(vocab) | fclose(merges) | fclose(settings);
    return failed == 0;
}

static bool write_tokenizer_json(const char *directory)
{
    FILE *file = create(directory, "tokenizer.json");
    FILE *settings = create(directory, "tokenizer_config.json");
    if (!file || !settings)
        return false;
    fputs("{\"eos_token\": \"<|im_end|>\", \"pad_token\": \"<|endoftext|>\"}", settings);
    fputs("{\"version\": \"1.0\", \"added_tokens\": [", file);
    for (size_t i = 0; i < COUNT_OF(added); i++)
        fprintf(file, "%s{\"id\": %zu, \"content\": \"%s\", \"special\": %s}", i ? ", " : "",
                FIRST_ADDED + i, added[i], i + 1 < COUNT_OF(added) ? "true" : "false");
    fputs("], \"model\": {\"type\": \"BPE\", \"vocab\": ", file);
    put_vocab(file);
    fputs(", \"merges\": [", file);
    for (int i = 0; i < QWEN3_ASR_MERGES; i++) {
        const char *space = strchr(qwen3_asr_merges[i], ' ');
        if (i % 2)
            fprintf(file, ", \"%s\"", qwen3_asr_merges[i]);
        else
            fprintf(file, "%s[\"%.*s\", \"%s\"]", i ? ", " : "", (int)(space - qwen3_asr_merges[i]),
                    qwen3_asr_merges[i], space + 1);
    }
    fputs("]}}", file);
    const int failed = fclose(file) | fclose(settings);
    return failed == 0;
}

bool qwen3_asr_write(const struct qwen3_asr_checkpoint *checkpoint, const char *directory)
{
    if (!write_config(checkpoint, directory))
        return false;
    if (checkpoint->hf)
        return write_weights(checkpoint, directory, 0, "model.safetensors") &&
               write_tokenizer_json(directory);
    return write_weights(checkpoint, directory, 0, "model-00001-of-00002.safetensors") &&
           write_weights(checkpoint, directory, 1, "model-00002-of-00002.safetensors") &&
           write_index(checkpoint, directory) && write_tokenizer_files(directory);
}
