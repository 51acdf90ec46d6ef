#version 450
/* SPDX-License-Identifier: MIT
 *
 * Copies 16-byte words, each invocation `COUNT` of them. With TEXELS it fetches them as texels,
 * which CPU devices do far better.
 */
layout(local_size_x_id = 0) in;
layout(constant_id = 1) const uint COUNT = 1u;

#ifdef TEXELS
layout(set = 0, binding = 0) uniform usamplerBuffer from;
#define LOAD(i) texelFetch(from, int(i))
#else
layout(set = 0, binding = 0, std430) readonly buffer From { uvec4 from[]; };
#define LOAD(i) from[i]
#endif
layout(set = 0, binding = 1, std430) writeonly buffer To { uvec4 to[]; };

void main()
{
    uint at = gl_WorkGroupID.x * gl_WorkGroupSize.x * COUNT + gl_LocalInvocationID.x;
    for (uint i = 0u; i < COUNT; i++, at += gl_WorkGroupSize.x)
        to[at] = LOAD(at);
}
