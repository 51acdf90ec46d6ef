/* SPDX-License-Identifier: MIT
 *
 * For references of kernels that begin with a matrix product, and their tests.
 */
#ifndef STAPES_KERNELS_MATMUL_REF_H
#define STAPES_KERNELS_MATMUL_REF_H

#include "kernels/reference.h"

/* What f32 arithmetic in any order may be off by, at most, in the first `rows` rows of a case of
 * matmul. Includes a rounding of the result. */
double matmul_ref_error(const struct kernel_case *c, uint32_t rows);

/* What the columns of rows that multiply integers stand for: k elements of x, times weight unless
 * that is NULL, rounded in blocks (params.h). k is a multiple of 32. */
void matmul_ref_round(const float *x, const float *weight, uint32_t k, double *to);

#endif
