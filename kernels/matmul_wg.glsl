/* SPDX-License-Identifier: MIT
 *
 * matmul for few columns: a workgroup is groups of 2^LANES_LOG2 invocations. A group makes ROWS x
 * COLS results, its invocations stride along k together and add up in a tree. The order of a sum
 * depends on k and LANES_LOG2 alone. The grid is (rows, columns).
 */
#extension GL_EXT_control_flow_attributes : require
#include "matmul_weights.glsl"
#include "sums.glsl"

#if defined(WEIGHT_F32)
layout(set = 0, binding = 0) readonly buffer Plane0 { vec4 plane0[]; };
#elif defined(WEIGHT_Q8_0)
layout(set = 0, binding = 0) readonly buffer Plane0 { uvec4 plane0[]; };
#else
layout(set = 0, binding = 0) readonly buffer Plane0 { uvec2 plane0[]; };
#endif

shared float partial[ROWS * COLS * gl_WorkGroupSize.x];

/* A unit is what an invocation reads of a row at once: 4 elements, or half a block. */
#if defined(BLOCKS)
#define UNIT 16u
#else
#define UNIT 4u
#endif

#if defined(BLOCKS)
/* quad j of a half */
uint quad_of(uint side, uint j)
{
#if defined(WEIGHT_Q8_0)
    return 4u * side + j;
#else
    return 2u * side + (j & 1u) + 4u * (j >> 1);
#endif
}
#else
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
#endif

uint x_at[COLS];
vec2 norm[COLS]; /* mean, factor */

/* The workgroup's columns are read here and again below: they are in a cache by then. */
void find_norms()
{
    [[unroll]] for (uint c = 0u; c < COLS; c++) {
        float part = 0.0, mean = 0.0;
        if ((FLAGS & MATMUL_NORM_LAYER) != 0u) {
            for (uint i = gl_LocalInvocationID.x; i < p.k; i += gl_WorkGroupSize.x)
                part += x[x_at[c] + i];
            mean = group_sum(part) / float(p.k);
            part = 0.0;
        }
        for (uint i = gl_LocalInvocationID.x; i < p.k; i += gl_WorkGroupSize.x) {
            float d = x[x_at[c] + i] - mean;
            part = fma(d, d, part);
        }
        precise float square = group_sum(part) / float(p.k);
        norm[c] = vec2(mean, 1.0 / sqrt(square + p.eps));
    }
}

float normalized(uint c, uint i, float v)
{
    if ((FLAGS & MATMUL_NORM_RMS) != 0u)
        return v * (scale[i] * norm[c].y);
    return fma((v - norm[c].x) * norm[c].y, scale[i], bias[i]);
}

/* the n elements of column c from i on, then zeros */
vec4 column_quad(uint c, uint i, uint n)
{
    vec4 v = n < 4u ? load_x_tail(x_at[c] + i, n) : load_x(x_at[c] + i);
    if ((FLAGS & MATMUL_NORM) != 0u) {
        [[unroll]] for (uint j = 0u; j < 4u; j++)
            if (j < n)
                v[j] = normalized(c, i + j, v[j]);
    }
    return v;
}

uint row[ROWS];
float acc[ROWS * COLS];

/* acc += unit i of the rows times the columns */
#if defined(BLOCKS)
void multiply_unit(uint i, uint units)
{
    uint block = i / 2u, side = i % 2u;
    vec4 v[4u * COLS];
    float x_sum[COLS];
    [[unroll]] for (uint c = 0u; c < COLS; c++) {
        [[unroll]] for (uint j = 0u; j < 4u; j++)
            v[4u * c + j] = column_quad(c, 32u * block + 4u * quad_of(side, j), 4u);
        x_sum[c] = dot((v[4u * c] + v[4u * c + 1u]) + (v[4u * c + 2u] + v[4u * c + 3u]), vec4(1.0));
    }
    [[unroll]] for (uint r = 0u; r < ROWS; r++) {
        uvec4 head = load_head(row[r] * PLANE1_WORDS(WEIGHT_TYPE, p.k), block, p.k);
        vec4 w[4];
#if defined(WEIGHT_Q8_0)
        uvec4 words = plane0[row[r] * units + i];
#else
        uvec4 words = plane0[row[r] * units + i].xyxy;
#endif
        [[unroll]] for (uint j = 0u; j < 4u; j++)
            w[j] = unpack_quad(words[j], quad_of(side, j), head);
        [[unroll]] for (uint c = 0u; c < COLS; c++) {
            [[unroll]] for (uint part = 0u; part < PARTS; part++) {
                float sum = 0.0;
                [[unroll]] for (uint j = 0u; j < 4u / PARTS; j++)
                    sum = dot_fma(w[4u / PARTS * part + j], v[4u * c + 4u / PARTS * part + j], sum);
                acc[r * COLS + c] = fma(block_step(head, block, part), sum, acc[r * COLS + c]);
            }
#if defined(MINIMA)
            acc[r * COLS + c] = fma(block_min(head, block), x_sum[c], acc[r * COLS + c]);
#endif
        }
    }
}
#else
void multiply_unit(uint i, uint units)
{
    vec4 v[COLS];
    [[unroll]] for (uint c = 0u; c < COLS; c++)
        v[c] = column_quad(c, 4u * i, min(p.k - 4u * i, 4u));
    [[unroll]] for (uint r = 0u; r < ROWS; r++) {
        vec4 w = load_w(row[r] * units + i);
        [[unroll]] for (uint c = 0u; c < COLS; c++)
            acc[r * COLS + c] = dot_fma(w, v[c], acc[r * COLS + c]);
    }
}
#endif

void main()
{
    const uint lanes = 1u << LANES_LOG2;
    uint lane = gl_LocalInvocationID.x & (lanes - 1u);
    uint group = gl_WorkGroupID.x * (gl_WorkGroupSize.x >> LANES_LOG2)
                 + (gl_LocalInvocationID.x >> LANES_LOG2);
    uint first_row = group * ROWS;
    uint first_col = gl_WorkGroupID.y * COLS;
    uint units = (p.k + UNIT - 1u) / UNIT;

    [[unroll]] for (uint r = 0u; r < ROWS; r++)
        row[r] = p.w_row + min(first_row + r, p.rows - 1u);
    [[unroll]] for (uint c = 0u; c < COLS; c++) {
        uint col = min(first_col + c, p.cols - 1u);
        x_at[c] = p.x_base + (col / p.per_slot) * p.x_slot_stride +
                  (col % p.per_slot) * p.x_col_stride;
    }
    [[unroll]] for (uint rc = 0u; rc < ROWS * COLS; rc++)
        acc[rc] = 0.0;
    if ((FLAGS & MATMUL_NORM) != 0u)
        find_norms();

    for (uint i = lane; i < units; i += lanes)
        multiply_unit(i, units);

    uint local = gl_LocalInvocationID.x;
    [[unroll]] for (uint rc = 0u; rc < ROWS * COLS; rc++)
        partial[rc * gl_WorkGroupSize.x + local] = acc[rc];
    barrier();
    for (uint half_lanes = lanes / 2u; half_lanes > 0u; half_lanes /= 2u) {
        if (lane < half_lanes) {
            [[unroll]] for (uint rc = 0u; rc < ROWS * COLS; rc++)
                partial[rc * gl_WorkGroupSize.x + local] +=
                    partial[rc * gl_WorkGroupSize.x + local + half_lanes];
        }
        barrier();
    }

    const uint step = (FLAGS & MATMUL_GATE) != 0u ? 2u : 1u;
    for (uint i = lane; i < ROWS / step * COLS; i += lanes) {
        uint r = i / COLS * step, c = i % COLS;
        uint col = first_col + c;
        uint from = local - lane;
        if (first_row + r < p.rows && col < p.cols)
            finish((first_row + r) / step, col / p.per_slot, col % p.per_slot,
                   partial[(r * COLS + c) * gl_WorkGroupSize.x + from],
                   partial[((r + step - 1u) * COLS + c) * gl_WorkGroupSize.x + from]);
    }
}
