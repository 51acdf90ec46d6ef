/* SPDX-License-Identifier: MIT
 *
 * awq's scales against the function of the network: logits of a plain forward pass.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/larger.h"
#include "tests/make_vectors.h"
#include "tests/test_quantize_methods.h"

static void *need(void *pointer)
{
    if (!pointer)
        exit(1);
    return pointer;
}

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
                                       .statistics = invent_statistics(test, golden, DIAGONAL)};
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
        worst = larger(worst, fabs(a[i] - b[i]));
        largest = larger(largest, fabs(a[i]));
        differ += a[i] != b[i];
    }
    CHECK(n == m && differ > 0 && worst < 1e-6 * largest, "%s: logits to %g differ by %g", golden,
          largest, worst);
    free(a);
    free(b);
}

void test_awq(struct test *test)
{
    char golden[1024];
    snprintf(golden, sizeof(golden), "%s/stt-tiny", test->goldens);
    check_exactness(test, golden, "extra_heads.0.weight", 3);
    snprintf(golden, sizeof(golden), "%s/moshi-tiny", test->goldens);
    check_exactness(test, golden, "depformer_in.0.weight", 2);
}
