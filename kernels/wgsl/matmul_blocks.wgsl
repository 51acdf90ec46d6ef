// SPDX-License-Identifier: MIT
//
// What the plain form of matmul multiplies of the block types.
//!include matmul_tile
//!include matmul_heads

// sums += quads `quad` and, of nibbles, quad + 4 of a row's block, which `word` has
fn multiply_word(word: u32, quad: u32, block: u32, head: vec4<u32>, v: mat4x4<f32>,
                 behind: mat4x4<f32>, sums: vec4<f32>) -> vec4<f32> {
    let s = dot_columns(unpack_scaled(word, quad, block, head), v, sums);
    if (NIBBLES) {
        return dot_columns(unpack_scaled(word, quad + 4u, block, head), behind, s);
    }
    return s;
}

fn multiply(row: vec4<u32>, x_at: vec4<u32>) -> mat4x4<f32> {
    let w_at = row * (p.k / 32u * BLOCK_WORDS);
    let head_at = row * plane1_words(TYPE, p.k);
    var acc = mat4x4<f32>();
    for (var b = 0u; b < p.k / 32u; b++) {
        let head0 = load_head(head_at.x, b, p.k);
        var head1 = vec4<u32>(0u);
        var head2 = vec4<u32>(0u);
        var head3 = vec4<u32>(0u);
        if (ROWS > 1u) {
            head1 = load_head(head_at.y, b, p.k);
        }
        if (ROWS > 2u) {
            head2 = load_head(head_at.z, b, p.k);
            head3 = load_head(head_at.w, b, p.k);
        }
        var s0 = vec4<f32>(0.0);
        var s1 = vec4<f32>(0.0);
        var s2 = vec4<f32>(0.0);
        var s3 = vec4<f32>(0.0);
        var x_sums = vec4<f32>(0.0);
        for (var i = 0u; i < BLOCK_WORDS; i++) {
            let e = b * 32u + i * 4u;
            let v = load_columns(x_at, e, 4u);
            var behind = mat4x4<f32>();
            if (NIBBLES) {
                behind = load_columns(x_at, e + 16u, 4u);
            }
            if (MINIMA) {
                x_sums = dot_columns(vec4<f32>(1.0), behind,
                                     dot_columns(vec4<f32>(1.0), v, x_sums));
            }
            let at = w_at + b * BLOCK_WORDS + i;
            s0 = multiply_word(plane0[at.x], i, b, head0, v, behind, s0);
            if (ROWS > 1u) {
                s1 = multiply_word(plane0[at.y], i, b, head1, v, behind, s1);
            }
            if (ROWS > 2u) {
                s2 = multiply_word(plane0[at.z], i, b, head2, v, behind, s2);
                s3 = multiply_word(plane0[at.w], i, b, head3, v, behind, s3);
            }
        }
        acc[0] = add_block(head0, b, s0, x_sums, acc[0]);
        if (ROWS > 1u) {
            acc[1] = add_block(head1, b, s1, x_sums, acc[1]);
        }
        if (ROWS > 2u) {
            acc[2] = add_block(head2, b, s2, x_sums, acc[2]);
            acc[3] = add_block(head3, b, s3, x_sums, acc[3]);
        }
    }
    return acc;
}
