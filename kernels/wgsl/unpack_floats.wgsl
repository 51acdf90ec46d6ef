// SPDX-License-Identifier: MIT
//
// Four elements of f32, or of f16 or bf16 in the first two words.
//!include common
fn unpack_floats(words: vec4<u32>) -> vec4<f32> {
    if (TYPE == TYPE_F16) {
        return vec4<f32>(load_f16(words.x), load_f16(words.y));
    }
    if (TYPE == TYPE_BF16) {
        return vec4<f32>(load_bf16(words.x), load_bf16(words.y));
    }
    return bitcast<vec4<f32>>(words);
}
