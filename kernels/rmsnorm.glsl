/* SPDX-License-Identifier: MIT
 *
 * rmsnorm: PARTS invocations a column, which all make its sum and share its elements.
 */
#include "common.glsl"
#include "texels.glsl"

PARAMS(norm_params);

layout(constant_id = 1) const uint PARTS = 1u;

IN_FLOATS(0, x)
IN_FLOATS(1, alpha)
layout(set = 0, binding = 2, std430) writeonly buffer Y { float y[]; };

void main()
{
    uint index = global_index();
    uint col = index / PARTS, part = index % PARTS;
    if (col >= p.cols)
        return;
    uint base = col * p.dim, quads = p.dim / 4u * 4u;
    vec4 even = vec4(0.0), odd = vec4(0.0);
    uint i = 0u;
    for (; i + 8u <= p.dim; i += 8u) {
        vec4 v = x4(base + i), w = x4(base + i + 4u);
        even = fma(v, v, even);
        odd = fma(w, w, odd);
    }
    for (; i < p.dim; i++)
        even.x = fma(x(base + i), x(base + i), even.x);
    float sum = ((even.x + even.y) + (even.z + even.w)) + ((odd.x + odd.y) + (odd.z + odd.w));
    precise float mean = sum / float(p.dim);
    precise float scale = 1.0 / sqrt(p.eps + mean);
    for (i = 4u * part; i < quads; i += 4u * PARTS) {
        vec4 v = x4(base + i) * (alpha4(i) * scale);
        y[base + i] = v.x;
        y[base + i + 1u] = v.y;
        y[base + i + 2u] = v.z;
        y[base + i + 3u] = v.w;
    }
    for (i = quads + part; i < p.dim; i += PARTS)
        y[base + i] = x(base + i) * (alpha(i) * scale);
}
