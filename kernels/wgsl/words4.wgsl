// SPDX-License-Identifier: MIT
//
// Plane 0 of any type, read in fours of words.
@group(0) @binding(0) var<storage, read> plane0: array<vec4<u32>>;
