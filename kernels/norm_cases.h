/* SPDX-License-Identifier: MIT
 *
 * Shapes and contents that both norms are tested with.
 */
#ifndef STAPES_KERNELS_NORM_CASES_H
#define STAPES_KERNELS_NORM_CASES_H

#include "kernels/case_state.h"

struct norm_shape {
    uint32_t cols, dim;
    float scale, offset; /* of x */
};

static const struct norm_shape norm_shapes[] = {
    {1, 2048, 1.0f, 0.0f},   {1, 1, 1.0f, 0.0f},     {3, 7, 1.0f, 0.0f},     {2, 8, 1.0f, 0.0f},
    {9, 63, 1.0f, 0.0f},     {16, 64, 1.0f, 0.0f},   {17, 65, 1.0f, 0.5f},   {2, 129, 1.0f, 3.0f},
    {5, 255, 1.0f, 0.0f},    {4, 256, 1.0f, -20.0f}, {3, 257, 1e-4f, 0.0f},  {2, 512, 1e4f, 0.0f},
    {2, 1023, 1e-12f, 0.0f}, {1, 4096, 1.0f, 1.0f},  {33, 36, 1e6f, -1e6f},  {2, 300, 0.0f, 0.0f},
    {2, 256, 0.0f, 1.0f},    {70, 12, 1e15f, 0.0f},  {1, 100, 1e-22f, 0.0f}, {66000, 1, 1.0f, 0.0f},
    {1, 4, 1.0f, 0.0f},      {3, 20, 1.0f, 0.0f},    {17, 68, 1.0f, 0.5f},   {66000, 4, 1.0f, 0.0f},
    {1, 132, 1.0f, -3.0f},   {8, 512, 1.0f, 0.0f},
};
static const struct norm_shape norm_bench_shapes[] = {
    {1, 2048, 1.0f, 0.0f}, {8, 2048, 1.0f, 0.0f}, {2, 512, 1.0f, 0.0f}};

static inline bool norm_case(const struct case_source *s, uint32_t index, float eps,
                             struct kernel_case *out)
{
    const struct norm_shape *shape = CASE_SHAPE(index, norm_shapes, norm_bench_shapes);
    float *x;

    if (!shape)
        return false;
    out->params.norm = (struct norm_params){.cols = shape->cols, .dim = shape->dim, .eps = eps};
    snprintf(out->text, sizeof(out->text), "%u x %u, x %g +- %g", shape->cols, shape->dim,
             (double)shape->offset, (double)shape->scale);
    x = case_floats(s, out, 0, shape->cols * shape->dim, shape->scale);
    for (uint32_t i = 0; i < shape->cols * shape->dim; i++)
        x[i] += shape->offset;
    out->bytes = 4.0 * (2.0 * shape->cols + 1) * shape->dim;
    out->flops = 4.0 * shape->cols * shape->dim;
    return true;
}

#endif
