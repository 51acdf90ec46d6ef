/* SPDX-License-Identifier: MIT
 *
 * Quantizing with statistics: gptq against other roundings and against the steps of the published
 * algorithm, awq's scales against the function of the network, files made of the goldens.
 */
#define _POSIX_C_SOURCE 200809L
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "loader/quantize.h"
#include "loader/quantize_grid.h"
#include "loader/quantize_gptq.h"
#include "tests/make_vectors.h"
#include "tests/test_loader.h"

static void *need(void *pointer)
{
    if (!pointer)
        exit(1);
    return pointer;
}

/* --- gptq */

#define K 256
#define ROWS 24

static const enum tensor_type block_types[] = {TENSOR_Q4_0, TENSOR_Q4_1, TENSOR_Q5_0, TENSOR_Q5_1,
                                               TENSOR_Q8_0, TENSOR_Q4_K, TENSOR_Q6_K};

static float gram[K * K], weights[ROWS * K];

/* The mean of x x^T. Of dead columns nothing is seen. */
static void make_gram(uint32_t n, uint32_t dead)
{
    float *x = need(malloc((size_t)n * K * sizeof(*x)));
    make_vectors("gptq", K, n, x);
    memset(gram, 0, sizeof(gram));
    for (uint32_t v = 0; v < n; v++)
        for (uint32_t i = dead; i < K; i++)
            for (uint32_t j = dead; j < K; j++)
                gram[i * K + j] += x[v * K + i] * x[v * K + j] / (float)n;
    free(x);
}

/* e H e^T of a row as it is decoded; plain: without the damping */
static double cost(const float *w, const uint8_t *bytes, enum tensor_type type)
{
    float q[K];
    double sum = 0;
    tensor_to_f32(type, bytes, q, K);
    for (int i = 0; i < K; i++)
        for (int j = 0; j < K; j++)
            sum += (double)(w[i] - q[i]) * (double)gram[i * K + j] * (double)(w[j] - q[j]);
    return sum;
}

struct rounded {
    size_t row_bytes;
    uint8_t fed_back[ROWS * K * 4], naive[K * 4], searched[K * 4];
    double costs[3]; /* of these, over all rows */
};

static void round_all(struct test *test, enum tensor_type type, struct rounded *out)
{
    static float errors[ROWS * K], targets[ROWS * K];
    struct gptq *gptq = NULL;
    out->row_bytes = tensor_row_bytes(tensor_type_info(type), K);
    memset(out->costs, 0, sizeof(out->costs));
    if (!EXPECT(gptq_create(&test->log, "w", K, gram, &gptq), OK, "", "gptq_create"))
        exit(1);
    gptq_quantize(gptq, type, ROWS, weights, errors, targets, out->fed_back);
    gptq_destroy(&gptq);
    for (int r = 0; r < ROWS; r++) {
        const float *w = weights + r * K;
        tensor_from_f32(type, w, out->naive, K);
        tensor_search_f32(type, w, NULL, out->searched, K);
        out->costs[0] += cost(w, out->fed_back + r * out->row_bytes, type);
        out->costs[1] += cost(w, out->naive, type);
        out->costs[2] += cost(w, out->searched, type);
    }
}

/* Measured: below 0.06 of naive's for all types with these vectors. */
static void check_gain(struct test *test)
{
    static struct rounded rounded;
    make_gram(3 * K, 5);
    for (size_t t = 0; t < COUNT_OF(block_types); t++) {
        round_all(test, block_types[t], &rounded);
        CHECK(rounded.costs[0] > 0 && rounded.costs[0] < 0.1 * rounded.costs[1] &&
                  rounded.costs[0] < 0.1 * rounded.costs[2],
              "%s: gptq %g, naive %g, mse %g", tensor_type_info(block_types[t])->name,
              rounded.costs[0], rounded.costs[1], rounded.costs[2]);
    }
}

/* Where elements are not correlated there is nothing to feed back. */
static void check_identity(struct test *test)
{
    static struct rounded rounded;
    memset(gram, 0, sizeof(gram));
    for (int i = 0; i < K; i++)
        gram[i * K + i] = 1;
    for (size_t t = 0; t < COUNT_OF(block_types); t++) {
        round_all(test, block_types[t], &rounded);
        CHECK(fabs(rounded.costs[0] - rounded.costs[2]) < 1e-5 * rounded.costs[2],
              "%s: gptq %g, mse %g", tensor_type_info(block_types[t])->name, rounded.costs[0],
              rounded.costs[2]);
    }
}

/* The inverse of H = gram + 1 % of the mean of its diagonal, by Gauss and Jordan. */
static void invert(double *inverse)
{
    static double h[K * K];
    double damping = 0;
    for (int i = 0; i < K; i++)
        damping += 0.01 * (double)gram[i * K + i] / K;
    for (int i = 0; i < K * K; i++) {
        h[i] = (double)gram[i] + (i % K == i / K ? damping : 0);
        inverse[i] = i % K == i / K;
    }
    for (int p = 0; p < K; p++) {
        double pivot = 1 / h[p * K + p];
        for (int j = 0; j < K; j++) {
            h[p * K + j] *= pivot;
            inverse[p * K + j] *= pivot;
        }
        for (int i = 0; i < K; i++) {
            double factor = h[i * K + p];
            for (int j = 0; j < K && i != p; j++) {
                h[i * K + j] -= factor * h[p * K + j];
                inverse[i * K + j] -= factor * inverse[p * K + j];
            }
        }
    }
}

/* As published: after column j its error goes to the later ones by row j of the inverse, which then
 * loses that row and column. Each code must be the nearest to what a column has become. */
static void check_algorithm(struct test *test)
{
    static double inverse[K * K];
    static struct rounded rounded;
    const struct small_format *format = small_format(TENSOR_Q4_0);
    struct small_block block = {0};
    double w[K];
    int wrong = 0, inner = 0;

    make_gram(3 * K, 0);
    round_all(test, TENSOR_Q4_0, &rounded);
    invert(inverse);
    for (int i = 0; i < K; i++)
        w[i] = (double)weights[i];
    for (int j = 0; j < K; j++) {
        if (j % 32 == 0)
            small_unpack(format, rounded.fed_back + j / 32 * 18, &block);
        double step = (double)f16_to_f32(block.scale), code = w[j] / step;
        double error = (w[j] - block.codes[j % 32] * step) / inverse[j * K + j];
        bool inside = code > format->low && code < format->high;
        wrong += inside && fabs(code - block.codes[j % 32]) > 0.501;
        inner += inside;
        for (int i = j + 1; i < K; i++)
            w[i] -= error * inverse[j * K + i];
        for (int a = j + 1; a < K; a++) {
            double factor = inverse[a * K + j] / inverse[j * K + j];
            for (int b = j + 1; b < K; b++)
                inverse[a * K + b] -= factor * inverse[j * K + b];
        }
    }
    CHECK(inner > K / 2 && wrong == 0, "%d of %d codes are not the nearest", wrong, inner);
}

static void check_gptq(struct test *test)
{
    struct gptq *gptq = NULL;
    for (int i = 0; i < ROWS * K; i++)
        weights[i] = (float)((double)test_random(test) * 0x1p-32 - 0.5);
    check_gain(test);
    check_identity(test);
    check_algorithm(test);
    memset(gram, 0, sizeof(gram));
    EXPECT(gptq_create(&test->log, "w", K, gram, &gptq), OK, "", "nothing was seen");
    gptq_destroy(&gptq);
    gram[1] = gram[K] = 100;
    gram[0] = gram[K + 1] = 1;
    EXPECT(gptq_create(&test->log, "w", K, gram, &gptq), ERROR_FORMAT, "Cholesky",
           "more correlated than can be");
}

/* --- Files */

enum { ALL, DIAGONAL, ANOTHER_WIDTH, ANOTHER_NAME };

static bool is_read(const struct tensor *tensor)
{
    return tensor->n_dims == 2 && strncmp(tensor->name, "mimi.", 5) &&
           !strstr(tensor->name, "emb.");
}

/* Statistics of what each matrix of a model reads, or of another model. */
static struct statistics *invent(struct test *test, const char *golden, int kind)
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
                                       .statistics = invent(test, golden, ALL)};
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
static void check_methods(struct test *test, const char *golden, const char *name, int kind)
{
    struct quantize_options options = {.type = tensor_type_by_name(name),
                                       .statistics = invent(test, golden, kind)};
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

static void check_refusals(struct test *test, const char *golden)
{
    struct quantize_options options = {.type = tensor_type_by_name("q4_0"),
                                       .method = QUANTIZE_GPTQ};
    const char *path = scratch(test, "refused.gguf");
    EXPECT(quantize_file(&test->log, golden, path, &options, NULL), ERROR_ARGUMENT, "statistics",
           "no statistics");
    options.statistics = invent(test, golden, DIAGONAL);
    EXPECT(quantize_file(&test->log, golden, path, &options, NULL), ERROR_ARGUMENT, "Gram",
           "no Gram matrices");
    statistics_destroy(&options.statistics);
    options.statistics = invent(test, golden, ANOTHER_WIDTH);
    EXPECT(quantize_file(&test->log, golden, path, &options, NULL), ERROR_ARGUMENT, "another model",
           "other rows");
    statistics_destroy(&options.statistics);
    options.statistics = invent(test, golden, ANOTHER_NAME);
    EXPECT(quantize_file(&test->log, golden, path, &options, NULL), ERROR_ARGUMENT, "another model",
           "other names");
    options.method = QUANTIZE_MSE;
    EXPECT(quantize_file(&test->log, golden, path, &options, NULL), OK, "", "mse needs none");
    unlink(path);
    statistics_destroy(&options.statistics);
}

/* --- The function of the network */

#define STEPS 3

struct network {
    struct source *source;
    uint32_t dim;
    double x[STEPS][512]; /* what runs through the layers */
};

static double *load(const struct network *net, const char *name, uint64_t *rows)
{
    const struct tensor *tensor = need((void *)source_find(net->source, name));
    uint64_t n = tensor_elements(tensor);
    uint8_t *bytes = need(malloc(tensor->bytes));
    float *values = need(malloc(n * sizeof(*values)));
    double *out = need(malloc(n * sizeof(*out)));
    if (source_read(net->source, tensor, 0, bytes, tensor->bytes))
        exit(1);
    tensor_to_f32((enum tensor_type)tensor->type, bytes, values, n);
    for (uint64_t i = 0; i < n; i++)
        out[i] = (double)values[i];
    free(bytes);
    free(values);
    if (rows)
        *rows = tensor->dims[0];
    return out;
}

/* to[rows] = W x; the caller's to free. */
static double *multiply(const struct network *net, const char *name, const double *x, uint64_t k,
                        uint64_t *rows)
{
    uint64_t n;
    double *w = load(net, name, &n), *to = need(calloc(n, sizeof(*to)));
    for (uint64_t r = 0; r < n; r++)
        for (uint64_t i = 0; i < k; i++)
            to[r] += w[r * k + i] * x[i];
    free(w);
    if (rows)
        *rows = n;
    return to;
}

static void normalize(const struct network *net, const char *name, const double *x, double *to)
{
    double *alpha = load(net, name, NULL), mean = 0;
    for (uint32_t i = 0; i < net->dim; i++)
        mean += x[i] * x[i] / net->dim;
    for (uint32_t i = 0; i < net->dim; i++)
        to[i] = x[i] * alpha[i] / sqrt(1e-8 + mean);
    free(alpha);
}

/* One head, without positions: enough to be linear in the values and in nothing else. */
static void attend(const struct network *net, double *const *qkv, int step, double *to)
{
    const uint32_t dim = net->dim;
    double scores[STEPS], sum = 0;
    for (int s = 0; s <= step; s++) {
        double score = 0;
        for (uint32_t i = 0; i < dim; i++)
            score += qkv[step][i] * qkv[s][dim + i];
        scores[s] = exp(score / sqrt(dim) / 16);
        sum += scores[s];
    }
    for (uint32_t i = 0; i < dim; i++) {
        to[i] = 0;
        for (int s = 0; s <= step; s++)
            to[i] += scores[s] / sum * qkv[s][2 * dim + i];
    }
}

static void add_to(double *x, double *y, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        x[i] += y[i];
    free(y);
}

static void run_layer(struct network *net, unsigned layer)
{
    char names[6][96];
    static const char *const tails[] = {
        "norm1.alpha", "self_attn.in_proj_weight", "self_attn.out_proj.weight",
        "norm2.alpha", "gating.linear_in.weight",  "gating.linear_out.weight"};
    double normal[512], *qkv[STEPS];
    uint64_t wide;
    for (size_t i = 0; i < COUNT_OF(tails); i++)
        snprintf(names[i], sizeof(names[i]), "transformer.layers.%u.%s", layer, tails[i]);
    for (int s = 0; s < STEPS; s++) {
        normalize(net, names[0], net->x[s], normal);
        qkv[s] = multiply(net, names[1], normal, net->dim, NULL);
    }
    for (int s = 0; s < STEPS; s++) {
        attend(net, qkv, s, normal);
        add_to(net->x[s], multiply(net, names[2], normal, net->dim, NULL), net->dim);
        normalize(net, names[3], net->x[s], normal);
        double *h = multiply(net, names[4], normal, net->dim, &wide);
        for (uint64_t i = 0; i < wide / 2; i++)
            h[i] = h[i] / (1 + exp(-h[i])) * h[wide / 2 + i];
        add_to(net->x[s], multiply(net, names[5], h, wide / 2, NULL), net->dim);
        free(h);
    }
    for (int s = 0; s < STEPS; s++)
        free(qkv[s]);
}

static bool has_layer(const struct network *net, unsigned layer)
{
    char name[96];
    snprintf(name, sizeof(name), "transformer.layers.%u.norm1.alpha", layer);
    return source_find(net->source, name);
}

/* Logits of the last step, then what another head makes; the caller's to free. */
static double *run_network(struct test *test, const char *path, const char *other, uint64_t *n)
{
    static struct network net;
    double normal[512];
    uint64_t first, second;
    uint64_t state = 7;
    if (!EXPECT(source_open(&test->log, path, &net.source), OK, "", path))
        exit(1);
    net.dim = (uint32_t)source_find(net.source, "out_norm.alpha")->dims[2];
    for (int s = 0; s < STEPS; s++)
        for (uint32_t i = 0; i < net.dim; i++)
            net.x[s][i] = (double)make_normal(&state);
    for (unsigned layer = 0; has_layer(&net, layer); layer++)
        run_layer(&net, layer);
    normalize(&net, "out_norm.alpha", net.x[STEPS - 1], normal);
    double *logits = multiply(&net, "text_linear.weight", normal, net.dim, &first);
    double *more = multiply(&net, other, normal, net.dim, &second);
    logits = need(realloc(logits, (first + second) * sizeof(*logits)));
    memcpy(logits + first, more, second * sizeof(*more));
    free(more);
    source_close(&net.source);
    *n = first + second;
    return logits;
}

/* Four inputs a layer and that of the heads are scaled. */
static void check_exactness(struct test *test, const char *golden, const char *other,
                            uint32_t layers)
{
    struct quantize_options options = {.type = tensor_type_by_name("f32"),
                                       .method = QUANTIZE_AWQ,
                                       .awq_exponent = 0.5f,
                                       .statistics = invent(test, golden, DIAGONAL)};
    struct quantize_summary summary = {0};
    const char *plain = scratch(test, "plain.gguf"), *scaled = scratch(test, "scaled.gguf");
    double worst = 0, largest = 0;
    uint64_t n, m, differ = 0;

    EXPECT(quantize_file(&test->log, golden, scaled, &options, &summary), OK, "", scaled);
    statistics_destroy(&options.statistics);
    options = (struct quantize_options){.type = options.type};
    EXPECT(quantize_file(&test->log, golden, plain, &options, NULL), OK, "", plain);
    CHECK(summary.scaled_groups == 4 * layers + 1 && summary.unscaled_groups == 0,
          "%u and %u groups", summary.scaled_groups, summary.unscaled_groups);
    double *a = run_network(test, plain, other, &n), *b = run_network(test, scaled, other, &m);
    for (uint64_t i = 0; i < n; i++) {
        worst = fmax(worst, fabs(a[i] - b[i]));
        largest = fmax(largest, fabs(a[i]));
        differ += a[i] != b[i];
    }
    CHECK(n == m && differ > 0 && worst < 1e-6 * largest, "%s: logits to %g differ by %g", golden,
          largest, worst);
    free(a);
    free(b);
}

void test_quantize_methods(struct test *test)
{
    char golden[1024];
    check_gptq(test);
    snprintf(golden, sizeof(golden), "%s/stt-tiny", test->goldens);
    check_methods(test, golden, "q4_0", ALL);
    check_methods(test, golden, "q4_1", DIAGONAL);
    check_refusals(test, golden);
    check_threads(test, golden);
    check_exactness(test, golden, "extra_heads.0.weight", 3);
    snprintf(golden, sizeof(golden), "%s/moshi-tiny", test->goldens);
    check_methods(test, golden, "q5_0", ALL);
    check_exactness(test, golden, "depformer_in.0.weight", 2);
}
