// SPDX-License-Identifier: MIT
//
// Units of matmul_sg for the types of nibbles: a block. Of those there are 4 columns at most.
//!include matmul_sg_stage
//!include matmul_sg_heads
const UNIT = 32u;

// As bytes_to_floats, of the low and of the high halves of bytes.
fn low_nibbles(word: u32) -> vec4<f32> {
    return bytes_to_floats(word & 0x0f0f0f0fu, f32(CODE_OFFSET));
}

fn high_nibbles(word: u32) -> vec4<f32> {
    let high = word >> 16u;
    let bits = vec4<u32>(word & 0xf0u, word & 0xf000u, high & 0xf0u, high & 0xf000u);
    let leading = vec4<u32>(0x49000000u, 0x45000000u, 0x49000000u, 0x45000000u);
    return bitcast<vec4<f32>>(bits | leading) -
           (vec4<f32>(524288.0, 2048.0, 524288.0, 2048.0) + f32(CODE_OFFSET));
}

// the codes of quad `quad` and of quad + 4, which `word` has
fn unpack_word(word: u32, quad: u32, head: vec4<u32>) -> mat2x4<f32> {
    if (HIGH_WORDS > 0u) {
        return mat2x4<f32>(bytes_to_floats(quad_codes(word, quad, head), f32(CODE_OFFSET)),
                           bytes_to_floats(quad_codes(word, quad + 4u, head), f32(CODE_OFFSET)));
    }
    return mat2x4<f32>(low_nibbles(word), high_nibbles(word));
}

// Sums of a block, or of its parts, one a column.
struct Sums {
    low: vec4<f32>,
    high: vec4<f32>,
}

fn add_word(word: u32, quad: u32, head: vec4<u32>, v: mat4x4<f32>, behind: mat4x4<f32>,
            sums: Sums) -> Sums {
    let w = unpack_word(word, quad, head);
    let low = dot_columns(w[0], v, sums.low);
    if (PARTS > 1u) {
        return Sums(low, dot_columns(w[1], behind, sums.high));
    }
    return Sums(dot_columns(w[1], behind, low), sums.high);
}

fn add_sums(r: u32, sums: Sums, x_sums: vec4<f32>, head: vec4<u32>, block: u32) {
    acc[r] = fma(vec4<f32>(block_step(head, block, 0u)), sums.low, acc[r]);
    if (PARTS > 1u) {
        acc[r] = fma(vec4<f32>(block_step(head, block, 1u)), sums.high, acc[r]);
    }
    if (MINIMA) {
        acc[r] = fma(vec4<f32>(block_min(head, block)), x_sums, acc[r]);
    }
}

// unit u of the rows, the i-th of what is staged
fn multiply_unit(unit: Unit, u: u32, i: u32) {
    var a = Sums(vec4<f32>(0.0), vec4<f32>(0.0));
    var b = a;
    var c = a;
    var d = a;
    var x_sums = vec4<f32>(0.0);
    for (var j = 0u; j < 4u; j++) {
        let v = staged_columns(0u, 8u * i + j);
        let behind = staged_columns(0u, 8u * i + j + 4u);
        if (MINIMA) {
            x_sums = dot_columns(vec4<f32>(1.0), behind, dot_columns(vec4<f32>(1.0), v, x_sums));
        }
        a = add_word(unit.words.a[j], j, unit.heads.a, v, behind, a);
        if (ROWS > 1u) {
            b = add_word(unit.words.b[j], j, unit.heads.b, v, behind, b);
        }
        if (ROWS > 2u) {
            c = add_word(unit.words.c[j], j, unit.heads.c, v, behind, c);
            d = add_word(unit.words.d[j], j, unit.heads.d, v, behind, d);
        }
    }
    add_sums(0u, a, x_sums, unit.heads.a, u);
    if (ROWS > 1u) {
        add_sums(1u, b, x_sums, unit.heads.b, u);
    }
    if (ROWS > 2u) {
        add_sums(2u, c, x_sums, unit.heads.c, u);
        add_sums(3u, d, x_sums, unit.heads.d, u);
    }
}
