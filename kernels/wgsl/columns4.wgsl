// SPDX-License-Identifier: MIT
//
// The columns of matmul, read in fours: x is bound with whole vectors, padded to 16 bytes.
@group(0) @binding(2) var<storage, read> x: array<vec4<f32>>;

fn load_x_word(at: u32) -> f32 {
    return x[at >> 2u][at & 3u];
}

// the n elements from word `at` on, at least one; 4 at most, then zeros
fn load_x(at: u32, n: u32) -> vec4<f32> {
    let four = vec4<u32>(0u, 1u, 2u, 3u);
    var v: vec4<f32>;
    if (X_ALIGNED != 0u) {
        v = x[at >> 2u];
    } else {
        let words = at + min(four, vec4<u32>(n - 1u));
        v = vec4<f32>(load_x_word(words.x), load_x_word(words.y), load_x_word(words.z),
                      load_x_word(words.w));
    }
    return select(vec4<f32>(0.0), v, four < vec4<u32>(n));
}
