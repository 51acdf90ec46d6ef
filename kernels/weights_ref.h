/* SPDX-License-Identifier: MIT
 *
 * Weight planes on the host, for references and case generators: sizes, random contents, and single
 * elements as doubles.
 */
#ifndef STAPES_KERNELS_WEIGHTS_REF_H
#define STAPES_KERNELS_WEIGHTS_REF_H

#include "kernels/reference.h"

/* TYPE_* of a row whose name has a type, as in matmul_q4_0 and matmul_q4_0_wg. */
uint32_t weights_type(enum kernel_id id);
/* the next whole number of blocks */
uint32_t weights_round_up(uint32_t type, uint32_t k);
/* Words of `rows` rows; *plane1 is 0 for types that have one plane. */
void weights_words(uint32_t type, uint32_t rows, uint32_t k, uint32_t *plane0, uint32_t *plane1);
double weights_element(uint32_t type, const void *plane0, const void *plane1, uint32_t k,
                       uint32_t row, uint32_t i);
/* Random weights of about this magnitude; padding is zero. */
void weights_fill(uint32_t type, uint32_t rows, uint32_t k, float magnitude,
                  const struct case_source *s, void *plane0, void *plane1);

float f16_to_float(uint16_t h);
uint16_t float_to_f16(float f); /* rounds towards zero, denormals included; finite f only */

#endif
