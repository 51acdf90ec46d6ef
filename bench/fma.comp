#version 450
/* SPDX-License-Identifier: MIT
 *
 * `steps` multiply-adds in each of 4 VECTORS independent chains. With factor 0.5 and addend 1 each
 * chain comes to exactly 2 within some thirty steps, so that the host can tell that the work was
 * done; the compiler cannot know.
 */
layout(local_size_x_id = 0) in;
layout(constant_id = 1) const uint VECTORS = 2u;
layout(push_constant, std430) uniform Params
{
    uint steps;
    float factor, addend;
} p;
layout(set = 0, binding = 0, std430) writeonly buffer Sums { float sums[]; };

void main()
{
    uint at = gl_WorkGroupID.x * gl_WorkGroupSize.x + gl_LocalInvocationID.x;
    vec4 a = vec4(at, 1.0, 2.0, 3.0), b = a + 4.0, c = a + 8.0, d = a + 12.0;
    vec4 m = vec4(p.factor), n = vec4(p.addend);
    for (uint i = 0u; i < p.steps; i++) {
        a = fma(a, m, n);
        b = fma(b, m, n);
        if (VECTORS > 2u) {
            c = fma(c, m, n);
            d = fma(d, m, n);
        }
    }
    vec4 sum = a + b;
    if (VECTORS > 2u)
        sum += c + d;
    sums[at] = sum.x + sum.y + sum.z + sum.w;
}
