/* SPDX-License-Identifier: MIT
 *
 * layernorm: PARTS invocations a column, which all make its sums and share its elements.
 */
#include "common.glsl"
#include "texels.glsl"

PARAMS(norm_params);

layout(constant_id = 1) const uint PARTS = 1u;

IN_FLOATS(0, x)
IN_FLOATS(1, weight)
IN_FLOATS(2, bias)
layout(set = 0, binding = 3, std430) writeonly buffer Y { float y[]; };

void main()
{
    uint index = global_index();
    uint col = index / PARTS, part = index % PARTS;
    if (col >= p.cols)
        return;
    uint base = col * p.dim, quads = p.dim / 4u * 4u;
    vec4 sums = vec4(0.0);
    uint i = 0u;
    for (; i < quads; i += 4u)
        sums += x4(base + i);
    for (; i < p.dim; i++)
        sums.x += x(base + i);
    float mean = ((sums.x + sums.y) + (sums.z + sums.w)) / float(p.dim);

    vec4 squares = vec4(0.0);
    for (i = 0u; i < quads; i += 4u) {
        vec4 d = x4(base + i) - mean;
        squares = fma(d, d, squares);
    }
    for (; i < p.dim; i++) {
        float d = x(base + i) - mean;
        squares.x = fma(d, d, squares.x);
    }
    precise float var = ((squares.x + squares.y) + (squares.z + squares.w)) / float(p.dim);
    precise float scale = 1.0 / sqrt(var + p.eps);
    for (i = 4u * part; i < quads; i += 4u * PARTS) {
        vec4 v = fma((x4(base + i) - mean) * scale, weight4(i), bias4(i));
        y[base + i] = v.x;
        y[base + i + 1u] = v.y;
        y[base + i + 2u] = v.z;
        y[base + i + 3u] = v.w;
    }
    for (i = quads + part; i < p.dim; i += PARTS)
        y[base + i] = fma((x(base + i) - mean) * scale, weight(i), bias(i));
}
