/* SPDX-License-Identifier: MIT
 *
 * matmul, plain form: a tile of ROWS x COLS results an invocation, no barriers. The workgroup is
 * 2^LANES_LOG2 invocations along the rows, the rest along the columns; the grid is (rows, columns of
 * a strip, strips). A strip is a slot's columns, or all columns where a slot has one, so that no
 * index needs a division. Sums run along k in order, whatever the tile: a result does not depend on
 * its neighbours.
 */
#extension GL_EXT_control_flow_attributes : require
#include "matmul_weights.glsl"

#if defined(WEIGHT_F32)
layout(set = 0, binding = 0) readonly buffer Plane0 { vec4 plane0[]; };
#elif defined(WEIGHT_F16) || defined(WEIGHT_BF16)
layout(set = 0, binding = 0) readonly buffer Plane0 { uvec2 plane0[]; };
#else
layout(set = 0, binding = 0) readonly buffer Plane0 { uvec4 plane0[]; };
layout(set = 0, binding = 1) readonly buffer Plane1 { uint plane1[]; };
#endif

float acc[ROWS * COLS];
uint w_at[ROWS]; /* of the rows in plane 0, in its elements */
uint x_at[COLS];

#if defined(WEIGHT_F32) || defined(WEIGHT_F16) || defined(WEIGHT_BF16)
vec4 load_w(uint at)
{
#if defined(WEIGHT_F32)
    return plane0[at];
#elif defined(WEIGHT_F16)
    uvec2 w = plane0[at];
    return vec4(load_f16(w.x), load_f16(w.y));
#else
    uvec2 w = plane0[at];
    return vec4(load_bf16(w.x), load_bf16(w.y));
#endif
}

void multiply()
{
    uint n = p.k / 4u;
    for (uint i = 0u; i < n; i++) {
        vec4 v[COLS];
        [[unroll]] for (uint c = 0u; c < COLS; c++)
            v[c] = load_x(x_at[c] + 4u * i);
        [[unroll]] for (uint r = 0u; r < ROWS; r++) {
            vec4 w = load_w(w_at[r] + i);
            [[unroll]] for (uint c = 0u; c < COLS; c++)
                acc[r * COLS + c] = dot_fma(w, v[c], acc[r * COLS + c]);
        }
    }
    uint rest = p.k % 4u;
    if (rest != 0u) {
        vec4 v[COLS];
        [[unroll]] for (uint c = 0u; c < COLS; c++)
            v[c] = load_x_tail(x_at[c] + 4u * n, rest);
        [[unroll]] for (uint r = 0u; r < ROWS; r++) {
            vec4 w = load_w(w_at[r] + n);
            [[unroll]] for (uint c = 0u; c < COLS; c++)
                acc[r * COLS + c] = dot_fma(w, v[c], acc[r * COLS + c]);
        }
    }
}

uint row_elements()
{
    return (p.k + 3u) / 4u;
}
#else
uint scale_at[ROWS];

void multiply()
{
    uint n = p.k / 32u;
    for (uint i = 0u; i < n; i++) {
        float sum[ROWS * COLS];
        float d[ROWS];
#if defined(WEIGHT_Q4_0)
        uvec4 w[ROWS];
#endif
        [[unroll]] for (uint r = 0u; r < ROWS; r++) {
            vec2 pair = load_f16(plane1[scale_at[r] + i / 2u]);
            d[r] = (i & 1u) == 0u ? pair.x : pair.y;
#if defined(WEIGHT_Q4_0)
            w[r] = plane0[w_at[r] + i];
#endif
        }
        [[unroll]] for (uint rc = 0u; rc < ROWS * COLS; rc++)
            sum[rc] = 0.0;
#if defined(WEIGHT_Q4_0)
        [[unroll]] for (uint j = 0u; j < 4u; j++) {
            vec4 low[COLS], high[COLS];
            [[unroll]] for (uint c = 0u; c < COLS; c++) {
                low[c] = load_x(x_at[c] + 32u * i + 4u * j);
                high[c] = load_x(x_at[c] + 32u * i + 16u + 4u * j);
            }
            [[unroll]] for (uint r = 0u; r < ROWS; r++) {
                vec4 q = load_low_nibbles(w[r][j]), h = load_high_nibbles(w[r][j]);
                [[unroll]] for (uint c = 0u; c < COLS; c++)
                    sum[r * COLS + c] = dot_fma(h, high[c], dot_fma(q, low[c], sum[r * COLS + c]));
            }
        }
#else
        [[unroll]] for (uint m = 0u; m < 2u; m++) {
            uvec4 w[ROWS];
            [[unroll]] for (uint r = 0u; r < ROWS; r++)
                w[r] = plane0[w_at[r] + 2u * i + m];
            [[unroll]] for (uint j = 0u; j < 4u; j++) {
                vec4 v[COLS];
                [[unroll]] for (uint c = 0u; c < COLS; c++)
                    v[c] = load_x(x_at[c] + 32u * i + 16u * m + 4u * j);
                [[unroll]] for (uint r = 0u; r < ROWS; r++) {
                    vec4 q = load_i8(w[r][j]);
                    [[unroll]] for (uint c = 0u; c < COLS; c++)
                        sum[r * COLS + c] = dot_fma(q, v[c], sum[r * COLS + c]);
                }
            }
        }
#endif
        [[unroll]] for (uint r = 0u; r < ROWS; r++)
            [[unroll]] for (uint c = 0u; c < COLS; c++)
                acc[r * COLS + c] = fma(d[r], sum[r * COLS + c], acc[r * COLS + c]);
    }
}

uint row_elements()
{
#if defined(WEIGHT_Q4_0)
    return p.k / 32u;
#else
    return p.k / 16u;
#endif
}
#endif

void main()
{
    uint lane = gl_LocalInvocationID.x & ((1u << LANES_LOG2) - 1u);
    uint first_row = ((gl_WorkGroupID.x << LANES_LOG2) + lane) * ROWS;
    uint col_lanes = gl_WorkGroupSize.x >> LANES_LOG2;
    uint first_col = (gl_WorkGroupID.y * col_lanes + (gl_LocalInvocationID.x >> LANES_LOG2)) * COLS;
    bool single = p.per_slot == 1u;
    uint strip = single ? p.cols : p.per_slot;
    if (first_row >= p.rows || first_col >= strip)
        return;

    [[unroll]] for (uint r = 0u; r < ROWS; r++) {
        uint row = p.w_row + min(first_row + r, p.rows - 1u);
        w_at[r] = row * row_elements();
#if defined(WEIGHT_Q8_0) || defined(WEIGHT_Q4_0)
        scale_at[r] = row * ((p.k / 32u + 1u) / 2u);
#endif
    }
    [[unroll]] for (uint c = 0u; c < COLS; c++) {
        uint col = min(first_col + c, strip - 1u);
        x_at[c] = p.x_base + (single ? col * p.x_slot_stride
                                     : gl_WorkGroupID.z * p.x_slot_stride + col * p.x_col_stride);
    }
    [[unroll]] for (uint rc = 0u; rc < ROWS * COLS; rc++)
        acc[rc] = 0.0;

    multiply();

    const uint step = (FLAGS & MATMUL_GATE) != 0u ? 2u : 1u;
    [[unroll]] for (uint c = 0u; c < COLS; c++) {
        uint col = first_col + c;
        if (col >= strip)
            break;
        uint slot = single ? col : gl_WorkGroupID.z;
        uint t = single ? 0u : col;
        [[unroll]] for (uint r = 0u; r < ROWS; r += step)
            if (first_row + r < p.rows)
                finish((first_row + r) / step, slot, t, acc[r * COLS + c],
                       acc[(r + step - 1u) * COLS + c]);
    }
}
