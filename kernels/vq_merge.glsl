/* SPDX-License-Identifier: MIT
 *
 * The best of many picks, found by a workgroup of at most 256 invocations, a power of two.
 */
shared vec4 picks[256];

/* Of what the first n have put into picks[gl_LocalInvocationID.x]. All must call it; all get it. */
vec4 merge_group(uint n)
{
    uint lane = gl_LocalInvocationID.x;
    barrier();
    for (uint stride = gl_WorkGroupSize.x / 2u; stride > 0u; stride /= 2u) {
        if (stride >= n)
            continue;
        if (lane < stride && lane + stride < n)
            picks[lane] = merge_picks(picks[lane], picks[lane + stride]);
        barrier();
    }
    return picks[0];
}
