// SPDX-License-Identifier: MIT
//
// Twin of vq_merge.glsl: the best of many picks, found by a workgroup of at most 256 invocations, a
// power of two.
//!include common
//!include vq

var<workgroup> picks: array<vec4<f32>, 256>;

// Of what the first n have put into picks[lane]. All must call it, in uniform control flow and with
// the same n; all get it.
fn merge_group(lane: u32, n: u32) -> vec4<f32> {
    workgroupBarrier();
    for (var stride = local_size / 2u; stride > 0u; stride /= 2u) {
        if (stride >= n) {
            continue;
        }
        if (lane < stride && lane + stride < n) {
            picks[lane] = merge_picks(picks[lane], picks[lane + stride]);
        }
        workgroupBarrier();
    }
    return picks[0];
}
