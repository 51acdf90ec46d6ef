/* SPDX-License-Identifier: MIT
 *
 * matmul for CPU devices: the plain form's tile, with weights and activations fetched as texels of
 * 16 bytes. Lavapipe loads from storage buffers lane by lane through the stack; its texel fetches are
 * plain vector code. k and all columns of x are multiples of a texel. Sums run along k in the same
 * order whatever the tile.
 */
#extension GL_EXT_control_flow_attributes : require
#extension GL_KHR_shader_subgroup_shuffle : require
#define MATMUL_TEXELS
#include "matmul_weights.glsl"

layout(set = 0, binding = 0) uniform usamplerBuffer plane0;
layout(set = 0, binding = 1) uniform usamplerBuffer plane1;
layout(set = 0, binding = 2) uniform usamplerBuffer x;

#if defined(WEIGHT_F32)
#define TEXEL_ELEMENTS 4u
#elif defined(WEIGHT_F16) || defined(WEIGHT_BF16)
#define TEXEL_ELEMENTS 8u
#elif defined(WEIGHT_Q8_0)
#define TEXEL_ELEMENTS 16u
#else
#define TEXEL_ELEMENTS 32u
#endif

/* Globals, because arrays of a specialized size are miscompiled as parameters of functions. */
float acc[ROWS * COLS];
uint w_at[ROWS]; /* texels */
uint x_at[COLS]; /* words, then texels */
uint head_at[ROWS]; /* words */

vec4 load_x4(uint c, uint texel)
{
    return uintBitsToFloat(texelFetch(x, int(x_at[c] + texel)));
}

#if defined(BLOCKS) && !defined(WEIGHT_Q8_0)
#include "matmul_tx_nibbles.glsl"
#else
/* A tree, so that the sum of many products is no chain of additions. */
float dot4(vec4 w, vec4 v)
{
    precise float s = (w.x * v.x + w.y * v.y) + (w.z * v.z + w.w * v.w);
    return s;
}

/* The elements of a texel of weights, four at a time: part j of TEXEL_ELEMENTS / 4. Their activations
 * are x_part(j) texels from the texel's first on. */
vec4 unpack(uvec4 texel, uint j)
{
#if defined(WEIGHT_F32)
    return uintBitsToFloat(texel);
#elif defined(WEIGHT_F16)
    return vec4(load_f16(texel[2u * j]), load_f16(texel[2u * j + 1u]));
#elif defined(WEIGHT_BF16)
    return vec4(load_bf16(texel[2u * j]), load_bf16(texel[2u * j + 1u]));
#else
    return load_i8(texel[j]);
#endif
}

#if defined(WEIGHT_Q8_0)
#define TEXELS_A_BLOCK (32u / TEXEL_ELEMENTS)

float load_scale(uint r, uint block)
{
    uint word = head_at[r] + block / 2u;
    uvec4 texel = texelFetch(plane1, int(word >> 2));
    uint low = (word & 1u) == 0u ? texel.x : texel.y, high = (word & 1u) == 0u ? texel.z : texel.w;
    vec2 pair = load_f16((word & 2u) == 0u ? low : high);
    return (block & 1u) == 0u ? pair.x : pair.y;
}

void multiply()
{
    uint blocks = p.k / 32u;
    for (uint b = 0u; b < blocks; b++) {
        float sum[ROWS * COLS];
        [[unroll]] for (uint rc = 0u; rc < ROWS * COLS; rc++)
            sum[rc] = 0.0;
        [[unroll]] for (uint m = 0u; m < TEXELS_A_BLOCK; m++) {
            uvec4 w[ROWS];
            [[unroll]] for (uint r = 0u; r < ROWS; r++)
                w[r] = texelFetch(plane0, int(w_at[r] + b * TEXELS_A_BLOCK + m));
            [[unroll]] for (uint j = 0u; j < TEXEL_ELEMENTS / 4u; j++) {
                vec4 v[COLS];
                [[unroll]] for (uint c = 0u; c < COLS; c++)
                    v[c] = load_x4(c, b * 8u + m * (TEXEL_ELEMENTS / 4u) + j);
                [[unroll]] for (uint r = 0u; r < ROWS; r++) {
                    vec4 u = unpack(w[r], j);
                    [[unroll]] for (uint c = 0u; c < COLS; c++)
                        sum[r * COLS + c] += dot4(u, v[c]);
                }
            }
        }
        [[unroll]] for (uint r = 0u; r < ROWS; r++) {
            float d = load_scale(r, b);
            [[unroll]] for (uint c = 0u; c < COLS; c++)
                acc[r * COLS + c] = fma(d, sum[r * COLS + c], acc[r * COLS + c]);
        }
    }
}
#else
void multiply()
{
    uint n = p.k / TEXEL_ELEMENTS;
    for (uint i = 0u; i < n; i++) {
        uvec4 w[ROWS];
        [[unroll]] for (uint r = 0u; r < ROWS; r++)
            w[r] = texelFetch(plane0, int(w_at[r] + i));
        [[unroll]] for (uint j = 0u; j < TEXEL_ELEMENTS / 4u; j++) {
            vec4 v[COLS];
            [[unroll]] for (uint c = 0u; c < COLS; c++)
                v[c] = load_x4(c, i * (TEXEL_ELEMENTS / 4u) + j);
            [[unroll]] for (uint r = 0u; r < ROWS; r++) {
                vec4 u = unpack(w[r], j);
                [[unroll]] for (uint c = 0u; c < COLS; c++)
                    acc[r * COLS + c] += dot4(u, v[c]);
            }
        }
    }
}
#endif
#endif

/* of plane 0; texels here */
uint row_words()
{
    return p.k / TEXEL_ELEMENTS;
}

#include "matmul_tile.glsl"
