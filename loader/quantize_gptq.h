/* SPDX-License-Identifier: MIT
 *
 * Rounding with error feedback (GPTQ; Frantar and others, arXiv 2210.17323), in the form that
 * Chee and others (arXiv 2307.13304) show to be the same: with H = R D R^T, R upper triangular with
 * ones on its diagonal, the error of a row w rounded to q is
 *
 *     (w - q) H (w - q)^T = sum over j of D_j (t_j - q_j)^2,   t_j = w_j + sum over i < j of
 *                                                                    (w_i - q_i) R_ij
 *
 * so each element in turn takes the code nearest to t_j. H is the mean of x x^T, and 1 % of the
 * mean of its diagonal more on the diagonal. A column that was never seen has no part in any other
 * one's target.
 */
#ifndef STAPES_LOADER_QUANTIZE_GPTQ_H
#define STAPES_LOADER_QUANTIZE_GPTQ_H

#include "loader/tensor.h"

#define GPTQ_MAX_ROWS 32

struct gptq;

/* gram: [k][k], the mean of x x^T, symmetric; needed for the call only. It takes 4 k^2 bytes, and 8
 * k^2 more while it is made. ERROR_FORMAT: no matrix of such a kind. `name` is for messages. */
enum status gptq_create(const struct log *log, const char *name, uint32_t k, const float *gram,
                        struct gptq **out);
void gptq_destroy(struct gptq **gptq);
/* At most GPTQ_MAX_ROWS rows of w to a type that has blocks, k a multiple of them. The scales of a
 * block are those of the least sum of D_j (t_j - q_j)^2 for the targets as they are where the block
 * begins, rounded as they are written. errors: [rows][k], gets w - q. targets: room for [rows][k].
 * Any number of threads may call it. */
void gptq_quantize(const struct gptq *gptq, enum tensor_type type, uint32_t rows, const float *w,
                   float *errors, float *targets, uint8_t *bytes);

#endif
