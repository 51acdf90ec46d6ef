// SPDX-License-Identifier: MIT
//
// Twin of sums.glsl: the sum over a workgroup of 64 to 256 invocations, a power of two. All must
// call it, in uniform control flow; all get it.
//!include common

var<workgroup> sums: array<f32, 256>;

fn group_sum(lane: u32, value: f32) -> f32 {
    workgroupBarrier(); // until the sums of the call before have been read
    sums[lane] = value;
    workgroupBarrier();
    for (var n = local_size / 2u; n > 0u; n /= 2u) {
        if (lane < n) {
            sums[lane] += sums[lane + n];
        }
        workgroupBarrier();
    }
    return sums[0];
}
