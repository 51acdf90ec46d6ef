// SPDX-License-Identifier: MIT
// out[i] = in[i] * factor + addend + BIAS, `rounds` times: what test_runtime.c needs of a shader.
#version 450
layout(local_size_x = 64) in;
layout(constant_id = 0) const uint BIAS = 0;
layout(constant_id = 1) const uint UNUSED = 0;
layout(binding = 0, std430) readonly buffer In { uint in_words[]; };
layout(binding = 1, std430) buffer Out { uint out_words[]; };
layout(push_constant) uniform Params { uint n, factor, addend, rounds; };

void main()
{
    uint i = gl_GlobalInvocationID.x;
    if (i >= n)
        return;
    uint value = in_words[i];
    for (uint k = 0; k < rounds; k++)
        value = value * factor + addend + BIAS + UNUSED;
    out_words[i] = value;
}
