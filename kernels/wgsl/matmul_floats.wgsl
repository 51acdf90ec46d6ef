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

fn multiply(row: vec4<u32>, x_at: vec4<u32>) -> mat4x4<f32> {
    let w_at = row * ((p.k + 3u) / 4u * QUAD_WORDS);
    var acc = mat4x4<f32>();
    for (var e = 0u; e < p.k; e += 4u) {
        let v = load_columns(x_at, e, min(4u, p.k - e));
        let at = w_at + e / 4u * QUAD_WORDS;
        acc[0] = dot_columns(load_w(at.x), v, acc[0]);
        if (ROWS > 1u) {
            acc[1] = dot_columns(load_w(at.y), v, acc[1]);
        }
        if (ROWS > 2u) {
            acc[2] = dot_columns(load_w(at.z), v, acc[2]);
            acc[3] = dot_columns(load_w(at.w), v, acc[3]);
        }
    }
    return acc;
}
