// SPDX-License-Identifier: MIT
//
// Units of matmul_sg for f32 (one quad of elements), f16 and bf16 (two).
//!include matmul_sg_stage
//!include unpack_floats
const QUADS = select(2u, 1u, TYPE == TYPE_F32);
const UNIT = 4u * QUADS;

struct Unit {
    words: Rows,
}

fn load_unit(u: u32) -> Unit {
    return Unit(load_words(u));
}

// acc += the rows' words of a quad times what is staged of it
fn multiply_quad(words: Rows, quad: u32) {
    let v = staged_columns(0u, quad);
    var v_4 = mat4x4<f32>();
    if (COLS > 4u) {
        v_4 = staged_columns(4u, quad);
    }
    multiply_row(0u, words.a, v, v_4);
    if (ROWS > 1u) {
        multiply_row(1u, words.b, v, v_4);
    }
    if (ROWS > 2u) {
        multiply_row(2u, words.c, v, v_4);
        multiply_row(3u, words.d, v, v_4);
    }
}

fn multiply_row(r: u32, words: vec4<u32>, v: mat4x4<f32>, v_4: mat4x4<f32>) {
    let w = unpack_floats(words);
    acc[r] = dot_columns(w, v, acc[r]);
    if (COLS > 4u) {
        acc_4[r] = dot_columns(w, v_4, acc_4[r]);
    }
}

// unit u of the rows, the i-th of what is staged
fn multiply_unit(unit: Unit, u: u32, i: u32) {
    multiply_quad(unit.words, i * QUADS);
    if (QUADS > 1u) {
        let w = unit.words;
        multiply_quad(Rows(w.a.zwxy, w.b.zwxy, w.c.zwxy, w.d.zwxy), i * QUADS + 1u);
    }
}
