/* SPDX-License-Identifier: MIT
 *
 * Qwen3-ASR through the quantizer: tiny checkpoints of both forms, and what is wrong with them.
 */
#define _POSIX_C_SOURCE 200809L
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "loader/config.h"
#include "loader/gguf.h"
#include "loader/quantize.h"
#include "loader/tokenizer_bpe.h"
#include "tests/qwen3_asr_checkpoint.h"
#include "tests/test_loader.h"

static const struct tensor_type_info *type(const char *name)
{
    return tensor_type_by_name(name);
}

/* The checkpoint in DIRECTORY/NAME, whose path is returned. */
static const char *make(struct test *test, const char *name,
                        const struct qwen3_asr_checkpoint *checkpoint)
{
    const char *path = scratch(test, name);
    mkdir(path, 0777);
    if (!qwen3_asr_write(checkpoint, path)) {
        perror(path);
        exit(1);
    }
    return path;
}

static enum status quantize(struct test *test, const char *from, const char *to,
                            const struct quantize_options *options,
                            struct quantize_summary *summary)
{
    return quantize_file(&test->log, from, to, options, summary);
}

/* The type of a tensor that was quantized to q4_0, embeddings to q5_1, the head to q6_k. */
static uint32_t expected_type(const struct tensor *tensor, enum tensor_type encoder)
{
    if (tensor->n_dims < 2)
        return TENSOR_F32;
    if (starts_with(tensor->name, "thinker.audio_tower."))
        return tensor->n_dims == 4 ? TENSOR_F16 : encoder; /* rows of 3 taps have no blocks */
    if (strstr(tensor->name, "embed_tokens"))
        return TENSOR_Q5_1;
    return strstr(tensor->name, "lm_head") ? TENSOR_Q8_0 /* rows of 64: q6_k's fallback */
                                           : TENSOR_Q4_0;
}

static bool is_same(const struct qwen3_asr_checkpoint *checkpoint, const struct source *source,
                    const struct tensor *was, const struct tensor *is)
{
    uint64_t n = tensor_elements(was);
    float *values = malloc(n * sizeof(*values));
    uint8_t *expected = malloc(n * 4), *got = malloc(is->bytes);
    bool same = values && expected && got && is->n_dims == was->n_dims &&
                !memcmp(is->dims, was->dims, sizeof(is->dims)) &&
                !source_read(source, is, 0, got, is->bytes);
    if (same) {
        qwen3_asr_values(checkpoint, was, values);
        tensor_from_f32((enum tensor_type)is->type, values, expected, n);
        same = !memcmp(expected, got, is->bytes);
    }
    free(got);
    free(expected);
    free(values);
    return same;
}

static void check_tensors(struct test *test, const struct qwen3_asr_checkpoint *checkpoint,
                          const char *path, enum tensor_type encoder)
{
    const struct tensor *list;
    struct source *source;
    uint32_t n = qwen3_asr_tensors(&list) - !checkpoint->untied; /* the head is the last */

    if (!EXPECT(source_open(&test->log, path, &source), OK, "", path))
        return;
    CHECK(source_count(source) == n, "%s: %u tensors, expected %u", path, source_count(source), n);
    for (uint32_t i = 0; i < n; i++) {
        const struct tensor *is = source_find(source, list[i].name);
        CHECK(is && is->type == expected_type(&list[i], encoder) &&
                  is_same(checkpoint, source, &list[i], is),
              "%s: tensor %s differs", path, list[i].name);
    }
    source_close(&source);
}

static bool token_is(const struct gguf *gguf, uint64_t id, const char *text, uint64_t wanted)
{
    uint64_t kind = 0;
    const char *token = gguf_element_string(gguf_find(gguf, "tokenizer.ggml.tokens"), id);
    return token && !strcmp(token, text) &&
           gguf_element_u64(gguf_find(gguf, "tokenizer.ggml.token_type"), id, &kind) &&
           kind == wanted;
}

static uint64_t number(const struct gguf *gguf, const char *key)
{
    uint64_t value = UINT64_MAX;
    gguf_get_u64(gguf, key, &value);
    return value;
}

static void check_keys(struct test *test, const char *path, bool hf)
{
    struct source *source;
    double real = 0;
    bool tied = false;
    if (!EXPECT(source_open(&test->log, path, &source), OK, "", path))
        return;
    const struct gguf *gguf = source_gguf(source);
    const struct gguf_value *merges = gguf_find(gguf, "tokenizer.ggml.merges");
    CHECK(merges && merges->count == QWEN3_ASR_MERGES, "%s: merges", path);
    for (int i = 0; merges && i < QWEN3_ASR_MERGES; i++)
        CHECK(!strcmp(gguf_element_string(merges, i), qwen3_asr_merges[i]), "%s: merge %d", path,
              i);
    CHECK(gguf_find(gguf, "tokenizer.ggml.tokens")->count == QWEN3_ASR_VOCAB, "%s: tokens", path);
    CHECK(token_is(gguf, 0, "!", 1) && token_is(gguf, 32, "A", 1) && token_is(gguf, 1, "\"", 1) &&
              token_is(gguf, 198, "\xc4\x8a", 1) && token_is(gguf, 220, "\xc4\xa0", 1) &&
              token_is(gguf, 258, "\xc4\xa0the", 1),
          "%s: tokens in GPT-2's alphabet", path);
    CHECK(token_is(gguf, 261, "<|im_end|>", 3) && token_is(gguf, 265, "<asr_text>", 4) &&
              token_is(gguf, 266, "[PAD266]", 5),
          "%s: added and unused tokens", path);
    CHECK(number(gguf, "tokenizer.ggml.eos_token_id") == 261 &&
              number(gguf, "tokenizer.ggml.padding_token_id") == 259 &&
              !gguf_find(gguf, "tokenizer.ggml.bos_token_id"),
          "%s: special ids", path);
    CHECK(number(gguf, "qwen3-asr.block_count") == 2 &&
              number(gguf, "qwen3-asr.attention.key_length") == 32 &&
              number(gguf, "qwen3-asr.attention.head_count_kv") == 2 &&
              number(gguf, "qwen3-asr.audio.attention.head_count") == 2 &&
              number(gguf, "qwen3-asr.audio.window_infer") == 800 &&
              number(gguf, "qwen3-asr.audio.token_id") == 264,
          "%s: the configuration", path);
    CHECK(gguf_get_f64(gguf, "qwen3-asr.rope.freq_base", &real) && real == 1e6, "%s: rope", path);
    CHECK(gguf_get_bool(gguf, "qwen3-asr.tied_embeddings", &tied) && tied, "%s: tied", path);
    CHECK(!hf == !!gguf_find(gguf, "qwen3-asr.languages"), "%s: languages", path);
    source_close(&source);
}

static uint64_t raised(const struct quantize_summary *summary)
{
    uint64_t n = 0;
    for (uint32_t i = 0; i < summary->n_groups; i++)
        n += summary->groups[i].raised;
    return n;
}

/* Every form, with an encoder as it should be and a forced one. */
static void check_forms(struct test *test)
{
    const struct quantize_options options = {
        .type = type("q4_0"), .embeddings = type("q5_1"), .output_head = type("q6_k")};
    struct quantize_options forced = options;
    struct quantize_summary summary;
    char path[512];

    forced.encoder = type("q4_0");
    for (int i = 0; i < 4; i++) {
        const struct qwen3_asr_checkpoint checkpoint = {
            .seed = test->seed, .hf = i & 1, .untied = i & 2};
        const char *from = make(test, i & 1 ? "qwen-hf" : "qwen", &checkpoint);
        snprintf(path, sizeof(path), "%s", scratch(test, "qwen.gguf"));
        EXPECT(quantize(test, from, path, &options, &summary), OK, "", from);
        /* conv_out, proj1, proj2 and six matrices a layer; the convolutions are f16 */
        CHECK(raised(&summary) == 15, "%llu tensors were raised",
              (unsigned long long)raised(&summary));
        check_tensors(test, &checkpoint, path, TENSOR_Q8_0);
        if (!checkpoint.untied)
            check_keys(test, path, checkpoint.hf);
        EXPECT(quantize(test, from, path, &forced, &summary), OK, "", from);
        CHECK(raised(&summary) == 0, "a forced type was raised");
        check_tensors(test, &checkpoint, path, TENSOR_Q4_0);
    }
}

/* A rule may raise the encoder, but lower it only with a forced type. */
static void check_rules(struct test *test)
{
    static const struct {
        const char *rule, *forced, *expected;
    } cases[] = {{"bf16", NULL, "bf16"}, {"q5_0", NULL, "q8_0"}, {"q4_1", "q8_0", "q4_1"}};
    const struct qwen3_asr_checkpoint checkpoint = {.seed = test->seed};
    const char *from = make(test, "qwen", &checkpoint), *to = scratch(test, "qwen.gguf");
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct quantize_rule rule = {"*.audio_tower.proj1.weight", type(cases[i].rule)};
        const struct quantize_options options = {.type = type("q4_0"),
                                                 .encoder =
                                                     cases[i].forced ? type(cases[i].forced) : NULL,
                                                 .rules = &rule,
                                                 .n_rules = 1};
        struct source *source;
        EXPECT(quantize(test, from, to, &options, NULL), OK, "", from);
        if (!EXPECT(source_open(&test->log, to, &source), OK, "", to))
            return;
        const struct tensor *tensor = source_find(source, "thinker.audio_tower.proj1.weight");
        CHECK(tensor && tensor->type == type(cases[i].expected)->type, "rule %s", cases[i].rule);
        source_close(&source);
    }
}

/* From a GGUF comes what comes from the checkpoint. */
static void check_again(struct test *test)
{
    const struct qwen3_asr_checkpoint checkpoint = {.seed = test->seed};
    const struct quantize_options whole = {.type = type("bf16")}, small = {.type = type("q4_1")};
    const char *from = make(test, "qwen", &checkpoint), *to = scratch(test, "qwen.gguf");
    const char *middle = scratch(test, "middle.gguf");
    size_t direct_size, size;
    EXPECT(quantize(test, from, middle, &whole, NULL), OK, "", middle);
    EXPECT(quantize(test, from, to, &small, NULL), OK, "", to);
    void *direct = read_file(to, &direct_size);
    EXPECT(quantize(test, middle, to, &small, NULL), OK, "", to);
    void *again = read_file(to, &size);
    CHECK(size == direct_size && !memcmp(direct, again, size), "a GGUF of a GGUF differs");
    free(again);
    free(direct);
}

/* It is no model that runs. */
static void check_runtime(struct test *test)
{
    const struct qwen3_asr_checkpoint checkpoint = {.seed = test->seed};
    const struct quantize_options options = {.type = type("q8_0")};
    const char *paths[] = {make(test, "qwen", &checkpoint), scratch(test, "qwen.gguf")};
    struct model_config config;
    struct source *source;
    EXPECT(quantize(test, paths[0], paths[1], &options, NULL), OK, "", paths[1]);
    for (size_t i = 0; i < COUNT_OF(paths); i++) {
        if (!EXPECT(source_open(&test->log, paths[i], &source), OK, "", paths[i]))
            continue;
        EXPECT(config_read(&test->log, source, &config), ERROR_UNSUPPORTED,
               "is Qwen3-ASR, which stapes quantizes but does not run yet", paths[i]);
        source_close(&source);
    }
}

static void check_missing(struct test *test, const char *name, enum status status, const char *text)
{
    const struct qwen3_asr_checkpoint checkpoint = {.seed = test->seed};
    const struct quantize_options options = {.type = type("q8_0")};
    char path[600];
    const char *from = make(test, "qwen", &checkpoint), *to = scratch(test, "absent.gguf");
    snprintf(path, sizeof(path), "%s/%s", from, name);
    unlink(path);
    EXPECT(quantize(test, from, to, &options, NULL), status, text, name);
    CHECK(access(to, F_OK), "%s: a file all the same", name);
}

/* A file with `was` replaced by `is`. */
static void check_changed(struct test *test, bool hf, const char *name, const char *was,
                          const char *is, enum status status, const char *text)
{
    const struct qwen3_asr_checkpoint checkpoint = {.seed = test->seed, .hf = hf};
    const struct quantize_options options = {.type = type("q8_0")};
    char path[600];
    size_t size;
    const char *from = make(test, hf ? "qwen-hf" : "qwen", &checkpoint);
    const char *to = scratch(test, "absent.gguf");
    snprintf(path, sizeof(path), "%s/%s", from, name);
    char *bytes = read_file(path, &size), *at = strstr(bytes, was);
    if (CHECK(at != NULL, "%s holds no %s", name, was)) {
        char *changed = calloc(1, size + strlen(is) + 1);
        if (!changed)
            exit(1);
        memcpy(changed, bytes, (size_t)(at - bytes));
        strcat(strcat(changed, is), at + strlen(was));
        write_file(path, changed, strlen(changed));
        free(changed);
    }
    free(bytes);
    EXPECT(quantize(test, from, to, &options, NULL), status, text, is);
    CHECK(access(to, F_OK), "%s: a file all the same", name);
}

static void check_wrong(struct test *test)
{
    static const char lost[] = "thinker.audio_tower.layers.1.fc2.bias";
    const struct qwen3_asr_checkpoint checkpoint = {.seed = test->seed, .left_out = lost};
    const struct quantize_options options = {.type = type("q8_0")};
    const struct quantize_options mimi = {.type = type("q8_0"), .mimi = type("f16")};
    const struct quantize_options encoder = {.type = type("q8_0"), .encoder = type("f16")};
    const char *from = make(test, "qwen", &checkpoint), *to = scratch(test, "absent.gguf");

    EXPECT(quantize(test, from, to, &options, NULL), ERROR_FORMAT, lost, "a tensor left out");
    EXPECT(quantize(test, from, to, &mimi, NULL), ERROR_ARGUMENT, "no Mimi", "a type for Mimi");
    link_golden(test, "stt-tiny");
    EXPECT(quantize(test, scratch(test, "model"), to, &encoder, NULL), ERROR_ARGUMENT,
           "no audio encoder", "a type for an encoder that is not there");
    const struct qwen3_asr_checkpoint whole = {.seed = test->seed};
    from = make(test, "qwen", &whole);
    EXPECT(quantize(test, from, scratch(test, "qwen/merges.txt"), &options, NULL), ERROR_ARGUMENT,
           "is the input", "a tokenizer's file as the output");
    write_file(scratch(test, "qwen/merges.txt"), "#version: 0.2\nt h\n\0th e\n", 24);
    EXPECT(quantize(test, from, to, &options, NULL), ERROR_FORMAT, "holds a NUL",
           "a NUL among the merges");
    check_missing(test, "vocab.json", ERROR_IO, "vocab.json: does not exist");
    check_missing(test, "merges.txt", ERROR_IO, "merges.txt");
    check_missing(test, "tokenizer_config.json", ERROR_FORMAT, "token <|endoftext|> is missing");
    check_missing(test, "model-00002-of-00002.safetensors", ERROR_IO, "model-00002-of-00002");
    check_missing(test, "model.safetensors.index.json", ERROR_IO, "nor an index");
    check_missing(test, "config.json", ERROR_IO, "config.json");

    const char *config = "config.json", *json = "tokenizer.json", *vocab = "vocab.json";
    check_changed(test, false, config, "\"hidden_size\"", "\"size\"", ERROR_FORMAT,
                  "text_config.hidden_size is absent");
    check_changed(test, false, config, "\"encoder_layers\": 2", "\"encoder_layers\": 3",
                  ERROR_FORMAT, "layers.2.");
    check_changed(test, false, config, "\"num_hidden_layers\": 2", "\"num_hidden_layers\": 1",
                  ERROR_FORMAT, "beyond");
    check_changed(test, false, config, "\"head_dim\": 32", "\"head_dim\": 16", ERROR_FORMAT,
                  "q_proj.weight: dimension 0 is 128");
    check_changed(test, false, config, "\"num_key_value_heads\": 2", "\"num_key_value_heads\": 3",
                  ERROR_FORMAT, "no multiple");
    check_changed(test, false, config, "\"gelu\"", "\"relu\"", ERROR_UNSUPPORTED,
                  "activation_function is not gelu");
    check_changed(test, false, config, "\"n_window\": 50", "\"n_window\": 0.5", ERROR_FORMAT,
                  "n_window is 0.5");
    check_changed(test, false, config, "\"audio_token_id\"",
                  "\"classify_num\": 5000, \"audio_token_id\"", ERROR_UNSUPPORTED,
                  "forced aligner");
    check_changed(test, false, config, "[\"Chinese\"", "[7", ERROR_FORMAT, "support_languages[0]");
    check_changed(test, false, vocab, "\"A\": 32", "\"AA\": 32", ERROR_FORMAT, "byte 65 (A)");
    check_changed(test, false, vocab, "\"A\": 32", "\"A \": 32", ERROR_FORMAT, "alphabet");
    check_changed(test, false, vocab, "\"th\": 256", "\"th\": 300", ERROR_FORMAT,
                  "vocabulary of 300");
    check_changed(test, false, vocab, "\"th\": 256", "\"th\": 32", ERROR_FORMAT, "have the id 32");
    check_changed(test, false, vocab, "\"th\": 256", "\"tx\": 256", ERROR_FORMAT,
                  "line 2 (t h): its result is no token");
    check_changed(test, false, "merges.txt", "t h", "t hh", ERROR_FORMAT, "right half");
    check_changed(test, false, "merges.txt", "t h", "t", ERROR_FORMAT, "line 2 is no pair");
    check_changed(test, false, "tokenizer_config.json", "<asr_text>", "<text>", ERROR_FORMAT,
                  "token <asr_text> is missing");
    check_changed(test, false, "tokenizer_config.json", "\"eos_token\": \"<|im_end|>\"",
                  "\"eos_token\": \"<eos>\"", ERROR_FORMAT, "eos_token is no token");
    check_changed(test, true, json, "[\"t\", \"h\"]", "[\"t\", \"h\", \"h\"]", ERROR_FORMAT,
                  "merge 1 is no pair");
    check_changed(test, true, json, "\"merges\"", "\"merge\"", ERROR_FORMAT, "no model.merges");
    check_changed(test, true, json, "\"id\": 259", "\"id\": -1", ERROR_FORMAT, "without an id");
}

/* Damaged tokenizers: an error with a message, or a tokenizer. */
static void check_damaged(struct test *test)
{
    static const char *const names[] = {"vocab.json", "merges.txt", "tokenizer_config.json",
                                        "tokenizer.json"};
    static const char *const needed[] = {"<|im_end|>"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        const struct qwen3_asr_checkpoint checkpoint = {.seed = test->seed, .hf = i == 3};
        const char *from = make(test, checkpoint.hf ? "qwen-hf" : "qwen", &checkpoint);
        char path[600];
        size_t size;
        snprintf(path, sizeof(path), "%s/%s", from, names[i]);
        char *bytes = read_file(path, &size);
        for (int k = 0; k < 300; k++) {
            struct bpe *bpe = NULL;
            size_t at = test_random(test) % size;
            char was = bytes[at];
            bytes[at] = (char)(k % 2 ? test_random(test) : (uint32_t)was ^ 1u << k / 2 % 8);
            write_file(path, bytes, k % 3 ? size : at);
            enum status status =
                bpe_open(&test->log, from, QWEN3_ASR_VOCAB, needed, COUNT_OF(needed), &bpe);
            CHECK(!status == !!bpe && (!status || test->messages[0]), "%s, byte %zu: %s", names[i],
                  at, status_text(status));
            test->messages[0] = 0;
            bpe_close(&bpe);
            bytes[at] = was;
        }
        write_file(path, bytes, size);
        free(bytes);
    }
}

void test_qwen3_asr(struct test *test)
{
    check_forms(test);
    check_rules(test);
    check_again(test);
    check_runtime(test);
    check_wrong(test);
    check_damaged(test);
}
