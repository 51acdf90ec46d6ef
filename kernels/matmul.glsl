/* SPDX-License-Identifier: MIT
 *
 * matmul, plain form: a tile of ROWS x COLS results an invocation, no barriers. Sums run along k in
 * order, whatever the tile: a result does not depend on its neighbours.
 */
#extension GL_EXT_control_flow_attributes : require
#include "matmul_weights.glsl"

layout(set = 0, binding = 0) readonly buffer Plane0 { uint plane0[]; };

/* Elements of a word of plane 0, and which they are: of nibbles four, and the four 16 behind them. */
#if defined(WEIGHT_F32)
#define WORD_ELEMENTS 1u
#elif defined(WEIGHT_F16) || defined(WEIGHT_BF16)
#define WORD_ELEMENTS 2u
#else
#define WORD_ELEMENTS (32u / BLOCK_WORDS)
#endif

/* Globals, because arrays of a specialized size are miscompiled as parameters of functions. */
float acc[ROWS * COLS];
uint w_at[ROWS];
uint x_at[COLS];
#if defined(BLOCKS)
uint head_at[ROWS];
uvec4 head[ROWS];       /* of a block */
float sum[ROWS * COLS];
float x_sum[COLS];
#define SUM sum
#else
#define SUM acc
#endif

#if defined(BLOCKS)
/* word i of a block of row r; where a block has several scales, they are in */
void unpack(uint word, uint i, uint block, uint r, out float w[WORD_ELEMENTS])
{
    [[unroll]] for (uint j = 0u; j < WORD_ELEMENTS / 4u; j++) {
        vec4 v = unpack_quad(word, i + 4u * j, head[r]);
        if (PARTS > 1u)
            v *= block_step(head[r], block, j);
        [[unroll]] for (uint e = 0u; e < 4u; e++)
            w[4u * j + e] = v[e];
    }
}
#else
void unpack(uint word, uint i, uint block, uint r, out float w[WORD_ELEMENTS])
{
#if defined(WEIGHT_F32)
    w[0] = uintBitsToFloat(word);
#elif defined(WEIGHT_F16)
    vec2 v = load_f16(word);
    w[0] = v.x;
    w[1] = v.y;
#else
    vec2 v = load_bf16(word);
    w[0] = v.x;
    w[1] = v.y;
#endif
}
#endif

/* SUM += the first n elements of word i of the rows' block, whose first element is element e of x;
 * a block is one word where the type has none */
void multiply_word(uint block, uint i, uint e, uint n)
{
    float v[COLS * WORD_ELEMENTS];
    [[unroll]] for (uint c = 0u; c < COLS; c++)
        [[unroll]] for (uint j = 0u; j < n; j++) {
            v[c * WORD_ELEMENTS + j] = x[x_at[c] + e + (j < 4u ? j : j + 12u)];
#if defined(MINIMA)
            x_sum[c] += v[c * WORD_ELEMENTS + j];
#endif
        }
    [[unroll]] for (uint r = 0u; r < ROWS; r++) {
        float w[WORD_ELEMENTS];
#if defined(BLOCKS)
        unpack(plane0[w_at[r] + block * BLOCK_WORDS + i], i, block, r, w);
#else
        unpack(plane0[w_at[r] + block], i, block, r, w);
#endif
        [[unroll]] for (uint c = 0u; c < COLS; c++)
            [[unroll]] for (uint j = 0u; j < n; j++)
                SUM[r * COLS + c] = fma(w[j], v[c * WORD_ELEMENTS + j], SUM[r * COLS + c]);
    }
}

#if defined(BLOCKS)
void multiply()
{
    for (uint b = 0u; b < p.k / 32u; b++) {
        [[unroll]] for (uint r = 0u; r < ROWS; r++)
            head[r] = load_head(head_at[r], b, p.k);
        [[unroll]] for (uint c = 0u; c < COLS; c++)
            x_sum[c] = 0.0;
        [[unroll]] for (uint rc = 0u; rc < ROWS * COLS; rc++)
            sum[rc] = 0.0;
        for (uint i = 0u; i < BLOCK_WORDS; i++)
            multiply_word(b, i, b * 32u + i * 4u, WORD_ELEMENTS);
        [[unroll]] for (uint r = 0u; r < ROWS; r++) {
            float d = PARTS > 1u ? 1.0 : block_step(head[r], b, 0u);
            [[unroll]] for (uint c = 0u; c < COLS; c++) {
                acc[r * COLS + c] = fma(d, sum[r * COLS + c], acc[r * COLS + c]);
#if defined(MINIMA)
                acc[r * COLS + c] = fma(block_min(head[r], b), x_sum[c], acc[r * COLS + c]);
#endif
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
        multiply_word(i, 0u, i * WORD_ELEMENTS, WORD_ELEMENTS);
    if (n * WORD_ELEMENTS < p.k)
        multiply_word(n, 0u, n * WORD_ELEMENTS, 1u);
}

uint row_words()
{
    return (p.k + 3u) / 4u * 4u / WORD_ELEMENTS;
}
#endif

#include "matmul_tile.glsl"
