// SPDX-License-Identifier: MIT
//
// Four elements of f32 as they lie in plane 0.
//!include words4
fn load_packed(at: u32) -> vec4<u32> {
    return plane0[at];
}
