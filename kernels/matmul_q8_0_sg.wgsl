// SPDX-License-Identifier: MIT
enable subgroups;
//!include matmul_sg_stage
//!include matmul_sg_heads
const TYPE = TYPE_Q8_0;
const UNIT = 16u; // half a block

// a quad of the unit of each row, times a quad of some columns
fn add_quad(words: vec4<u32>, v: mat4x4<f32>, sums: mat4x4<f32>) -> mat4x4<f32> {
    var s = sums;
    s[0] = dot_columns(bytes_to_floats(words.x, 128.0), v, s[0]);
    if (ROWS > 1u) {
        s[1] = dot_columns(bytes_to_floats(words.y, 128.0), v, s[1]);
    }
    if (ROWS > 2u) {
        s[2] = dot_columns(bytes_to_floats(words.z, 128.0), v, s[2]);
        s[3] = dot_columns(bytes_to_floats(words.w, 128.0), v, s[3]);
    }
    return s;
}

fn add_steps(steps: vec4<f32>, sums: mat4x4<f32>, a: mat4x4<f32>) -> mat4x4<f32> {
    return mat4x4<f32>(fma(vec4<f32>(steps.x), sums[0], a[0]),
                       fma(vec4<f32>(steps.y), sums[1], a[1]),
                       fma(vec4<f32>(steps.z), sums[2], a[2]),
                       fma(vec4<f32>(steps.w), sums[3], a[3]));
}

// unit u of the rows, the i-th of what is staged
fn multiply_unit(unit: Unit, u: u32, i: u32) {
    var sums = mat4x4<f32>();
    var sums_4 = mat4x4<f32>();
    for (var j = 0u; j < 4u; j++) {
        let words = vec4<u32>(unit.words.a[j], unit.words.b[j], unit.words.c[j], unit.words.d[j]) ^
                    vec4<u32>(0x80808080u);
        sums = add_quad(words, staged_columns(0u, 4u * i + j), sums);
        if (COLS > 4u) {
            sums_4 = add_quad(words, staged_columns(4u, 4u * i + j), sums_4);
        }
    }
    let block = u / 2u;
    let steps = vec4<f32>(block_step(unit.heads.a, block, 0u), block_step(unit.heads.b, block, 0u),
                          block_step(unit.heads.c, block, 0u), block_step(unit.heads.d, block, 0u));
    acc = add_steps(steps, sums, acc);
    if (COLS > 4u) {
        acc_4 = add_steps(steps, sums_4, acc_4);
    }
}
