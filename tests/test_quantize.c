/* SPDX-License-Identifier: MIT
 *
 * The quantizer: files made of the goldens, checked tensor by tensor.
 */
#define _POSIX_C_SOURCE 200809L
#include <dirent.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "loader/config.h"
#include "loader/gguf.h"
#include "loader/quantize.h"
#include "loader/tokenizer.h"
#include "tests/test_loader.h"

static const char *const presets[] = {"stt-tiny", "moshi-tiny"};

static const struct tensor_type_info *type(const char *name)
{
    return tensor_type_by_name(name);
}

static enum status quantize_to(struct test *test, const char *from, const char *to,
                               enum tensor_type wanted)
{
    const struct quantize_options options = {.type = tensor_type_info(wanted)};
    return quantize_file(&test->log, from, to, &options, NULL);
}

static void search(enum tensor_type type, const float *from, void *to, uint64_t k)
{
    tensor_search_f32(type, from, NULL, to, k);
}

/* The tensor as quantize_file should have written it. */
static bool is_converted(const struct source *from, const struct tensor *was,
                         const struct source *to, const struct tensor *is, bool mse)
{
    uint64_t n = tensor_elements(was);
    uint8_t *raw = malloc(was->bytes), *expected = malloc(n * 4), *got = malloc(is->bytes);
    float *values = malloc(n * 4);
    bool same = raw && expected && got && values && tensor_elements(is) == n &&
                !source_read(from, was, 0, raw, was->bytes) &&
                !source_read(to, is, 0, got, is->bytes);
    if (same) {
        tensor_to_f32((enum tensor_type)was->type, raw, values, n);
        (mse ? search : tensor_from_f32)((enum tensor_type)is->type, values, expected, n);
        same = !memcmp(expected, got, is->bytes);
    }
    if (same && was->type == is->type)
        same = !memcmp(raw, got, is->bytes);
    free(values);
    free(got);
    free(expected);
    free(raw);
    return same;
}

/* Of a matrix of the LM with rows of k elements. */
static uint32_t expected_type(enum tensor_type type, uint64_t k)
{
    if (type == TENSOR_Q4_K && k % 256)
        type = TENSOR_Q5_0;
    if (type == TENSOR_Q6_K && k % 256)
        type = TENSOR_Q8_0;
    return tensor_type_info(type)->block > 1 && k % 32 ? TENSOR_F16 : type;
}

static void check_quantized(struct test *test, const char *from_path, const char *to_path,
                            enum tensor_type type, bool mse)
{
    struct model_config config, quantized;
    struct source *from, *to;
    struct tokenizer *a, *b;

    if (!EXPECT(source_open(&test->log, from_path, &from), OK, "", from_path))
        return;
    if (!EXPECT(source_open(&test->log, to_path, &to), OK, "", to_path)) {
        source_close(&from);
        return;
    }
    EXPECT(config_read(&test->log, from, &config), OK, "", from_path);
    EXPECT(config_read(&test->log, to, &quantized), OK, "", to_path);
    config.mimi.n_q = quantized.mimi.n_q;                     /* only those that the model reads */
    memcpy(config.name, quantized.name, sizeof(config.name)); /* a directory's is its own */
    CHECK(!memcmp(&config, &quantized, sizeof(config)), "%s: the configuration differs", to_path);
    for (uint32_t i = 0; i < source_count(to); i++) {
        const struct tensor *is = source_tensor(to, i), *was = source_find(from, is->name);
        bool matrix = was && was->n_dims == 2 && strncmp(is->name, "mimi.", 5);
        uint32_t expected = matrix ? expected_type(type, was->dims[1]) : TENSOR_F32;
        CHECK(was && is->type == expected && is_converted(from, was, to, is, mse),
              "%s: tensor %s differs", to_path, is->name);
    }
    CHECK(source_find(to, "mimi.quantizer.rvq_first.input_proj.weight") &&
              !source_find(to, "mimi.quantizer.rvq_first.output_proj.weight") &&
              !source_find(to, "mimi.decoder.model.0.conv.conv.weight"),
          "%s: tensors of Mimi", to_path);
    EXPECT(tokenizer_open(&test->log, from, &a), OK, "", from_path);
    EXPECT(tokenizer_open(&test->log, to, &b), OK, "", to_path);
    bool same = tokenizer_size(a) == tokenizer_size(b);
    for (uint32_t i = 0; same && i < tokenizer_size(a); i++)
        same = !strcmp(tokenizer_piece(a, i), tokenizer_piece(b, i)) &&
               tokenizer_score(a, i) == tokenizer_score(b, i) &&
               tokenizer_type(a, i) == tokenizer_type(b, i);
    CHECK(same, "%s: the tokenizer differs", to_path);
    tokenizer_close(&a);
    tokenizer_close(&b);
    source_close(&from);
    source_close(&to);
}

/* A model whose metadata is damaged: an error with a message, or a model. */
static void check_damaged_model(struct test *test, const char *path)
{
    size_t size;
    uint8_t *bytes = read_file(path, &size), *copy = malloc(size);
    const char *damaged = scratch(test, "damaged_model.gguf");

    for (int i = 0; copy && i < 400; i++) {
        struct model_config config;
        struct source *source = NULL;
        struct tokenizer *tokenizer = NULL;
        memcpy(copy, bytes, size);
        for (int j = 0; j <= i % 3; j++)
            copy[24 + test_random(test) % 9000] = (uint8_t)test_random(test);
        write_file(damaged, copy, size);
        enum status status = source_open(&test->log, damaged, &source);
        if (!status)
            status = config_read(&test->log, source, &config);
        if (!status)
            status = tokenizer_open(&test->log, source, &tokenizer);
        CHECK(!status || test->messages[0], "an error without a message");
        test->messages[0] = 0;
        tokenizer_close(&tokenizer);
        source_close(&source);
    }
    free(copy);
    free(bytes);
}

/* A checkpoint as upstream's current code would save it: in_projs.0.weight for in_proj_weight. */
static void check_new_names(struct test *test, const char *golden, const char *to)
{
    static const char *const renamed[][2] = {
        {"self_attn.in_proj_weight", "self_attn.in_projs.0.weight"},
        {"self_attn.out_proj.weight", "self_attn.out_projs.0.weight"}};
    char path[512];
    size_t size;
    uint64_t length;

    link_golden(test, "stt-tiny");
    snprintf(path, sizeof(path), "%s/model/model.safetensors", test->directory);
    char *bytes = read_file(path, &size), *header = calloc(1, size), *at = header;
    memcpy(&length, bytes, 8);
    for (char *from = bytes + 8; from < bytes + 8 + length;) {
        int found = 0;
        while (found < 2 && strncmp(from, renamed[found][0], strlen(renamed[found][0])))
            found++;
        if (found == 2) {
            *at++ = *from++;
            continue;
        }
        strcpy(at, renamed[found][1]);
        at += strlen(renamed[found][1]);
        from += strlen(renamed[found][0]);
    }
    uint64_t longer = (uint64_t)(at - header), data = size - 8 - length;
    char *all = malloc(8 + longer + data);
    memcpy(all, &longer, 8);
    memcpy(all + 8, header, longer);
    memcpy(all + 8 + longer, bytes + 8 + length, data);
    write_file(path, all, 8 + longer + data);
    free(all);
    free(header);
    free(bytes);
    if (EXPECT(quantize_to(test, scratch(test, "model"), to, TENSOR_Q8_0), OK, "", "new names"))
        check_quantized(test, golden, to, TENSOR_Q8_0, false);
}

/* --- Options
 * ------------------------------------------------------------------------------------------ */

static const char *type_of(const struct source *source, const char *name)
{
    const struct tensor *tensor = source_find(source, name);
    return tensor ? tensor_type_info(tensor->type)->name : "absent";
}

/* Each group's type, over it the rules, and what no rule changes. */
static void check_types(struct test *test, const char *golden, const char *path)
{
    static const struct {
        const char *name, *type;
    } expected[] = {
        {"text_emb.weight", "q8_0"},
        {"emb.3.weight", "q5_1"},
        {"depformer_emb.0.weight", "q8_0"},
        {"text_linear.weight", "bf16"},
        {"linears.1.weight", "bf16"},
        {"transformer.layers.0.self_attn.in_proj_weight", "q4_0"},
        {"transformer.layers.1.self_attn.in_proj_weight", "f32"},
        {"transformer.layers.1.norm1.alpha", "f32"},
        {"mimi.encoder.model.0.conv.conv.weight", "f16"}, /* rows of 7 taps */
        {"mimi.encoder.model.0.conv.conv.bias", "f32"},
        {"mimi.encoder_transformer.transformer.layers.0.linear1.weight", "q8_0"},
        {"mimi.quantizer.rvq_first.vq.layers.0._codebook.embedding_sum", "f32"},
    };
    const struct quantize_rule rules[] = {
        {"emb.*", type("f16")},
        {"emb.*", type("q5_1")},
        {"transformer.layers.1.*", type("f32")},
        {"nothing.*", type("f32")},
        {"*norm1.alpha", type("q8_0")},
    };
    const struct quantize_options options = {
        .type = type("q4_0"),
        .embeddings = type("q8_0"),
        .output_head = type("bf16"),
        .mimi = type("q8_0"),
        .rules = rules,
        .n_rules = COUNT_OF(rules),
    };
    struct source *source;
    enum status status = quantize_file(&test->log, golden, path, &options, NULL);
    CHECK(strstr(test->messages, "nothing.* matches no tensor") &&
              strstr(test->messages, "*norm1.alpha matches no tensor") &&
              !strstr(test->messages, "emb.* matches"),
          "warnings: %s", test->messages);
    if (!EXPECT(status, OK, "", golden) ||
        !EXPECT(source_open(&test->log, path, &source), OK, "", path))
        return;
    for (size_t i = 0; i < COUNT_OF(expected); i++)
        CHECK(!strcmp(type_of(source, expected[i].name), expected[i].type), "%s is %s, expected %s",
              expected[i].name, type_of(source, expected[i].name), expected[i].type);
    source_close(&source);
}

static void check_scope(struct test *test, const char *golden, const char *path)
{
    const char *const scopes[] = {"transformer.layers.0.*", "text_*", "nothing"};
    struct quantize_options options = {
        .type = type("q8_0"), .scopes = scopes, .n_scopes = COUNT_OF(scopes)};
    struct source *source;
    enum status status = quantize_file(&test->log, golden, path, &options, NULL);
    CHECK(strstr(test->messages, "nothing matches no tensor"), "warnings: %s", test->messages);
    if (!EXPECT(status, OK, "", golden) ||
        !EXPECT(source_open(&test->log, path, &source), OK, "", path))
        return;
    for (uint32_t i = 0; i < source_count(source); i++) {
        const char *name = source_tensor(source, i)->name;
        CHECK(!strncmp(name, "transformer.layers.0.", 21) || !strncmp(name, "text_", 5),
              "%s is out of scope", name);
    }
    CHECK(source_count(source) == 8, "%u tensors in scope", source_count(source));
    source_close(&source);
    options.scopes = scopes + 2;
    options.n_scopes = 1;
    EXPECT(quantize_file(&test->log, golden, path, &options, NULL), ERROR_ARGUMENT, "no tensor",
           "an empty scope");
}

/* The same bytes from any number of threads; naive and mse as promised, sums as reported. */
static void check_methods(struct test *test, const char *golden, const char *path)
{
    struct quantize_options options = {.type = type("q4_0"), .method = QUANTIZE_MSE};
    struct quantize_summary searched, naive;
    size_t size, other_size;
    double errors[2] = {0, 0};

    options.threads = 1;
    EXPECT(quantize_file(&test->log, golden, path, &options, &searched), OK, "", golden);
    check_quantized(test, golden, path, TENSOR_Q4_0, true);
    char *one = read_file(path, &size);
    options.threads = 3;
    EXPECT(quantize_file(&test->log, golden, path, &options, &searched), OK, "", golden);
    char *three = read_file(path, &other_size);
    CHECK(size == other_size && !memcmp(one, three, size), "threads change the file");
    CHECK(searched.threads == 3 && searched.n_files == 1, "the summary");
    free(one);
    free(three);
    options.method = QUANTIZE_NAIVE;
    EXPECT(quantize_file(&test->log, golden, path, &options, &naive), OK, "", golden);
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < naive.n_groups; i++) {
        const struct quantize_group *group = &naive.groups[i];
        bool lossy = group->type == TENSOR_Q4_0;
        CHECK(lossy ? group->errors > 0 && group->errors < 0.03 * group->squares &&
                          group->bytes * 32 == group->elements * 18
                    : group->errors == 0,
              "group %s %u: %g of %g", group->name, group->type, group->errors, group->squares);
        errors[0] += group->errors;
        errors[1] += searched.groups[i].errors;
        bytes += group->bytes;
    }
    CHECK(errors[1] > 0 && errors[1] < 0.95 * errors[0], "mse's error %g, naive's %g", errors[1],
          errors[0]);
    CHECK(bytes < other_size && bytes + 40000 > other_size, "%llu bytes of tensors in %zu",
          (unsigned long long)bytes, other_size);
}

/* --- Several files
 * ------------------------------------------------------------------------------------------ */

static size_t file_size(const char *path)
{
    struct stat info;
    return stat(path, &info) ? 0 : (size_t)info.st_size;
}

static void check_split(struct test *test, const char *golden)
{
    const size_t most = 600000;
    const struct quantize_options options = {.type = type("q8_0"), .split_max_bytes = most};
    struct quantize_summary summary = {0};
    char path[512], part[512];

    snprintf(path, sizeof(path), "%s/split.gguf", test->directory);
    if (!EXPECT(quantize_file(&test->log, golden, path, &options, &summary), OK, "", golden))
        return;
    CHECK(summary.n_files > 2 && access(path, F_OK), "%u files", summary.n_files);
    for (uint32_t i = 1; i <= summary.n_files; i++) {
        snprintf(part, sizeof(part), "%s/split-%05u-of-%05u.gguf", test->directory, i,
                 summary.n_files);
        size_t size = file_size(part);
        CHECK(size > 0 && size <= most, "%s has %zu bytes", part, size);
        if (i == 1 || i == summary.n_files)
            check_quantized(test, golden, part, TENSOR_Q8_0, false);
    }
    EXPECT(quantize_file(&test->log, part, path, &options, NULL), ERROR_ARGUMENT, "is the input",
           "a split model onto itself");
}

/* Cut into pieces as split(1) does. Any of them opens all. */
static void check_shards(struct test *test, const char *golden, const char *whole)
{
    const size_t piece = 100000;
    char path[512], directory[300];
    size_t size;
    int n = 0;

    snprintf(directory, sizeof(directory), "%s/shards", test->directory);
    mkdir(directory, 0777);
    char *bytes = read_file(whole, &size);
    for (size_t at = 0; at < size; at += piece, n++) {
        snprintf(path, sizeof(path), "%s/shard-%c%c", directory, 'a' + n / 26, 'a' + n % 26);
        write_file(path, bytes + at, MIN(piece, size - at));
    }
    free(bytes);
    CHECK(n > 3, "%d shards", n);
    check_quantized(test, golden, path, TENSOR_Q8_0, false);
    check_quantized(test, golden, directory, TENSOR_Q8_0, false);
    snprintf(path, sizeof(path), "%s/shard-aa", directory);
    check_quantized(test, golden, path, TENSOR_Q8_0, false);
    EXPECT(open_and_read(test, path), OK, "", path);
    snprintf(path, sizeof(path), "%s/shard-ab", directory);
    EXPECT(quantize_to(test, directory, path, TENSOR_Q8_0), ERROR_ARGUMENT, "is the input",
           "a shard as the output");
    unlink(path);
    EXPECT(open_and_read(test, directory), ERROR_IO, "shard-ab", "a gap");
}

/* --- What goes wrong
 * ------------------------------------------------------------------------------------------ */

static bool stop_halfway(void *user, uint64_t done, uint64_t total, const char *tensor)
{
    *(uint64_t *)user = total;
    return !tensor || done < total / 2;
}

/* The scratch model with a value in the middle of a tensor. */
static void put_value(struct test *test, const char *name, float value)
{
    char path[512];
    struct source *source;
    size_t size;

    link_golden(test, "stt-tiny");
    if (!EXPECT(source_open(&test->log, scratch(test, "model"), &source), OK, "", "the model"))
        return;
    const struct tensor *tensor = source_find(source, name);
    const struct tensor_type_info *info = type(tensor->type == TENSOR_F32 ? "f32" : "bf16");
    snprintf(path, sizeof(path), "%s/model/model.safetensors", test->directory);
    uint8_t *bytes = read_file(path, &size);
    tensor_from_f32(info->type, &value, bytes + tensor->offset + tensor->bytes / 8 * 4, 1);
    write_file(path, bytes, size);
    free(bytes);
    source_close(&source);
}

static void check_values(struct test *test, const char *to)
{
    static const enum tensor_type types[] = {TENSOR_Q4_0, TENSOR_Q6_K, TENSOR_F16, TENSOR_BF16,
                                             TENSOR_F32};
    static const char name[] = "transformer.layers.1.gating.linear_in.weight";
    for (size_t i = 0; i < COUNT_OF(types); i++) {
        put_value(test, name, NAN);
        EXPECT(quantize_to(test, scratch(test, "model"), to, types[i]), ERROR_FORMAT, name, "NaN");
        put_value(test, name, -INFINITY);
        EXPECT(quantize_to(test, scratch(test, "model"), to, types[i]), ERROR_FORMAT, name,
               "infinity");
    }
    put_value(test, "out_norm.alpha", NAN);
    EXPECT(quantize_to(test, scratch(test, "model"), to, TENSOR_Q4_0), ERROR_FORMAT,
           "out_norm.alpha", "NaN in a norm");
    put_value(test, name, 1e6f);
    EXPECT(quantize_to(test, scratch(test, "model"), to, TENSOR_F16), ERROR_FORMAT,
           "too large for f16", "a large value as f16");
    EXPECT(quantize_to(test, scratch(test, "model"), to, TENSOR_Q4_0), ERROR_FORMAT,
           "too large for q4_0", "a scale beyond f16");
    CHECK(access(to, F_OK), "a file of a model that holds no numbers");
    EXPECT(quantize_to(test, scratch(test, "model"), to, TENSOR_Q8_0), OK, "",
           "a large value as q8_0");
    unlink(to);
}

/* As on a full disk: nothing stays behind. */
static void check_full_disk(struct test *test, const char *golden, const char *path)
{
    const struct quantize_options options = {.type = type("bf16"), .split_max_bytes = 200000};
    struct rlimit before, limit;
    getrlimit(RLIMIT_FSIZE, &before);
    limit = before;
    limit.rlim_cur = 100000;
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &limit);
    enum status status = quantize_to(test, golden, path, TENSOR_BF16);
    EXPECT(status, ERROR_IO, path, "a full disk");
    limit.rlim_cur = 199000; /* enough for some of the files */
    setrlimit(RLIMIT_FSIZE, &limit);
    status = quantize_file(&test->log, golden, path, &options, NULL);
    setrlimit(RLIMIT_FSIZE, &before);
    EXPECT(status, ERROR_IO, "again-0", "a full disk, split");
    CHECK(access(path, F_OK), "a file is left on a full disk");
}

static void check_targets(struct test *test, const char *golden, const char *path)
{
    const struct tensor_type_info unknown = {.name = "unknown"};
    struct quantize_options options = {.type = &unknown};
    EXPECT(quantize_file(&test->log, golden, path, &options, NULL), ERROR_ARGUMENT, "type",
           "a type that cannot be written");
    options = (struct quantize_options){.type = type("q8_0"), .mimi = type("q8_k")};
    EXPECT(quantize_file(&test->log, golden, path, &options, NULL), ERROR_ARGUMENT, "type",
           "q8_k for Mimi");
    options = (struct quantize_options){0};
    EXPECT(quantize_file(&test->log, golden, path, &options, NULL), ERROR_ARGUMENT, "type",
           "no type");
    EXPECT(quantize_to(test, golden, "/nowhere/x.gguf", TENSOR_F16), ERROR_IO, "/nowhere",
           "a directory that is not there");
    EXPECT(quantize_to(test, golden, test->directory, TENSOR_F16), ERROR_IO, "is a directory",
           "a directory");
    EXPECT(quantize_to(test, golden, "/dev/full", TENSOR_F16), ERROR_IO, "not a regular file",
           "a device");
    EXPECT(quantize_to(test, scratch(test, "absent"), path, TENSOR_F16), ERROR_IO, "absent",
           "no model");
    link_golden(test, "stt-tiny");
    EXPECT(quantize_to(test, scratch(test, "model"), scratch(test, "model/model.safetensors"),
                       TENSOR_F16),
           ERROR_ARGUMENT, "is the input", "a checkpoint's file as the output");
    EXPECT(
        quantize_to(test, scratch(test, "model"), scratch(test, "model/config.json"), TENSOR_F16),
        ERROR_ARGUMENT, "is the input", "a checkpoint's configuration as the output");
    EXPECT(quantize_to(test, scratch(test, "model"),
                       scratch(test, "model/tokenizer_stt_tiny_256.model"), TENSOR_F16),
           ERROR_ARGUMENT, "is the input", "a checkpoint's tokenizer as the output");
}

static void check_nothing_left(struct test *test)
{
    DIR *directory = opendir(test->directory);
    for (struct dirent *entry; directory && (entry = readdir(directory));)
        CHECK(!strstr(entry->d_name, ".part-") && strncmp(entry->d_name, "again-0", 7),
              "%s is left", entry->d_name);
    closedir(directory);
}

void test_quantize(struct test *test)
{
    static const enum tensor_type types[] = {TENSOR_Q4_0, TENSOR_Q4_1, TENSOR_Q5_0, TENSOR_Q5_1,
                                             TENSOR_Q4_K, TENSOR_Q6_K, TENSOR_Q8_0, TENSOR_F16,
                                             TENSOR_BF16, TENSOR_F32};
    char golden[1024], path[1024], again[1024];
    uint64_t total = 0;
    const struct quantize_options stopped = {
        .type = type("q8_0"), .progress = stop_halfway, .user = &total};

    snprintf(again, sizeof(again), "%s/again.gguf", test->directory);
    for (size_t i = 0; i < COUNT_OF(presets); i++) {
        snprintf(golden, sizeof(golden), "%s/%s", test->goldens, presets[i]);
        for (size_t t = 0; t < COUNT_OF(types); t++) {
            snprintf(path, sizeof(path), "%s/%s", test->directory, presets[i]);
            if (EXPECT(quantize_to(test, golden, path, types[t]), OK, "", golden))
                check_quantized(test, golden, path, types[t], false);
            /* from GGUF to GGUF: nothing changes */
            EXPECT(quantize_to(test, path, again, types[t]), OK, "", path);
            check_quantized(test, path, again, types[t], false);
        }
        check_damaged_model(test, again);
    }
    check_types(test, golden, path);
    EXPECT(quantize_to(test, path, path, TENSOR_F32), ERROR_ARGUMENT, "is the input",
           "a file onto itself");
    snprintf(golden, sizeof(golden), "%s/%s", test->goldens, presets[0]);
    snprintf(path, sizeof(path), "%s/model.gguf", test->directory);
    check_new_names(test, golden, path);
    check_scope(test, golden, path);
    check_methods(test, golden, path);
    check_split(test, golden);
    EXPECT(quantize_to(test, golden, path, TENSOR_Q8_0), OK, "", golden);
    check_shards(test, golden, path);
    unlink(again);
    check_values(test, again);
    check_full_disk(test, golden, again);
    EXPECT(quantize_file(&test->log, golden, again, &stopped, NULL), ERROR_AGAIN, "", "stopping");
    CHECK(total > 0 && access(again, F_OK), "a stopped quantizer leaves a file");
    check_targets(test, golden, again);
    check_nothing_left(test);
}
