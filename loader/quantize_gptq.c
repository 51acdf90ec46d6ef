/* SPDX-License-Identifier: MIT */
#include "loader/quantize_gptq.h"

#include <cblas.h>
#include <math.h>
#include <stdlib.h>

#include "loader/quantize_grid.h"

#define DAMPING 0.01
#define ATTEMPTS 3   /* with ten times the damping each; sums in f32 may be short of positive */
#define BATCH 256    /* columns whose targets are made at once */
#define FEEDBACK 32u /* columns between which errors are fed back one by one */

/* LAPACK's Cholesky factor; the last argument is the length of the first. */
void dpotrf_(const char *half, const int *n, double *a, const int *stride, int *info, size_t);

struct gptq {
    uint32_t k;
    float *factor;  /* R, [k][k]; nothing below the diagonal is read */
    float *weights; /* D, [k], over its mean */
};

/* H, its rows and columns in reverse order: the factor of that is lower triangular. Column-major.
 */
static void fill_reversed(const float *gram, uint32_t k, double damping, double *a)
{
    for (size_t j = 0; j < k; j++) {
        const float *from = gram + (k - 1 - j) * (size_t)k;
        for (size_t i = j; i < k; i++)
            a[j * k + i] = (double)from[k - 1 - i];
        a[j * k + j] += damping;
    }
}

static bool factorize(const float *gram, uint32_t k, double *a)
{
    double mean = 0;
    int n = (int)k, info = 1;
    for (size_t i = 0; i < k; i++)
        mean += (double)gram[i * k + i] / k;
    double damping = mean > 0 ? DAMPING * mean : 1;
    for (int attempt = 0; attempt < ATTEMPTS && info != 0; attempt++, damping *= 10) {
        fill_reversed(gram, k, damping, a);
        dpotrf_("L", &n, a, &n, &info, 1);
    }
    return info == 0;
}

static void take_factor(struct gptq *gptq, const double *a)
{
    size_t k = gptq->k;
    double mean = 0;
    for (size_t j = 0; j < k; j++) {
        double diagonal = a[(k - 1 - j) * k + (k - 1 - j)];
        mean += diagonal * diagonal / (double)k;
    }
    for (size_t j = 0; j < k; j++) {
        const double *column = a + (k - 1 - j) * k;
        double diagonal = column[k - 1 - j];
        gptq->weights[j] = (float)(diagonal * diagonal / mean);
        for (size_t i = 0; i <= j; i++)
            gptq->factor[i * k + j] = (float)(column[k - 1 - i] / diagonal);
    }
}

enum status gptq_create(const struct log *log, const char *name, uint32_t k, const float *gram,
                        struct gptq **out)
{
    struct gptq *gptq = calloc(1, sizeof(*gptq));
    double *a = malloc((size_t)k * k * sizeof(*a));
    enum status status = OK;
    if (gptq) {
        gptq->k = k;
        gptq->factor = malloc((size_t)k * k * sizeof(*gptq->factor));
        gptq->weights = malloc(k * sizeof(*gptq->weights));
    }
    if (!gptq || !gptq->factor || !gptq->weights || !a)
        status = log_error(log, ERROR_MEMORY, "%s: out of memory for gptq", name);
    else if (!factorize(gram, k, a))
        status =
            log_error(log, ERROR_FORMAT,
                      "%s: its Gram matrix has no Cholesky factor, so it is no sum of x x^T", name);
    else
        take_factor(gptq, a);
    free(a);
    if (status)
        gptq_destroy(&gptq);
    else
        *out = gptq;
    return status;
}

void gptq_destroy(struct gptq **gptq)
{
    if (!gptq || !*gptq)
        return;
    free((*gptq)->factor);
    free((*gptq)->weights);
    free(*gptq);
    *gptq = NULL;
}

/* Adds what columns [from, to) were off to the targets of columns [to, to + n). */
static void feed_back(const struct gptq *gptq, uint32_t rows, const float *errors, float *targets,
                      uint32_t from, uint32_t to, uint32_t n)
{
    const blasint k = (blasint)gptq->k;
    if (to > from)
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (blasint)rows, (blasint)n,
                    (blasint)(to - from), 1, errors + from, k,
                    gptq->factor + (size_t)from * gptq->k + to, k, 1, targets + to, k);
}

/* One row's elements [at, at + FEEDBACK). All pointers are to the row's beginning. */
static void round_columns(const struct gptq *gptq, struct grid *grid, uint32_t block, uint32_t at,
                          const float *w, float *errors, float *targets)
{
    for (uint32_t j = at; j < at + FEEDBACK; j++) {
        const float *factor = gptq->factor + (size_t)j * gptq->k;
        float error = w[j] - grid_round(grid, j % block, targets[j]);
        errors[j] = error;
        for (uint32_t i = j + 1; i < at + FEEDBACK; i++)
            targets[i] += error * factor[i];
    }
}

void gptq_quantize(const struct gptq *gptq, enum tensor_type type, uint32_t rows, const float *w,
                   float *errors, float *targets, uint8_t *bytes)
{
    const struct tensor_type_info *info = tensor_type_info(type);
    const uint32_t k = gptq->k, block = info->block;
    const size_t row_bytes = tensor_row_bytes(info, k);
    struct grid grids[GPTQ_MAX_ROWS];

    memcpy(targets, w, (size_t)rows * k * sizeof(*w));
    for (uint32_t at = 0; at < k; at += FEEDBACK) {
        uint32_t batch = at / BATCH * BATCH;
        if (at == batch)
            feed_back(gptq, rows, errors, targets, 0, at, MIN(BATCH, k - at));
        else
            feed_back(gptq, rows, errors, targets, batch, at, FEEDBACK);
        for (uint32_t r = 0; r < rows; r++) {
            size_t row = (size_t)r * k;
            if (at % block == 0)
                grid_fit(&grids[r], type, targets + row + at, gptq->weights + at);
            round_columns(gptq, &grids[r], block, at, w + row, errors + row, targets + row);
            if ((at + FEEDBACK) % block == 0)
                grid_pack(&grids[r], bytes + r * row_bytes + at / block * info->bytes);
        }
    }
}
