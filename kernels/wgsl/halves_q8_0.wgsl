// SPDX-License-Identifier: MIT
//
// Plane 0 of q8_0, read in halves of blocks: word j is that of quad j.
@group(0) @binding(0) var<storage, read> plane0: array<vec4<u32>>;

fn load_half(at: u32) -> vec4<u32> {
    return plane0[at];
}
