/* SPDX-License-Identifier: MIT
 *
 * Quantizing the goldens with statistics: what each method promises, what is refused.
 */
#define _POSIX_C_SOURCE 200809L
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/make_vectors.h"
#include "tests/test_quantize_methods.h"

static void *need(void *pointer)
{
    if (!pointer)
        exit(1);
    return pointer;
}

#define K 256 /* at least as long as the rows that are compared */

static bool is_read(const struct tensor *tensor)
{
    return tensor->n_dims == 2 && strncmp(tensor->name, "mimi.", 5) &&
           !strstr(tensor->name, "emb.");
}

struct statistics *invent_statistics(struct test *test, const char *golden,
                                     enum statistics_kind kind)
{
    struct statistics *statistics = NULL;
    struct source *source = NULL;
    float *x = need(malloc(1024 * 512 * sizeof(*x)));
    if (!EXPECT(source_open(&test->log, golden, &source), OK, "", golden) ||
        !EXPECT(statistics_create(&test->log, &statistics), OK, "", golden))
        exit(1);
    for (uint32_t i = 0; i < source_count(source); i++) {
        const struct tensor *tensor = source_tensor(source, i);
        bool slices = strstr(tensor->name, "depformer.layers.0.self_attn");
        uint32_t k = (uint32_t)tensor->dims[1] + (kind == ANOTHER_WIDTH ? 32 : 0);
        char name[TENSOR_MAX_NAME + 16];
        if (!is_read(tensor) || k > 1024)
            continue;
        snprintf(name, sizeof(name), "%s%s%s", kind == ANOTHER_NAME ? "other." : "", tensor->name,
                 slices ? "#1" : "");
        bool head = !strncmp(tensor->name, "extra_heads.", 12);
        make_vectors(head ? "text_linear.weight" : name, k, 512, x);
        EXPECT(statistics_add(&test->log, statistics, name, k, x, 512, k, kind != DIAGONAL), OK, "",
               name);
    }
    source_close(&source);
    free(x);
    return statistics;
}

struct outcome {
    double errors, outputs, squares; /* of the groups with results */
    uint64_t unguided;
    uint32_t scaled, unscaled;
};

static struct outcome sum_up(const struct quantize_summary *summary)
{
    struct outcome outcome = {.scaled = summary->scaled_groups,
                              .unscaled = summary->unscaled_groups};
    for (uint32_t i = 0; i < summary->n_groups; i++) {
        outcome.unguided += summary->groups[i].unguided;
        if (summary->groups[i].output_squares <= 0)
            continue;
        outcome.errors += summary->groups[i].errors;
        outcome.outputs += summary->groups[i].output_errors;
        outcome.squares += summary->groups[i].output_squares;
    }
    return outcome;
}

static struct outcome quantize(struct test *test, const char *golden,
                               const struct quantize_options *options)
{
    struct quantize_summary summary = {0};
    EXPECT(quantize_file(&test->log, golden, scratch(test, "method.gguf"), options, &summary), OK,
           "", golden);
    return sum_up(&summary);
}

/* The same file from one thread and from three. */
static void check_threads(struct test *test, const char *golden)
{
    struct quantize_options options = {.type = tensor_type_by_name("q4_0"),
                                       .statistics = invent_statistics(test, golden, ALL)};
    for (int method = QUANTIZE_IMATRIX; method <= QUANTIZE_GPTQ; method++) {
        char *bytes[2];
        size_t sizes[2];
        options.method = (enum quantize_method)method;
        for (int i = 0; i < 2; i++) {
            options.threads = i ? 3 : 1;
            quantize(test, golden, &options);
            bytes[i] = read_file(scratch(test, "method.gguf"), &sizes[i]);
        }
        CHECK(sizes[0] == sizes[1] && !memcmp(bytes[0], bytes[1], sizes[0]),
              "method %d: threads change the file", method);
        free(bytes[0]);
        free(bytes[1]);
    }
    statistics_destroy(&options.statistics);
}

/* What each method promises of the results' errors, with Gram matrices and without. */
static void check_methods(struct test *test, const char *golden, const char *name,
                          enum statistics_kind kind)
{
    struct quantize_options options = {.type = tensor_type_by_name(name),
                                       .statistics = invent_statistics(test, golden, kind)};
    struct outcome outcomes[QUANTIZE_GPTQ + 1];
    for (int i = QUANTIZE_NAIVE; i <= (kind == ALL ? QUANTIZE_GPTQ : QUANTIZE_AWQ); i++) {
        options.method = (enum quantize_method)i;
        outcomes[i] = quantize(test, golden, &options);
    }
    const struct outcome *naive = &outcomes[QUANTIZE_NAIVE];
    CHECK(naive->outputs > 0 && naive->outputs < 0.05 * naive->squares && naive->unguided == 0,
          "%s %s: naive %g of %g", golden, name, naive->outputs, naive->squares);
    CHECK(outcomes[QUANTIZE_MSE].errors < naive->errors, "%s %s: mse", golden, name);
    CHECK(outcomes[QUANTIZE_IMATRIX].outputs < naive->outputs &&
              outcomes[QUANTIZE_IMATRIX].unguided > 0,
          "%s %s: imatrix %g, naive %g", golden, name, outcomes[QUANTIZE_IMATRIX].outputs,
          naive->outputs);
    CHECK(outcomes[QUANTIZE_AWQ].outputs < 1.001 * outcomes[QUANTIZE_IMATRIX].outputs &&
              outcomes[QUANTIZE_AWQ].scaled > outcomes[QUANTIZE_AWQ].unscaled,
          "%s %s: awq %g, imatrix %g", golden, name, outcomes[QUANTIZE_AWQ].outputs,
          outcomes[QUANTIZE_IMATRIX].outputs);
    if (kind == ALL)
        CHECK(outcomes[QUANTIZE_GPTQ].outputs < 0.2 * naive->outputs, "%s %s: gptq %g, naive %g",
              golden, name, outcomes[QUANTIZE_GPTQ].outputs, naive->outputs);
    statistics_destroy(&options.statistics);
}

/* Statistics only measure then: the file is as without. */
static void check_measured(struct test *test, const char *golden)
{
    struct quantize_options options = {.type = tensor_type_by_name("q4_0")};
    for (int method = QUANTIZE_NAIVE; method <= QUANTIZE_MSE; method++) {
        char *bytes[2];
        size_t sizes[2];
        options.method = (enum quantize_method)method;
        for (int i = 0; i < 2; i++) {
            options.statistics = i ? invent_statistics(test, golden, DIAGONAL) : NULL;
            quantize(test, golden, &options);
            statistics_destroy(&options.statistics);
            bytes[i] = read_file(scratch(test, "method.gguf"), &sizes[i]);
        }
        CHECK(sizes[0] == sizes[1] && !memcmp(bytes[0], bytes[1], sizes[0]),
              "method %d: statistics change the file", method);
        free(bytes[0]);
        free(bytes[1]);
    }
}

/* Of a row's errors only the sum counts where all elements of x are the same. */
static double sum_of_errors(const float *w, const uint8_t *bytes, uint64_t k)
{
    float q[K];
    double sum = 0;
    tensor_to_f32(TENSOR_Q4_0, bytes, q, k);
    for (uint64_t i = 0; i < k; i++)
        sum += (double)w[i] - (double)q[i];
    return fabs(sum);
}

static void compare_rows(struct test *test, const struct source *from, const struct source *to,
                         const char *name)
{
    const struct tensor *was = need((void *)source_find(from, name));
    const struct tensor *is = need((void *)source_find(to, name));
    const uint64_t k = was->dims[1], bytes = k / 32 * 18;
    uint64_t kept = 0, worse = 0;
    for (uint64_t r = 0; r < was->dims[0]; r++) {
        uint8_t raw[K * 4], got[K * 4], naive[K * 4];
        float w[K];
        uint64_t raw_bytes = was->bytes / was->dims[0];
        if (source_read(from, was, r * raw_bytes, raw, raw_bytes) ||
            source_read(to, is, r * bytes, got, bytes))
            exit(1);
        tensor_to_f32((enum tensor_type)was->type, raw, w, k);
        tensor_from_f32(TENSOR_Q4_0, w, naive, k);
        kept += !memcmp(got, naive, bytes);
        worse += sum_of_errors(w, got, k) > sum_of_errors(w, naive, k) + 1e-6;
    }
    CHECK(worse == 0 && kept > 0 && kept < was->dims[0] / 2,
          "%s: %d rows worse than naive's, %d as they", name, (int)worse, (int)kept);
}

/* Sums can be luckier by chance than by feedback: such rows stay as naive rounds them. */
static void check_never_worse(struct test *test, const char *golden)
{
    static const char name[] = "transformer.layers.0.self_attn.in_proj_weight";
    struct quantize_options options = {.type = tensor_type_by_name("q4_0"),
                                       .method = QUANTIZE_GPTQ};
    struct source *from = NULL, *to = NULL;
    float ones[K];
    for (int i = 0; i < K; i++)
        ones[i] = 1;
    if (!EXPECT(source_open(&test->log, golden, &from), OK, "", golden) ||
        !EXPECT(statistics_create(&test->log, &options.statistics), OK, "", golden))
        exit(1);
    const uint32_t k = (uint32_t)source_find(from, name)->dims[1];
    if (!CHECK(k <= K, "rows of %u", k))
        exit(1);
    EXPECT(statistics_add(&test->log, options.statistics, name, k, ones, 1, k, true), OK, "", name);
    quantize(test, golden, &options);
    statistics_destroy(&options.statistics);
    if (EXPECT(source_open(&test->log, scratch(test, "method.gguf"), &to), OK, "", "the file"))
        compare_rows(test, from, to, name);
    source_close(&from);
    source_close(&to);
}

static void check_refusals(struct test *test, const char *golden)
{
    struct quantize_options options = {.type = tensor_type_by_name("q4_0"),
                                       .method = QUANTIZE_GPTQ};
    const char *path = scratch(test, "refused.gguf");
    EXPECT(quantize_file(&test->log, golden, path, &options, NULL), ERROR_ARGUMENT, "statistics",
           "no statistics");
    options.statistics = invent_statistics(test, golden, DIAGONAL);
    EXPECT(quantize_file(&test->log, golden, path, &options, NULL), ERROR_ARGUMENT, "Gram",
           "no Gram matrices");
    statistics_destroy(&options.statistics);
    options.statistics = invent_statistics(test, golden, ANOTHER_WIDTH);
    EXPECT(quantize_file(&test->log, golden, path, &options, NULL), ERROR_ARGUMENT, "another model",
           "other rows");
    statistics_destroy(&options.statistics);
    options.statistics = invent_statistics(test, golden, ANOTHER_NAME);
    EXPECT(quantize_file(&test->log, golden, path, &options, NULL), ERROR_ARGUMENT, "another model",
           "other names");
    options.method = QUANTIZE_MSE;
    EXPECT(quantize_file(&test->log, golden, path, &options, NULL), OK, "", "mse needs none");
    unlink(path);
    EXPECT(statistics_write(&test->log, options.statistics, path), OK, "", path);
    statistics_destroy(&options.statistics);
    EXPECT(statistics_read(&test->log, path, &options.statistics), OK, "", path);
    EXPECT(quantize_file(&test->log, golden, path, &options, NULL), ERROR_ARGUMENT, "is the input",
           "the statistics' file as the output");
    statistics_destroy(&options.statistics);
    EXPECT(statistics_read(&test->log, path, &options.statistics), OK, "", "they are still there");
    unlink(path);
    statistics_destroy(&options.statistics);
}

void test_quantize_methods(struct test *test)
{
    char golden[1024];
    snprintf(golden, sizeof(golden), "%s/stt-tiny", test->goldens);
    check_methods(test, golden, "q4_0", ALL);
    check_methods(test, golden, "q4_1", DIAGONAL);
    check_refusals(test, golden);
    check_measured(test, golden);
    check_never_worse(test, golden);
    check_threads(test, golden);
    snprintf(golden, sizeof(golden), "%s/moshi-tiny", test->goldens);
    check_methods(test, golden, "q5_0", ALL);
}
