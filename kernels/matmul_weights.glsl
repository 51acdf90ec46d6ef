/* SPDX-License-Identifier: MIT
 *
 * Bindings and epilogue that the forms of matmul share; matmul_tx.glsl reads x as texels
 * (MATMUL_TEXELS), and qkv.glsl has another epilogue (MATMUL_QKV). One of WEIGHT_F32, WEIGHT_F16,
 * WEIGHT_BF16 and those of blocks.glsl is defined before.
 */
#include "common.glsl"
#include "blocks.glsl"

layout(constant_id = 1) const uint ROWS = 1u; /* a tile: rows and columns of an invocation */
layout(constant_id = 2) const uint COLS = 1u;
layout(constant_id = 3) const uint LANES_LOG2 = 0u;
layout(constant_id = 4) const uint X_ALIGNED = 0u; /* all columns of x begin at multiples of 4 words */
layout(constant_id = 5) const uint FLAGS = 0u;     /* MATMUL_* */

#if !defined(MATMUL_TEXELS)
layout(set = 0, binding = 2) readonly buffer X { float x[]; };
layout(set = 0, binding = 2) readonly buffer X4 { vec4 x4[]; };
#endif
layout(set = 0, binding = 3) readonly buffer Bias { float bias[]; };
layout(set = 0, binding = 4) readonly buffer Scale { float scale[]; };

#if defined(MATMUL_QKV)
#include "qkv.glsl"
#else
layout(set = 0, binding = 5) readonly buffer Residual { float residual[]; };
layout(set = 0, binding = 6) buffer Y { float y[]; };
layout(set = 0, binding = 7) writeonly buffer Y2 { float y2[]; };

PARAMS(matmul_params);
#endif

#if !defined(MATMUL_TEXELS)
/* the four elements of column x from word i on */
vec4 load_x(uint i)
{
    if (X_ALIGNED != 0u)
        return x4[i >> 2];
    return vec4(x[i], x[i + 1u], x[i + 2u], x[i + 3u]);
}

/* the last k % 4 elements of a column, then zeros: nothing behind them may be read */
vec4 load_x_tail(uint i, uint n)
{
    vec4 v = vec4(x[i], 0.0, 0.0, 0.0);
    if (n > 1u)
        v.y = x[i + 1u];
    if (n > 2u)
        v.z = x[i + 2u];
    return v;
}

#endif

float dot_fma(vec4 w, vec4 v, float acc)
{
    return fma(w.w, v.w, fma(w.z, v.z, fma(w.y, v.y, fma(w.x, v.x, acc))));
}

#if !defined(MATMUL_QKV)
/* row: of the output, slot and t: of the column; odd is what the second row of a gated pair gave */
void finish(uint row, uint slot, uint t, float acc, float odd)
{
    uint o = p.row_offset + row;
    uint at = p.y_base + slot * p.y_slot_stride + t * p.y_col_stride + o;
    precise float v = acc;
    if ((FLAGS & MATMUL_GATE) != 0u)
        v = silu(acc) * odd;
    if ((FLAGS & MATMUL_BIAS) != 0u)
        v = v + bias[o];
    if ((FLAGS & MATMUL_GELU) != 0u)
        v = gelu(v);
    if ((FLAGS & MATMUL_SCALE) != 0u)
        v = v * scale[o];
    if ((FLAGS & MATMUL_ADD) != 0u)
        v = v + residual[p.res_base + slot * p.res_slot_stride + t * p.res_col_stride + o];
    if ((FLAGS & MATMUL_ADD_TO) != 0u)
        v = v + y[at];
    y[at] = (FLAGS & MATMUL_ELU) != 0u ? elu(v) : v;
    if ((FLAGS & MATMUL_DUAL) != 0u)
        y2[p.y2_base + slot * p.y2_slot_stride + t * p.y2_col_stride + o] = elu(v);
}
#endif
