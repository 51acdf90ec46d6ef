/* SPDX-License-Identifier: MIT
 *
 * A bound for references of kernels that begin with a matrix product.
 */
#ifndef STAPES_KERNELS_MATMUL_REF_H
#define STAPES_KERNELS_MATMUL_REF_H

#include "kernels/reference.h"

/* What f32 arithmetic in any order may be off by, at most, in the first `rows` rows of a case of
 * matmul. Includes a rounding of the result. */
double matmul_ref_error(const struct kernel_case *c, uint32_t rows);

#endif
