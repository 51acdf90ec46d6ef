// SPDX-License-Identifier: MIT
//
// Plane 0 of nibbles, read in halves of blocks: word j is that of quad j, and so are two words of
// four quads.
@group(0) @binding(0) var<storage, read> plane0: array<vec2<u32>>;

fn load_half(at: u32) -> vec4<u32> {
    return plane0[at].xyxy;
}
