/* SPDX-License-Identifier: MIT
 *
 * matmul, plain form: a tile of ROWS x COLS results an invocation, no barriers. Sums run along k in
 * order, whatever the tile: a result does not depend on its neighbours.
 */
#extension GL_EXT_control_flow_attributes : require
#include "matmul_weights.glsl"

layout(set = 0, binding = 0) readonly buffer Plane0 { uint plane0[]; };
layout(set = 0, binding = 1) readonly buffer Plane1 { uint plane1[]; };

/* Elements of a word of plane 0, and which they are: of q4_0 four, and the four 16 behind them. */
#if defined(WEIGHT_F32)
#define WORD_ELEMENTS 1u
#elif defined(WEIGHT_F16) || defined(WEIGHT_BF16)
#define WORD_ELEMENTS 2u
#elif defined(WEIGHT_Q8_0)
#define WORD_ELEMENTS 4u
#else
#define WORD_ELEMENTS 8u
#endif
#if defined(WEIGHT_Q8_0) || defined(WEIGHT_Q4_0)
#define BLOCK_WORDS (32u / WORD_ELEMENTS)
#endif

/* Globals, because arrays of a specialized size are miscompiled as parameters of functions. */
float acc[ROWS * COLS];
uint w_at[ROWS];
uint x_at[COLS];
#if defined(BLOCK_WORDS)
uint scale_at[ROWS];
float sum[ROWS * COLS]; /* of a block */
#define SUM sum
#else
#define SUM acc
#endif

void unpack(uint word, out float w[WORD_ELEMENTS])
{
#if defined(WEIGHT_F32)
    w[0] = uintBitsToFloat(word);
#elif defined(WEIGHT_F16)
    vec2 v = load_f16(word);
    w[0] = v.x;
    w[1] = v.y;
#elif defined(WEIGHT_BF16)
    vec2 v = load_bf16(word);
    w[0] = v.x;
    w[1] = v.y;
#else
#if defined(WEIGHT_Q8_0)
    vec4 v = load_i8(word);
#else
    vec4 v = load_low_nibbles(word), h = load_high_nibbles(word);
    w[4] = h.x;
    w[5] = h.y;
    w[6] = h.z;
    w[7] = h.w;
#endif
    w[0] = v.x;
    w[1] = v.y;
    w[2] = v.z;
    w[3] = v.w;
#endif
}

/* SUM += the first n elements of word i of the rows, whose first element is element e of x */
void multiply_word(uint i, uint e, uint n)
{
    float v[COLS * WORD_ELEMENTS];
    [[unroll]] for (uint c = 0u; c < COLS; c++)
        [[unroll]] for (uint j = 0u; j < n; j++)
            v[c * WORD_ELEMENTS + j] = x[x_at[c] + e + (j < 4u ? j : j + 12u)];
    [[unroll]] for (uint r = 0u; r < ROWS; r++) {
        float w[WORD_ELEMENTS];
        unpack(plane0[w_at[r] + i], w);
        [[unroll]] for (uint c = 0u; c < COLS; c++)
            [[unroll]] for (uint j = 0u; j < n; j++)
                SUM[r * COLS + c] = fma(w[j], v[c * WORD_ELEMENTS + j], SUM[r * COLS + c]);
    }
}

#if defined(BLOCK_WORDS)
void multiply()
{
    uint blocks = p.k / 32u;
    for (uint pair = 0u; 2u * pair < blocks; pair++) {
        uint scales[ROWS];
        [[unroll]] for (uint r = 0u; r < ROWS; r++)
            scales[r] = plane1[scale_at[r] + pair];
        for (uint b = 2u * pair; b < min(2u * pair + 2u, blocks); b++) {
            [[unroll]] for (uint rc = 0u; rc < ROWS * COLS; rc++)
                sum[rc] = 0.0;
            for (uint i = 0u; i < BLOCK_WORDS; i++)
                multiply_word(b * BLOCK_WORDS + i, b * 32u + i * 4u, WORD_ELEMENTS);
            [[unroll]] for (uint r = 0u; r < ROWS; r++) {
                float d = load_f16(scales[r] >> (b % 2u * 16u)).x;
                [[unroll]] for (uint c = 0u; c < COLS; c++)
                    acc[r * COLS + c] = fma(d, sum[r * COLS + c], acc[r * COLS + c]);
            }
        }
    }
}

uint row_words()
{
    return p.k / WORD_ELEMENTS;
}
#else
void multiply()
{
    uint n = p.k / WORD_ELEMENTS;
    for (uint i = 0u; i < n; i++)
        multiply_word(i, i * WORD_ELEMENTS, WORD_ELEMENTS);
    if (n * WORD_ELEMENTS < p.k)
        multiply_word(n, n * WORD_ELEMENTS, 1u);
}

uint row_words()
{
    return (p.k + 3u) / 4u * 4u / WORD_ELEMENTS;
}
#endif

#include "matmul_tile.glsl"
