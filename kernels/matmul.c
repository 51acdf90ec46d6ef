/* SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/matmul_ref.h"
#include "kernels/weights_ref.h"

#define UNIT_ROUNDOFF 0x1p-24

/* A value and a bound of what f32 arithmetic in any order may be off by. */
struct bounded {
    double value, error;
};

static double silu(double x)
{
    return x / (1 + exp(-x));
}

static double elu(double x)
{
    return x > 0 ? x : expm1(x);
}

static void rounded(struct bounded *b, double value)
{
    b->value = value;
    b->error += UNIT_ROUNDOFF * fabs(value);
}

/* What each element of a block is multiplied with before it is rounded (params.h); NaN where the
 * block is beyond what that can be. */
static float rounding_scale(const float block[32])
{
    float most = 0;
    for (uint32_t i = 0; i < 32; i++) {
        if (!(fabsf(block[i]) < 0x1p127f))
            return NAN;
        most = fmaxf(most, fabsf(block[i]));
    }
    if (most < 0x1p-100f)
        return 0;
    int exponent;
    const uint32_t bits = (uint32_t)ldexpf(frexpf(most, &exponent), 13); /* 2^12 + M */
    return ldexpf((float)((127u << 24) / (bits + 1)), -12 - (exponent - 1));
}

void matmul_ref_round(const float *x, const float *weight, uint32_t k, double *to)
{
    for (uint32_t first = 0; first < k; first += 32) {
        float block[32];
        for (uint32_t i = 0; i < 32; i++)
            block[i] = x[first + i] * (weight ? weight[first + i] : 1);
        const float scale = rounding_scale(block);
        for (uint32_t i = 0; i < 32; i++)
            to[first + i] = scale == 0 ? 0 : rintf(block[i] * scale) / (double)scale;
    }
}

struct column {
    const float *x;
    double mean, factor; /* of MATMUL_NORM */
};

static struct column normalized(const struct kernel_case *c, const float *x)
{
    const struct matmul_params *p = &c->params.matmul;
    struct column column = {.x = x};
    double squares = 0;
    if (p->flags & MATMUL_NORM_LAYER)
        for (uint32_t i = 0; i < p->k; i++)
            column.mean += x[i] / (double)p->k;
    for (uint32_t i = 0; i < p->k; i++)
        squares += (x[i] - column.mean) * (x[i] - column.mean);
    column.factor = 1 / sqrt(squares / p->k + (double)p->eps);
    return column;
}

/* Weights and normalized columns as they go into the products, decoded once. */
struct operands {
    double *rows[2]; /* [k], the second of a gated pair */
    double *columns; /* [cols][k] */
};

static double *allocate(size_t n)
{
    double *values = malloc(MAX(n, 1) * sizeof(*values));
    if (!values)
        abort();
    return values;
}

static void decode_columns(const struct kernel_case *c, double *to)
{
    const struct matmul_params *p = &c->params.matmul;
    const float *x = c->data[2], *bias = c->data[3], *weight = c->data[4];
    for (uint32_t col = 0; col < p->cols; col++, to += p->k) {
        const uint32_t slot = col / p->per_slot, t = col % p->per_slot;
        const struct column column =
            normalized(c, x + p->x_base + slot * p->x_slot_stride + t * p->x_col_stride);
        if (kernel_rounds(c->id)) {
            matmul_ref_round(column.x, p->flags & MATMUL_NORM ? weight : NULL, p->k, to);
            for (uint32_t i = 0; p->flags & MATMUL_NORM && i < p->k; i++)
                to[i] *= column.factor;
            continue;
        }
        for (uint32_t i = 0; i < p->k; i++) {
            to[i] = column.x[i];
            if (p->flags & MATMUL_NORM)
                to[i] = (to[i] - column.mean) * column.factor * weight[i];
            if (p->flags & MATMUL_NORM_LAYER)
                to[i] += bias[i];
        }
    }
}

static void decode_row(const struct kernel_case *c, uint32_t row, double *to)
{
    const struct matmul_params *p = &c->params.matmul;
    const uint32_t type = weights_type(c->id);
    for (uint32_t i = 0; i < p->k; i++)
        to[i] = weights_element(type, c->data[0], c->data[1], p->k, p->w_row + row, i);
}

/* Partial sums of k products of random sign grow like sqrt(i) and their rounding errors are
 * independent: k / 2.4 * u * rms in all. The factor 3 sqrt(k) is seven times that; a short sum has
 * the rigorous bound. A norm's factor is off by as much as rmsnorm's, for all products alike, and
 * each of its elements by a few roundings of its own. */
static struct bounded row_times_column(const struct matmul_params *p, const double *row,
                                       const double *column)
{
    double sum = 0, squares = 0, magnitude = 0;
    for (uint32_t i = 0; i < p->k; i++) {
        const double product = row[i] * column[i];
        sum += product;
        squares += product * product;
        magnitude += fabs(product);
    }
    const double rigorous = (p->k + 2.0) * magnitude;
    const double likely = (4 + 3 * sqrt(p->k)) * sqrt(squares);
    double error = MIN(rigorous, likely) + fabs(sum);
    if (p->flags & MATMUL_NORM)
        error += (8 + sqrt(p->k)) * fabs(sum) + 8 * sqrt(squares);
    return (struct bounded){sum, UNIT_ROUNDOFF * error};
}

/* One result, written if `write`; returns what it may be off by. */
static double evaluate_one(const struct kernel_case *c, const struct operands *operands, uint32_t r,
                           uint32_t col, bool write)
{
    const struct matmul_params *p = &c->params.matmul;
    const float *bias = c->data[3], *scale = c->data[4], *residual = c->data[5];
    float *y = c->data[6], *y2 = c->data[7];
    const uint32_t slot = col / p->per_slot, t = col % p->per_slot;
    const uint32_t o = p->row_offset + r / (p->flags & MATMUL_GATE ? 2 : 1);
    const uint32_t at = p->y_base + slot * p->y_slot_stride + t * p->y_col_stride + o;
    const double *column = operands->columns + (size_t)col * p->k;
    struct bounded v = row_times_column(p, operands->rows[0], column);
    if (p->flags & MATMUL_GATE) {
        const struct bounded odd = row_times_column(p, operands->rows[1], column);
        v.error = 1.1 * v.error * fabs(odd.value) + fabs(silu(v.value)) * odd.error;
        v.value = silu(v.value) * odd.value;
        v.error += 6 * UNIT_ROUNDOFF * fabs(v.value);
    }
    if (p->flags & MATMUL_BIAS)
        rounded(&v, v.value + bias[o]);
    if (p->flags & MATMUL_GELU) {
        v.error = 1.13 * v.error + 1e-7 * fabs(v.value);
        rounded(&v, 0.5 * v.value * erfc(-v.value * sqrt(0.5)));
    }
    if (p->flags & MATMUL_SCALE) {
        v.error *= fabs(scale[o]);
        rounded(&v, v.value * scale[o]);
    }
    if (p->flags & MATMUL_ADD)
        rounded(&v,
                v.value +
                    residual[p->res_base + slot * p->res_slot_stride + t * p->res_col_stride + o]);
    if (p->flags & MATMUL_ADD_TO)
        rounded(&v, v.value + y[at]);
    v.error += 4 * UNIT_ROUNDOFF * MIN(fabs(v.value), 1); /* of elu */
    if (write)
        y[at] = (float)(p->flags & MATMUL_ELU ? elu(v.value) : v.value);
    if (write && p->flags & MATMUL_DUAL)
        y2[p->y2_base + slot * p->y2_slot_stride + t * p->y2_col_stride + o] = (float)elu(v.value);
    return v.error;
}

/* The worst error of the first `rows` rows. */
static double evaluate(const struct kernel_case *c, uint32_t rows, bool write)
{
    const struct matmul_params *p = &c->params.matmul;
    const uint32_t step = p->flags & MATMUL_GATE ? 2 : 1;
    struct operands operands = {{allocate(p->k), allocate(p->k)}, allocate((size_t)p->cols * p->k)};
    double worst = 0;
    decode_columns(c, operands.columns);
    for (uint32_t r = 0; r < rows; r += step) {
        for (uint32_t i = 0; i < step; i++)
            decode_row(c, r + i, operands.rows[i]);
        for (uint32_t col = 0; col < p->cols; col++) {
            const double error = evaluate_one(c, &operands, r, col, write);
            worst = MAX(worst, error);
        }
    }
    free(operands.rows[0]);
    free(operands.rows[1]);
    free(operands.columns);
    return worst;
}

double matmul_ref_error(const struct kernel_case *c, uint32_t rows)
{
    return evaluate(c, rows, false);
}

void matmul_ref(const struct kernel_case *c)
{
    evaluate(c, c->params.matmul.rows, true);
}

struct shape {
    uint32_t rows, k, per_slot, slots, flags;
    uint32_t shift;  /* odd bases, row offsets and gaps of this many words; 0: dense and aligned */
    uint32_t stride; /* of overlapping columns of x; 0: k */
    float weights, inputs; /* magnitudes; 0: 1 */
};

/* k is rounded up to whole blocks for the block types */
static const struct shape shapes[] = {
    {1, 1, 1, 1, 0, 0, 0, 0, 0},
    {1, 2, 1, 2, MATMUL_BIAS, 1, 0, 0, 0},
    {3, 5, 1, 1, MATMUL_ADD, 1, 0, 0, 0},
    {2, 3, 4, 2, MATMUL_GATE, 0, 0, 0, 0},
    {7, 31, 1, 3, MATMUL_ADD_TO, 3, 0, 0, 0},
    {8, 32, 2, 2, MATMUL_BIAS, 0, 0, 0, 0},
    {9, 33, 3, 2, MATMUL_BIAS | MATMUL_ELU, 5, 0, 0, 0},
    {15, 64, 4, 1, MATMUL_BIAS | MATMUL_DUAL, 4, 0, 0, 0},
    {17, 65, 5, 3, MATMUL_BIAS | MATMUL_ADD | MATMUL_DUAL, 7, 0, 0, 0},
    {34, 63, 1, 9, MATMUL_GATE, 1, 0, 0, 0},
    {66, 96, 8, 2, MATMUL_GATE | MATMUL_SCALE | MATMUL_ADD | MATMUL_ELU, 3, 0, 0, 0},
    {16, 100, 2, 1, MATMUL_GELU, 0, 0, 0, 3},
    {64, 128, 2, 2, MATMUL_SCALE | MATMUL_ADD_TO, 0, 0, 0, 0},
    {63, 255, 9, 1,
     MATMUL_BIAS | MATMUL_GELU | MATMUL_SCALE | MATMUL_ADD | MATMUL_ADD_TO | MATMUL_DUAL, 2, 0, 0,
     0},
    {4, 7, 67, 2, MATMUL_BIAS, 1, 1, 0, 0},
    {24, 96, 33, 2, MATMUL_BIAS | MATMUL_DUAL, 0, 32, 0, 0},
    {65, 40, 16, 1, MATMUL_BIAS | MATMUL_ELU, 0, 20, 0, 0},
    {5, 4099, 1, 2, 0, 1, 0, 0, 0},
    {6, 1028, 6, 1, MATMUL_BIAS, 0, 0, 0, 0},
    {257, 66, 1, 5, MATMUL_ADD_TO, 0, 0, 0, 0},
    {512, 192, 1, 1, MATMUL_GATE, 0, 0, 0, 0},
    {2050, 64, 1, 2, MATMUL_GATE, 0, 0, 0, 0},
    {2049, 36, 2, 1, 0, 0, 0, 0, 0},
    {12, 96, 1, 2, MATMUL_ELU | MATMUL_DUAL, 0, 0, 1e-2f, 1e-5f},
    {12, 96, 1, 2, MATMUL_GATE, 0, 0, 1, 1e18f},
    {12, 96, 2, 1, MATMUL_GATE, 0, 0, 1, 1e-18f},
    {12, 96, 1, 2, MATMUL_GELU, 0, 0, 1, 1e18f},
    {12, 96, 1, 2, MATMUL_BIAS | MATMUL_ELU, 0, 0, 1, 50},
    {12, 96, 4, 1, MATMUL_ADD, 0, 0, 1e-6f, 1e3f}, /* f16 scales are denormal */
    {1, 1, 1, 1, MATMUL_NORM_RMS, 0, 0, 0, 0},
    {5, 3, 1, 3, MATMUL_NORM_RMS | MATMUL_ADD, 1, 0, 0, 0},
    {34, 63, 1, 9, MATMUL_NORM_RMS | MATMUL_GATE, 3, 0, 0, 0},
    {64, 128, 1, 8, MATMUL_NORM_RMS, 0, 0, 0, 0},
    {2050, 72, 8, 1, MATMUL_NORM_RMS | MATMUL_GATE, 0, 0, 0, 0},
    {10, 2144, 1, 5, MATMUL_NORM_RMS | MATMUL_GATE | MATMUL_ADD_TO, 0, 0, 0, 0},
    {6, 4103, 1, 2, MATMUL_NORM_RMS, 5, 0, 0, 0},
    {4097, 8, 1, 1, MATMUL_NORM_RMS, 0, 0, 0, 1e-6f},
    {3, 5, 1, 2, MATMUL_NORM_LAYER, 1, 0, 0, 0},
    {17, 65, 2, 3, MATMUL_NORM_LAYER | MATMUL_GELU, 0, 0, 0, 0},
    {64, 512, 2, 1, MATMUL_NORM_LAYER, 0, 0, 0, 0},
    {65, 512, 2, 4, MATMUL_NORM_LAYER | MATMUL_GELU, 0, 0, 0, 1e4f},
    {9, 3079, 8, 1, MATMUL_NORM_LAYER | MATMUL_ADD | MATMUL_DUAL, 2, 0, 0, 0},
    /* without a norm, long enough for several steps of every form */
    {18, 6144, 1, 8, MATMUL_GATE, 0, 0, 0, 0},
    {2048, 2080, 1, 2, MATMUL_ADD_TO, 0, 0, 0, 0},
    {1030, 384, 1, 1, MATMUL_GATE, 4, 0, 0, 0},
    {1029, 128, 1, 3, MATMUL_ADD_TO, 0, 0, 0, 0},
    {130, 64, 17, 2, MATMUL_BIAS, 0, 32, 0, 0},
};

/* For rows of which there is one before with the same tiles and epilogue: what depends on the type.
 * Compiling is most of what a case costs; where two have the same flags and tiles, once is enough.
 */
static const struct shape type_shapes[] = {
    {7, 31, 1, 3, MATMUL_ADD_TO, 3, 0, 0, 0},
    {66, 96, 8, 2, MATMUL_GATE | MATMUL_SCALE | MATMUL_ADD | MATMUL_ELU, 3, 0, 0, 0},
    {65, 40, 16, 1, MATMUL_BIAS | MATMUL_ELU, 0, 20, 0, 0},
    {10, 2144, 1, 5, MATMUL_NORM_RMS | MATMUL_GATE | MATMUL_ADD_TO, 0, 0, 0, 0},
    {17, 65, 2, 3, MATMUL_NORM_LAYER | MATMUL_GELU, 0, 0, 0, 0},
    {12, 640, 4, 1, MATMUL_ADD_TO, 0, 0, 1e-6f, 1e3f}, /* f16 scales are denormal */
    {1029, 640, 1, 3, MATMUL_ADD_TO, 0, 0, 0, 0},
    {512, 5632, 1, 1, 0, 0, 0, 0, 0}, /* Lavapipe ends loops after 65,535 turns */
    {34, 544, 2, 17, MATMUL_GATE, 3, 0, 0, 0},
    {65, 96, 255, 1, MATMUL_BIAS | MATMUL_ELU, 4, 32, 0, 0},
    {4097, 8, 1, 1, MATMUL_NORM_RMS, 0, 0, 0, 1e-6f},
};

/* stt-1b's and Mimi's */
static const struct shape bench_shapes[] = {
    {6144, 2048, 1, 1, 0, 0, 0, 0, 0},
    {2048, 2048, 1, 1, MATMUL_ADD_TO, 0, 0, 0, 0},
    {11264, 2048, 1, 1, MATMUL_GATE, 0, 0, 0, 0},
    {2048, 5632, 1, 1, MATMUL_ADD_TO, 0, 0, 0, 0},
    {8000, 2048, 1, 1, 0, 0, 0, 0, 0},
    {6144, 2048, 1, 8, 0, 0, 0, 0, 0},
    {2048, 2048, 1, 8, MATMUL_ADD_TO, 0, 0, 0, 0},
    {11264, 2048, 1, 8, MATMUL_GATE, 0, 0, 0, 0},
    {2048, 5632, 1, 8, MATMUL_ADD_TO, 0, 0, 0, 0},
    {8000, 2048, 1, 8, 0, 0, 0, 0, 0},
    {6144, 2048, 1, 1, MATMUL_NORM_RMS, 0, 0, 0, 0},
    {11264, 2048, 1, 1, MATMUL_NORM_RMS | MATMUL_GATE, 0, 0, 0, 0},
    {1536, 512, 2, 1, MATMUL_NORM_LAYER, 0, 0, 0, 0},
    {2048, 512, 2, 1, MATMUL_GELU, 0, 0, 0, 0},
    {512, 2048, 2, 1, MATMUL_ADD_TO, 0, 0, 0, 0},
};

/* For tiles: one beside an edge in rows and columns, slots that share a tile. */
static const struct shape mm_shapes[] = {
    {31, 1, 1, 17, 0, 0, 0, 0, 0},
    {33, 31, 1, 65, MATMUL_BIAS, 1, 0, 0, 0},
    {32, 33, 1, 32, MATMUL_ADD_TO, 0, 0, 0, 0},
    {34, 36, 2, 17, MATMUL_GATE, 3, 0, 0, 0},
    {38, 544, 3, 11, MATMUL_GATE | MATMUL_ADD, 0, 0, 0, 0},
    {64, 7, 131, 2, MATMUL_BIAS | MATMUL_DUAL, 0, 1, 0, 0},
    {65, 96, 255, 1, MATMUL_BIAS | MATMUL_ELU, 4, 32, 0, 0},
};

/* What gets the tiles above 32 x 32: many results, so only for the rows with tiles. */
static const struct shape large_shapes[] = {
    {16386, 1, 1, 33, MATMUL_GATE, 0, 0, 0, 0},              /* 128 x 64 */
    {8130, 2, 2, 16, MATMUL_ADD_TO, 0, 0, 0, 0},             /* 64 x 32 */
    {31, 3, 4065, 4, MATMUL_BIAS, 0, 1, 0, 0},               /* 32 x 128 */
    {66, 5, 4065, 2, MATMUL_BIAS | MATMUL_ELU, 1, 2, 0, 0},  /* 64 x 128 */
    {130, 5, 1350, 2, MATMUL_BIAS | MATMUL_ELU, 1, 2, 0, 0}, /* 64 x 64 */
    {65, 4, 8150, 2, 0, 0, 4, 0, 0},                         /* 128 x 128 */
};

/* stt-1b's matrices for many streams. */
static const struct shape many_bench_shapes[] = {
    {6144, 2048, 1, 64, 0, 0, 0, 0, 0},
    {2048, 2048, 1, 64, MATMUL_ADD_TO, 0, 0, 0, 0},
    {11264, 2048, 1, 64, MATMUL_GATE, 0, 0, 0, 0},
    {2048, 5632, 1, 64, MATMUL_ADD_TO, 0, 0, 0, 0},
    {8000, 2048, 1, 64, 0, 0, 0, 0, 0},
    {11264, 2048, 1, 256, MATMUL_GATE, 0, 0, 0, 0},
    {2048, 5632, 1, 256, MATMUL_ADD_TO, 0, 0, 0, 0},
};

/* Mimi's convolutions. */
static const struct shape convolution_bench_shapes[] = {
    {64, 7, 1920, 1, MATMUL_BIAS | MATMUL_DUAL, 0, 1, 0, 0},
    {32, 192, 1920, 1, MATMUL_BIAS | MATMUL_ELU, 0, 64, 0, 0},
    {64, 32, 1920, 1, MATMUL_BIAS | MATMUL_ADD | MATMUL_ELU, 0, 0, 0, 0},
    {128, 512, 480, 1, MATMUL_BIAS | MATMUL_DUAL, 0, 256, 0, 0},
    {64, 384, 480, 1, MATMUL_BIAS | MATMUL_ELU, 0, 128, 0, 0},
    {128, 64, 480, 1, MATMUL_BIAS | MATMUL_ADD | MATMUL_ELU, 0, 0, 0, 0},
    {256, 1280, 96, 1, MATMUL_BIAS | MATMUL_DUAL, 0, 640, 0, 0},
    {512, 3072, 16, 1, MATMUL_BIAS | MATMUL_DUAL, 0, 1536, 0, 0},
};

static bool resembles_another(enum kernel_id id)
{
    const uint32_t type = weights_type(id);
    return type > TYPE_Q4_0 || kernel_rounds(id);
}

static const struct shape *find_shape(enum kernel_id id, uint32_t index)
{
    const bool tiled = strstr(kernel_table[id].name, "_mm") != NULL;
    const bool blocks = TYPE_BLOCK(weights_type(id)) > 1;
    if (index >= CASE_BENCH) {
        index -= CASE_BENCH;
        if (index < COUNT_OF(bench_shapes))
            return &bench_shapes[index];
        index -= COUNT_OF(bench_shapes);
        if (blocks)
            return index < COUNT_OF(many_bench_shapes) ? &many_bench_shapes[index] : NULL;
        return index < COUNT_OF(convolution_bench_shapes) ? &convolution_bench_shapes[index] : NULL;
    }
    if (resembles_another(id))
        return index < COUNT_OF(type_shapes) ? &type_shapes[index] : NULL;
    if (index < COUNT_OF(shapes))
        return &shapes[index];
    index -= COUNT_OF(shapes);
    if (index < COUNT_OF(mm_shapes))
        return &mm_shapes[index];
    index -= COUNT_OF(mm_shapes);
    return tiled && index < COUNT_OF(large_shapes) ? &large_shapes[index] : NULL;
}

static float *filled(const struct case_source *s, uint32_t words, float magnitude)
{
    float *data = s->alloc(s->state, (size_t)words * sizeof(*data));
    for (uint32_t i = 0; i < words; i++)
        data[i] = magnitude * case_uniform(s);
    return data;
}

/* A buffer of columns of n words: base, strides and size. */
static uint32_t columns(const struct shape *h, uint32_t n, uint32_t stride, uint32_t *base,
                        uint32_t *slot_stride, uint32_t *col_stride)
{
    *base = h->shift;
    *col_stride = stride ? stride : n + h->shift;
    *slot_stride = (h->per_slot - 1) * *col_stride + n + h->shift;
    return *base + (h->slots - 1) * *slot_stride + (h->per_slot - 1) * *col_stride + n;
}

bool matmul_cases(enum kernel_id id, uint32_t index, const struct case_source *s,
                  struct kernel_case *out)
{
    const bool bench = index >= CASE_BENCH;
    const struct shape *h = find_shape(id, index);
    if (!h)
        return false;
    const uint32_t type = weights_type(id);
    const float weights = h->weights != 0 ? h->weights : 1, inputs = h->inputs != 0 ? h->inputs : 1;
    struct matmul_params *p = &out->params.matmul;
    const uint32_t n_out = h->shift + (h->flags & MATMUL_GATE ? h->rows / 2 : h->rows);

    out->id = id;
    p->rows = h->rows;
    p->k = weights_round_up(type, h->k);
    p->cols = h->slots * h->per_slot;
    p->per_slot = h->per_slot;
    p->flags = h->flags;
    p->model_slots = h->slots;
    p->w_row = h->shift;
    p->row_offset = h->shift;
    snprintf(out->text, sizeof(out->text), "%ux%u, %u slots of %u, flags 0x%x, shift %u, stride %u",
             p->rows, p->k, h->slots, h->per_slot, h->flags, h->shift, h->stride);

    uint32_t *words = out->words;
    weights_words(type, p->w_row + p->rows, p->k, &words[0], &words[1]);
    words[2] = columns(h, p->k, h->stride, &p->x_base, &p->x_slot_stride, &p->x_col_stride);
    words[6] = columns(h, n_out, 0, &p->y_base, &p->y_slot_stride, &p->y_col_stride);
    if (h->flags & MATMUL_BIAS)
        words[3] = n_out;
    if (h->flags & MATMUL_SCALE)
        words[4] = n_out;
    if (h->flags & MATMUL_NORM) {
        words[4] = p->k;
        words[3] = h->flags & MATMUL_NORM_LAYER ? p->k : 0;
        p->eps = h->flags & MATMUL_NORM_LAYER ? 1e-5f : 1e-8f;
    }
    if (h->flags & MATMUL_ADD)
        words[5] = columns(h, n_out + 1, 0, &p->res_base, &p->res_slot_stride, &p->res_col_stride);
    if (h->flags & MATMUL_DUAL)
        words[7] = columns(h, n_out + 2, 0, &p->y2_base, &p->y2_slot_stride, &p->y2_col_stride);

    for (uint32_t b = 0; b < 2; b++)
        out->data[b] = words[b] ? s->alloc(s->state, (size_t)words[b] * 4) : NULL;
    weights_fill(type, p->w_row + p->rows, p->k, weights, s, out->data[0], out->data[1]);
    for (uint32_t b = 2; b < 8; b++)
        out->data[b] = words[b] ? filled(s, words[b], b == 2 ? inputs : inputs * weights) : NULL;
    if (index == 5) /* a column of zeros */
        for (uint32_t i = 0; i < p->k; i++)
            ((float *)out->data[2])[p->x_base + i] = 0;
    if (!(h->flags & MATMUL_ADD_TO)) /* must not be read */
        for (uint32_t i = 0; i < words[6]; i++)
            ((uint32_t *)out->data[6])[i] = CASE_POISON;

    if (h->flags & MATMUL_NORM_LAYER)
        for (uint32_t i = 0; i < words[2]; i++)
            ((float *)out->data[2])[i] += inputs;

    out->tolerance_absolute = bench ? 2 * evaluate(out, 64, false) : evaluate(out, p->rows, false);
    out->bytes = 4.0 * ((double)(words[0] + words[1]) * p->rows / (p->rows + p->w_row) + words[2] +
                        words[6]);
    out->flops = 2.0 * p->rows * p->k * p->cols;
    return true;
}
