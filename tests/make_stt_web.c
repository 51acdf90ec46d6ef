/* SPDX-License-Identifier: MIT
 *
 * make_stt_web [--f32] CHECKPOINT OUT.gguf: the transformer of a checkpoint as the browser port
 * writes it: matrices in q4_0 with its own rounding, or with --f32 all in f32 behind six bytes that
 * nothing needs, so that no offset is aligned.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loader/config.h"

static FILE *out;

static _Noreturn void die(const char *what)
{
    fprintf(stderr, "make_stt_web: %s\n", what);
    exit(1);
}

static void put(const void *bytes, size_t size)
{
    if (fwrite(bytes, 1, size, out) != size)
        die("cannot write");
}

static void put_u32(uint32_t value)
{
    put(&value, sizeof(value));
}

static void put_u64(uint64_t value)
{
    put(&value, sizeof(value));
}

static void put_string(const char *text)
{
    put_u64(strlen(text));
    put(text, strlen(text));
}

static void put_text(const char *key, const char *value)
{
    put_string(key);
    put_u32(8);
    put_string(value);
}

static void put_number(const char *key, uint32_t value)
{
    put_string(key);
    put_u32(4);
    put_u32(value);
}

static void put_keys(const struct model_config *config, uint32_t feed_forward)
{
    const struct lm_config *lm = &config->lm;
    put_u64(10);
    put_text("general.architecture", "kyutai-stt");
    put_text("general.name", "stt-1b-en_fr");
    put_number("stt.context_length", lm->context);
    put_number("stt.embedding_length", lm->dim);
    put_number("stt.block_count", lm->n_layers);
    put_number("stt.feed_forward_length", feed_forward);
    put_number("stt.attention.head_count", lm->n_heads);
    put_number("stt.vocab_size", lm->text_card);
    put_number("stt.audio_vocab_size", lm->card + 1);
    put_string("stt.rope.freq_base");
    put_u32(6);
    put(&lm->max_period, sizeof(float));
}

static int compare(const void *a, const void *b)
{
    return strcmp((*(const struct tensor *const *)a)->name,
                  (*(const struct tensor *const *)b)->name);
}

static bool is_of_transformer(const char *name)
{
    static const char *const starts[] = {"emb.", "text_emb.", "text_linear.", "out_norm.",
                                         "transformer."};
    for (size_t i = 0; i < COUNT_OF(starts); i++)
        if (!strncmp(name, starts[i], strlen(starts[i])))
            return true;
    return false;
}

static bool is_quantized(const struct tensor *tensor, bool f32)
{
    return !f32 && !strstr(tensor->name, ".alpha");
}

static uint64_t bytes_of(const struct tensor *tensor, bool f32)
{
    uint64_t n = tensor_elements(tensor);
    return is_quantized(tensor, f32) ? n / 32 * 18 : n * 4;
}

/* A scale of the largest magnitude over 7, halves to even. */
static void put_q4_0(const float *x)
{
    float most = 0;
    uint16_t half;
    uint8_t codes[16];
    for (int i = 0; i < 32; i++)
        most = fmaxf(most, fabsf(x[i]));
    float scale = most > 0 ? most / 7 : 1;
    for (int i = 0; i < 16; i++) {
        int low = (int)fmaxf(-8, fminf(7, rintf(x[i] / scale)));
        int high = (int)fmaxf(-8, fminf(7, rintf(x[i + 16] / scale)));
        codes[i] = (uint8_t)((low + 8) | (high + 8) << 4);
    }
    tensor_from_f32(TENSOR_F16, &scale, &half, 1);
    put(&half, 2);
    put(codes, 16);
}

static void put_data(const struct source *source, const struct tensor *tensor, bool f32)
{
    uint64_t n = tensor_elements(tensor);
    void *raw = malloc(tensor->bytes);
    float *values = malloc(n * sizeof(float));
    if (!raw || !values || source_read(source, tensor, 0, raw, tensor->bytes))
        die(tensor->name);
    tensor_to_f32((enum tensor_type)tensor->type, raw, values, n);
    if (is_quantized(tensor, f32))
        for (uint64_t i = 0; i < n; i += 32)
            put_q4_0(values + i);
    else
        put(values, n * sizeof(float));
    free(values);
    free(raw);
}

static void put_info(const char *name, uint32_t n_dims, const uint64_t *dims, uint32_t type,
                     uint64_t offset)
{
    put_string(name);
    put_u32(n_dims);
    for (uint32_t i = n_dims; i-- > 0;)
        put_u64(dims[i]);
    put_u32(type);
    put_u64(offset);
}

static void write_file(const struct source *source, const struct model_config *config,
                       const struct tensor **list, uint32_t n, bool f32)
{
    static const uint8_t zeros[32];
    const struct tensor *out_linear =
        source_find(source, "transformer.layers.0.gating.linear_out.weight");
    uint64_t offset = f32 ? 6 : 0;

    put("GGUF", 4);
    put_u32(3);
    put_u64(n + f32);
    put_keys(config, (uint32_t)out_linear->dims[1]);
    if (f32)
        put_info("0.unused", 1, (const uint64_t[]){3}, TENSOR_F16, 0);
    for (uint32_t i = 0; i < n; i++) {
        put_info(list[i]->name, list[i]->n_dims, list[i]->dims,
                 is_quantized(list[i], f32) ? TENSOR_Q4_0 : TENSOR_F32, offset);
        offset += bytes_of(list[i], f32);
    }
    put(zeros, (size_t)(-ftell(out) & 31));
    if (f32)
        put(zeros, 6);
    for (uint32_t i = 0; i < n; i++)
        put_data(source, list[i], f32);
}

int main(int argc, char **argv)
{
    const bool f32 = argc > 1 && !strcmp(argv[1], "--f32");
    struct model_config config;
    struct source *source;
    uint32_t n = 0;

    if (argc != 3 + f32)
        die("usage: make_stt_web [--f32] CHECKPOINT OUT.gguf");
    if (source_open(NULL, argv[1 + f32], &source) || config_read(NULL, source, &config))
        die("no checkpoint");
    const struct tensor **list = calloc(source_count(source), sizeof(*list));
    out = fopen(argv[2 + f32], "wb");
    if (!list || !out)
        die("cannot write");
    for (uint32_t i = 0; i < source_count(source); i++)
        if (is_of_transformer(source_tensor(source, i)->name))
            list[n++] = source_tensor(source, i);
    qsort(list, n, sizeof(*list), compare);
    write_file(source, &config, list, n, f32);
    if (fclose(out))
        die("cannot write");
    free(list);
    source_close(&source);
    return 0;
}
