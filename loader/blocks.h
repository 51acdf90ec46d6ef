/* SPDX-License-Identifier: MIT
 *
 * The inside of block formats: a block taken apart, and what makes one of 32 or 256 floats.
 * docs/gguf.md has the layouts.
 */
#ifndef STAPES_LOADER_BLOCKS_H
#define STAPES_LOADER_BLOCKS_H

#include <math.h>
#include <string.h>

#include "loader/tensor.h"

uint16_t f16_from_f32(float value);
float f16_to_f32(uint16_t half);

/* Blocks of 32: x = code * scale, or code * scale + min. */
struct small_format {
    enum tensor_type type;
    uint8_t bits;  /* of a code */
    bool has_min;  /* and codes from 0 on; else they lie around 0 */
    int low, high; /* of the codes; those in the file begin at 0, but for q8_0 */
};

struct small_block {
    uint16_t scale, min; /* f16 */
    int8_t codes[32];
};

/* NULL for other types. */
const struct small_format *small_format(enum tensor_type type);
void small_pack(const struct small_format *format, const struct small_block *block, uint8_t *to);
void small_unpack(const struct small_format *format, const uint8_t *from,
                  struct small_block *block);
void small_decode(const struct small_format *format, const uint8_t *from, float *to);
void small_naive(const struct small_format *format, const float *from, struct small_block *block);

#define K_BLOCK 256
#define Q4_K_PART 32 /* elements that share a scale and a min */
#define Q6_K_PART 16 /* elements that share a scale */

/* x = code * (scale * scales[part]) - min * mins[part] */
struct q4_k_block {
    uint16_t scale, min;        /* f16 */
    uint8_t scales[8], mins[8]; /* 0 to 63 */
    uint8_t codes[K_BLOCK];     /* 0 to 15 */
};

/* x = code * (scale * scales[part]) */
struct q6_k_block {
    uint16_t scale; /* f16 */
    int8_t scales[16];
    int8_t codes[K_BLOCK]; /* -32 to 31 */
};

void q4_k_pack(const struct q4_k_block *block, uint8_t *to);
void q4_k_decode(const uint8_t *from, float *to);
void q4_k_naive(const float *from, struct q4_k_block *block);

void q6_k_pack(const struct q6_k_block *block, uint8_t *to);
void q6_k_decode(const uint8_t *from, float *to);
void q6_k_naive(const float *from, struct q6_k_block *block);

/* Blocks searched for the least sum of weights[i] * (x[i] - from[i])^2; never above naive's. */
void small_search(const struct small_format *format, const float *from, const float *weights,
                  struct small_block *block);
void q4_k_search(const float *from, const float *weights, struct q4_k_block *block);
void q6_k_search(const float *from, const float *weights, struct q6_k_block *block);

#endif
