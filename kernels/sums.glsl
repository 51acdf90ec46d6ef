/* SPDX-License-Identifier: MIT
 *
 * The sum over a workgroup of 64 to 256 invocations, a power of two. All must call it; all get it.
 */
shared float sums[256];

float group_sum(float value)
{
    uint lane = gl_LocalInvocationID.x;
    barrier(); /* until the sums of the call before have been read */
    sums[lane] = value;
    barrier();
    for (uint n = gl_WorkGroupSize.x / 2u; n > 0u; n /= 2u) {
        if (lane < n)
            sums[lane] += sums[lane + n];
        barrier();
    }
    return sums[0];
}
