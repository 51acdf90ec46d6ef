// SPDX-License-Identifier: MIT
//
// Twin of matmul_mm.glsl, matmul for many columns: a workgroup makes a tile of rows and columns.
// CHUNK elements of each are unpacked into shared memory at a time, while the next ones are on
// their way into registers; an invocation makes ROWS x COLS results of what lies there, one or two
// quads of rows and of columns. The sum of a result runs along k in order, whatever the tile and
// the number of columns. The workgroup is 2^LANES_LOG2 invocations along the rows, the rest along
// the columns; the grid is (rows, columns), the columns folded into two dimensions.
// matmul_mm_floats.wgsl and matmul_mm_blocks.wgsl load and unpack rows.
//!include matmul_weights
//!include vectors
//!include columns4
@id(6) override CHUNK: u32 = 16u; // a multiple of 4

// A unit is what an invocation brings at once: 4 elements of a quad of rows, or of columns.
override ROW_LANES: u32 = 1u << LANES_LOG2;
override COL_LANES: u32 = local_size >> LANES_LOG2;
override ROW_QUADS: u32 = ROWS / 4u * ROW_LANES;
override COL_QUADS: u32 = COLS / 4u * COL_LANES;
override STEPS: u32 = CHUNK / 4u;
override ROW_UNITS: u32 = ROW_QUADS * STEPS;
override UNITS: u32 = ROW_UNITS + COL_QUADS * STEPS;

var<workgroup> row_tile: array<vec4<f32>, CHUNK * ROW_QUADS>; // [element][quad]: four rows
var<workgroup> col_tile: array<vec4<f32>, CHUNK * COL_QUADS>; // the same of columns

// Results: four rows of each of four columns, the second quads of columns and of rows.
var<private> acc: mat4x4<f32>;
var<private> acc_cols: mat4x4<f32>;
var<private> acc_rows: mat4x4<f32>;
var<private> acc_both: mat4x4<f32>;

struct Staged {
    a: vec4<u32>,
    b: vec4<u32>,
    c: vec4<u32>,
    d: vec4<u32>,
}

// Where quad `quad` lies among those of an element of step `s`. Steps are stored side by side by
// neighbours, quads are read so: turned by the step, neither meets the same bank.
fn place(quad: u32, s: u32, quads: u32) -> u32 {
    return quad ^ ((s * max(8u / STEPS, 1u)) & (min(quads, 8u) - 1u));
}

// four rows of the weights, or words where columns begin
fn find_unit(unit: u32, first_row: u32, first_col: u32) -> vec4<u32> {
    let four = vec4<u32>(0u, 1u, 2u, 3u);
    let quad = unit / STEPS;
    if (unit < ROW_UNITS) {
        return p.w_row + min(first_row + 4u * quad + four, vec4<u32>(p.rows - 1u));
    }
    let col = min(first_col + 4u * (quad - ROW_QUADS) + four, vec4<u32>(p.cols - 1u));
    return p.x_base + col / p.per_slot * p.x_slot_stride + col % p.per_slot * p.x_col_stride;
}

fn load_unit(unit: u32, at: vec4<u32>, i: u32) -> Staged {
    if (unit < ROW_UNITS) {
        return Staged(load_row(at.x, i), load_row(at.y, i), load_row(at.z, i), load_row(at.w, i));
    }
    let n = p.k - i;
    return Staged(bitcast<vec4<u32>>(load_x(at.x + i, n)), bitcast<vec4<u32>>(load_x(at.y + i, n)),
                  bitcast<vec4<u32>>(load_x(at.z + i, n)), bitcast<vec4<u32>>(load_x(at.w + i, n)));
}

fn store_unit(unit: u32, staged: Staged, chunk: u32) {
    let s = unit % STEPS;
    let quad = unit / STEPS;
    let i = chunk + 4u * s;
    if (unit < ROW_UNITS) {
        let m = transpose(mat4x4<f32>(unpack_row(staged.a, i), unpack_row(staged.b, i),
                                      unpack_row(staged.c, i), unpack_row(staged.d, i)));
        let at = 4u * s * ROW_QUADS + place(quad, s, ROW_QUADS);
        row_tile[at] = m[0];
        row_tile[at + ROW_QUADS] = m[1];
        row_tile[at + 2u * ROW_QUADS] = m[2];
        row_tile[at + 3u * ROW_QUADS] = m[3];
    } else if (unit < UNITS) {
        let m = transpose(mat4x4<f32>(bitcast<vec4<f32>>(staged.a), bitcast<vec4<f32>>(staged.b),
                                      bitcast<vec4<f32>>(staged.c), bitcast<vec4<f32>>(staged.d)));
        let at = 4u * s * COL_QUADS + place(quad - ROW_QUADS, s, COL_QUADS);
        col_tile[at] = m[0];
        col_tile[at + COL_QUADS] = m[1];
        col_tile[at + 2u * COL_QUADS] = m[2];
        col_tile[at + 3u * COL_QUADS] = m[3];
    }
}

// sums: four rows of each of four columns
fn add_product(w: vec4<f32>, v: vec4<f32>, sums: mat4x4<f32>) -> mat4x4<f32> {
    return mat4x4<f32>(fma(w, v.xxxx, sums[0]), fma(w, v.yyyy, sums[1]), fma(w, v.zzzz, sums[2]),
                       fma(w, v.wwww, sums[3]));
}

// acc += the first `steps` fours of elements of the chunk that is stored
fn multiply(steps: u32, row_lane: u32, col_lane: u32) {
    for (var s = 0u; s < steps; s++) {
        let row = place(row_lane, s, ROW_QUADS);
        let col = place(col_lane, s, COL_QUADS);
        let next_row = place(ROW_LANES + row_lane, s, ROW_QUADS);
        let next_col = place(COL_LANES + col_lane, s, COL_QUADS);
        for (var e = 4u * s; e < 4u * s + 4u; e++) {
            let w = row_tile[e * ROW_QUADS + row];
            let v = col_tile[e * COL_QUADS + col];
            acc = add_product(w, v, acc);
            if (COLS > 4u) {
                acc_cols = add_product(w, col_tile[e * COL_QUADS + next_col], acc_cols);
            }
            if (ROWS > 4u) {
                acc_rows = add_product(row_tile[e * ROW_QUADS + next_row], v, acc_rows);
            }
            if (ROWS > 4u && COLS > 4u) {
                acc_both = add_product(row_tile[e * ROW_QUADS + next_row],
                                       col_tile[e * COL_QUADS + next_col], acc_both);
            }
        }
    }
}

// A quad of rows of a quad of columns.
fn write_quads(row: u32, first_col: u32, sums: mat4x4<f32>) {
    let step = select(1u, 2u, (FLAGS & MATMUL_GATE) != 0u);
    for (var c = 0u; c < min(4u, p.cols - min(first_col, p.cols)); c++) {
        let col = first_col + c;
        for (var r = 0u; r < min(4u, p.rows - min(row, p.rows)); r += step) {
            finish((row + r) / step, col / p.per_slot, col % p.per_slot, sums[c][r],
                   sums[c][r + step - 1u]);
        }
    }
}

// The invocation's rows are every ROW_LANES-th quad from `row` on, its columns likewise.
fn write(row: u32, col: u32) {
    var results = array<mat4x4<f32>, 4>(acc, acc_cols, acc_rows, acc_both);
    for (var r = 0u; r < ROWS / 4u; r++) {
        for (var c = 0u; c < COLS / 4u; c++) {
            write_quads(row + r * 4u * ROW_LANES, col + c * 4u * COL_LANES, results[2u * r + c]);
        }
    }
}

@compute @workgroup_size(local_size)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) local: u32) {
    let first_row = group.x * 4u * ROW_QUADS;
    let first_col = (group.z * groups.y + group.y) * 4u * COL_QUADS;
    let row_lane = local % ROW_LANES;
    let col_lane = local / ROW_LANES;
    if (first_col >= p.cols) {
        return;
    }
    // The plan's tiles leave two units at most to an invocation.
    let next = local + local_size;
    let at = find_unit(local, first_row, first_col);
    let next_at = find_unit(next, first_row, first_col);
    let i = 4u * (local % STEPS);
    let next_i = 4u * (next % STEPS);
    var staged: Staged;
    var next_staged: Staged;
    for (var chunk = 0u; ; chunk += CHUNK) {
        if (local < UNITS && chunk + i < p.k) {
            staged = load_unit(local, at, chunk + i);
        }
        if (UNITS > local_size && next < UNITS && chunk + next_i < p.k) {
            next_staged = load_unit(next, next_at, chunk + next_i);
        }
        if (chunk > 0u) {
            multiply(min(STEPS, (p.k + CHUNK - chunk + 3u) / 4u), row_lane, col_lane);
        }
        if (chunk >= p.k) {
            break;
        }
        workgroupBarrier(); // the chunk before has been read
        store_unit(local, staged, chunk);
        if (UNITS > local_size) {
            store_unit(next, next_staged, chunk);
        }
        workgroupBarrier();
    }
    write(first_row + 4u * row_lane, first_col + 4u * col_lane);
}
