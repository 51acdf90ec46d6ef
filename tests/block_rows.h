/* SPDX-License-Identifier: MIT
 *
 * Rows of floats for block formats, from a seed: the same bits everywhere, since every operation is
 * exact. tests/fixtures/make_blocks.c runs them through ggml, tests/test_blocks.c through stapes.
 */
#ifndef STAPES_TESTS_BLOCK_ROWS_H
#define STAPES_TESTS_BLOCK_ROWS_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>

enum row_kind {
    ROWS_UNIFORM,
    ROWS_BELL,
    ROWS_CONSTANT,
    ROWS_ZERO,
    ROWS_HUGE, /* scales overflow f16 */
    ROWS_TINY, /* scales are subnormal or 0 in f16 */
    ROWS_DENORMAL,
    ROWS_TIES, /* halfway between codes; the largest magnitude with both signs */
    ROWS_ONE_SIGN,
    ROWS_SPIKE,  /* one large element a block */
    ROWS_WIDE,   /* any exponent from -76 to 14 */
    ROWS_SPARSE, /* mostly zeros */
    ROW_KINDS,
};

static const char *const row_kinds[ROW_KINDS] = {"uniform",  "bell",  "constant", "zero",
                                                 "huge",     "tiny",  "denormal", "ties",
                                                 "one-sign", "spike", "wide",     "sparse"};

static inline uint32_t row_random(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*seed >> 32);
}

/* A whole number of 24 bits, both signs: exact as a float. */
static inline float row_signed(uint64_t *seed)
{
    return (float)((int32_t)(row_random(seed) >> 7) - (1 << 24));
}

static inline float row_bell(uint64_t *seed)
{
    int32_t sum = 0;
    for (int i = 0; i < 4; i++)
        sum += (int32_t)(row_random(seed) >> 10) - (1 << 21);
    return (float)sum;
}

static inline float row_element(enum row_kind kind, uint64_t *seed, size_t i, int exponent,
                                float constant)
{
    switch (kind) {
    case ROWS_UNIFORM: return ldexpf(row_signed(seed), -24);
    case ROWS_BELL: return ldexpf(row_bell(seed), exponent - 45);
    case ROWS_CONSTANT: return constant;
    case ROWS_ZERO: return row_random(seed) & 1u << 31 ? -0.0f : 0.0f;
    case ROWS_HUGE: return ldexpf(row_signed(seed), exponent + 70);
    case ROWS_TINY: return ldexpf(row_signed(seed), exponent - 50);
    case ROWS_DENORMAL: return ldexpf((float)((int32_t)(row_random(seed) >> 22) - 512), -149);
    case ROWS_TIES: return ldexpf((float)((int32_t)(row_random(seed) >> 27) - 16), exponent - 20);
    case ROWS_ONE_SIGN: return ldexpf(fabsf(row_signed(seed)), -26) * (exponent & 1 ? -1.0f : 1.0f);
    case ROWS_SPIKE:
        return i % 32 == (size_t)exponent % 32 ? ldexpf(row_signed(seed), -14)
                                               : ldexpf(row_signed(seed), -30);
    case ROWS_WIDE: {
        float value = row_signed(seed);
        return ldexpf(value, (int)(row_random(seed) % 91u) - 100);
    }
    default: return row_random(seed) >> 28 ? 0.0f : ldexpf(row_signed(seed), -24);
    }
}

/* n elements; the exponent changes every 256 of them. */
static inline void row_fill(enum row_kind kind, uint64_t *seed, float *to, size_t n)
{
    int exponent = 0;
    float constant = 0;
    for (size_t i = 0; i < n; i++) {
        if (i % 256 == 0) {
            exponent = (int)(row_random(seed) % 30u);
            constant = ldexpf(row_signed(seed), exponent - 40);
        }
        to[i] = row_element(kind, seed, i, exponent, constant);
    }
}

static inline uint64_t row_hash(uint64_t hash, const void *bytes, size_t n)
{
    const uint8_t *at = bytes;
    for (size_t i = 0; i < n; i++)
        hash = (hash ^ at[i]) * 1099511628211u;
    return hash;
}

#define ROW_HASH_START 14695981039346656037u
#define ROW_SEED 20240607u
#define ROW_LENGTH 1024u
#define ROWS_A_KIND 64u

#endif
