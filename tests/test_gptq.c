/* SPDX-License-Identifier: MIT
 *
 * gptq against other roundings, and against the steps of the published algorithm.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "loader/quantize_gptq.h"
#include "loader/quantize_grid.h"
#include "tests/make_vectors.h"
#include "tests/test_loader.h"

#define K 512 /* two superblocks, and more columns than gptq feeds back at once */
#define ROWS 8

static const enum tensor_type block_types[] = {TENSOR_Q4_0, TENSOR_Q4_1, TENSOR_Q5_0, TENSOR_Q5_1,
                                               TENSOR_Q8_0, TENSOR_Q4_K, TENSOR_Q6_K};

static float gram[K * K], weights[ROWS * K];

/* The mean of x x^T. Of dead columns nothing is seen. */
static void make_gram(uint32_t n, uint32_t dead)
{
    float *x = malloc((size_t)n * K * sizeof(*x));
    if (!x)
        exit(1);
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

void test_gptq(struct test *test)
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
