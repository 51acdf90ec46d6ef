// SPDX-License-Identifier: MIT
//
// Twin of matmul_dp.glsl: columns of matmul_sg as signed bytes in shared memory, rounded as
// params.h says, and multiplied four bytes at a time. An invocation rounds a block of 32 elements.
//!include matmul_sg
//!include matmul_sg_heads
const INTEGER_DOT = true;
const UNIT = select(16u, 32u, NIBBLES);

var<workgroup> staged: array<vec4<u32>, COLS * STAGED / 16u>; // elements in order
var<workgroup> steps: array<f32, COLS * STAGED / 32u + local_size>; // what 1 stands for in a block
// 8 times the sum of a block's bytes, which q4_0 needs: nibbles are 0 to 15
var<workgroup> offsets: array<i32, COLS * STAGED / 32u>;

fn set_scratch(i: u32, value: f32) {
    steps[i] = value;
}

fn scratch(i: u32) -> f32 {
    return steps[i];
}

fn uniform_scratch() -> f32 {
    return workgroupUniformLoad(&steps[0]);
}

fn dot_16(a: vec4<u32>, b: vec4<u32>) -> i32 {
    return (dot4I8Packed(a.x, b.x) + dot4I8Packed(a.y, b.y)) +
           (dot4I8Packed(a.z, b.z) + dot4I8Packed(a.w, b.w));
}

// Elements 16 i to 16 i + 15 of what is staged of column c; neighbouring blocks go to different
// banks.
fn staged_at(c: u32, i: u32) -> u32 {
    return c * (STAGED / 16u) + (i ^ ((i >> 3u) & 1u));
}

const TWO_TO_127 = 0x7f000000u;
const NOT_A_NUMBER = 0x7fc00000u;

// bits: of the largest magnitude, below 2^127. From integers, because divisions of floats differ
// between devices.
fn inverse_step(bits: u32) -> f32 {
    let exponent = bits >> 23u;
    if (exponent < 27u) {
        return 0.0;
    }
    let quotient = (127u << 24u) / (((bits >> 11u) & 0xfffu) + 4097u);
    return f32(quotient) * (1.0 / 4096.0) * bitcast<f32>((254u - exponent) << 23u);
}

fn load_weighted(c: u32, e: u32) -> vec4<f32> {
    let v = load_x(column_at(c) + e, 4u);
    if ((FLAGS & MATMUL_NORM_RMS) != 0u) {
        return v * norm_weight(e);
    }
    return v;
}

// Block `block` of what is staged of column c, which begins at element e.
fn stage_block(c: u32, block: u32, e: u32) {
    var most = vec4<u32>(0u); // magnitudes' bits: NaN is above all, and none is lost
    for (var i = 0u; i < 8u; i++) {
        let v = load_weighted(c, e + 4u * i);
        most = max(most, bitcast<vec4<u32>>(v) & vec4<u32>(0x7fffffffu));
    }
    let bits = max(max(most.x, most.y), max(most.z, most.w));
    let bounded = bits < TWO_TO_127;
    var inverse = 0.0;
    if (bounded) {
        inverse = inverse_step(bits);
    }
    var sum = 0;
    for (var side = 0u; side < 2u; side++) {
        var half_block = vec4<u32>(0u);
        for (var i = 0u; i < 4u; i++) {
            let scaled = load_weighted(c, e + 16u * side + 4u * i) * inverse;
            let q = select(vec4<i32>(0), vec4<i32>(round(scaled)), vec4<bool>(bounded));
            sum += q.x + q.y + q.z + q.w;
            let bytes = (bitcast<vec4<u32>>(q) & vec4<u32>(255u)) << vec4<u32>(0u, 8u, 16u, 24u);
            half_block[i] = bytes.x | bytes.y | bytes.z | bytes.w;
        }
        staged[staged_at(c, 2u * block + side)] = half_block;
    }
    let at = c * (STAGED / 32u) + block;
    if (inverse > 0.0) {
        steps[at] = 1.0 / inverse;
    } else {
        steps[at] = bitcast<f32>(select(NOT_A_NUMBER, 0u, bounded));
    }
    offsets[at] = 8 * sum;
}

fn stage(local: u32, first: u32) {
    let blocks = STAGED / 32u;
    workgroupBarrier(); // until what was staged before has been read
    if ((FLAGS & MATMUL_NORM_RMS) != 0u) {
        // In an order that does not depend on the number of columns, unlike the blocks below.
        let end = min(first + STAGED, p.k);
        for (var e = first + 4u * local; e < end; e += 4u * local_size) {
            for (var c = 0u; c < COLS; c++) {
                add_squares(c, load_x(column_at(c) + e, 4u));
            }
        }
    }
    for (var i = local; i < COLS * blocks; i += local_size) {
        let e = first + 32u * (i % blocks);
        if (e < p.k) {
            stage_block(i / blocks, i % blocks, e);
        }
    }
    workgroupBarrier();
}

// sums, one a row, plus the unit's products with column c; d: the blocks' steps
fn add_column(c: u32, unit: Unit, i: u32, d: vec4<f32>, sums: vec4<f32>) -> vec4<f32> {
    let w = unit.words;
    let block = c * (STAGED / 32u) + i * UNIT / 32u;
    var products: vec4<i32>;
    if (NIBBLES) {
        let v = staged[staged_at(c, 2u * i)];
        let behind = staged[staged_at(c, 2u * i + 1u)];
        products = vec4<i32>(dot_nibbles(w.a, v, behind), dot_nibbles(w.b, v, behind),
                             dot_nibbles(w.c, v, behind), dot_nibbles(w.d, v, behind)) -
                   vec4<i32>(offsets[block]);
    } else {
        let v = staged[staged_at(c, i)];
        products = vec4<i32>(dot_16(w.a, v), dot_16(w.b, v), dot_16(w.c, v), dot_16(w.d, v));
    }
    return fma(d * steps[block], vec4<f32>(products), sums);
}

fn dot_nibbles(w: vec4<u32>, v: vec4<u32>, behind: vec4<u32>) -> i32 {
    let low = vec4<u32>(0x0f0f0f0fu);
    return dot_16(w & low, v) + dot_16((w >> vec4<u32>(4u)) & low, behind);
}

// unit u of the rows, the i-th of what is staged
fn multiply_unit(unit: Unit, u: u32, i: u32) {
    let block = u * UNIT / 32u;
    let heads = unit.heads;
    let d = vec4<f32>(block_step(heads.a, block, 0u), block_step(heads.b, block, 0u),
                      block_step(heads.c, block, 0u), block_step(heads.d, block, 0u));
    acc[0] = add_column(0u, unit, i, d, acc[0]);
    if (COLS > 1u) {
        acc[1] = add_column(1u, unit, i, d, acc[1]);
    }
    if (COLS > 2u) {
        acc[2] = add_column(2u, unit, i, d, acc[2]);
        acc[3] = add_column(3u, unit, i, d, acc[3]);
    }
    if (COLS > 4u) {
        acc_4[0] = add_column(4u, unit, i, d, acc_4[0]);
        acc_4[1] = add_column(5u, unit, i, d, acc_4[1]);
        acc_4[2] = add_column(6u, unit, i, d, acc_4[2]);
        acc_4[3] = add_column(7u, unit, i, d, acc_4[3]);
    }
}
