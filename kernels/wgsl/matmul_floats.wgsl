// SPDX-License-Identifier: MIT
//
// What the plain form of matmul multiplies of f32, f16 and bf16, whose rows of plane 0 are padded
// to four elements.
//!include matmul_tile
//!include unpack_floats
const QUAD_WORDS = select(2u, 4u, TYPE == TYPE_F32);

fn load_w(at: u32) -> vec4<f32> {
    let pair = vec4<u32>(plane0[at], plane0[at + 1u], 0u, 0u);
    if (TYPE == TYPE_F32) {
        return unpack_floats(vec4<u32>(pair.xy, plane0[at + 2u], plane0[at + 3u]));
    }
    return unpack_floats(pair);
}

// acc += quad i of the rows times n elements of the columns
fn multiply_quad(w_at: vec4<u32>, x_at: vec4<u32>, i: u32, n: u32,
                 acc: mat4x4<f32>) -> mat4x4<f32> {
    let v = load_columns(x_at, 4u * i, n);
    let at = w_at + i * QUAD_WORDS;
    var a = acc;
    a[0] = dot_columns(load_w(at.x), v, a[0]);
    if (ROWS > 1u) {
        a[1] = dot_columns(load_w(at.y), v, a[1]);
    }
    if (ROWS > 2u) {
        a[2] = dot_columns(load_w(at.z), v, a[2]);
        a[3] = dot_columns(load_w(at.w), v, a[3]);
    }
    return a;
}

fn multiply(row: vec4<u32>, x_at: vec4<u32>) -> mat4x4<f32> {
    let w_at = row * ((p.k + 3u) / 4u * QUAD_WORDS);
    let quads = p.k / 4u;
    var acc = mat4x4<f32>();
    for (var i = 0u; i < quads; i++) {
        acc = multiply_quad(w_at, x_at, i, 4u, acc);
    }
    if (p.k % 4u > 0u) {
        acc = multiply_quad(w_at, x_at, quads, p.k % 4u, acc);
    }
    return acc;
}
