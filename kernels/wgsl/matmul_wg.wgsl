// SPDX-License-Identifier: MIT
//
// Twin of matmul_wg.glsl, matmul for few columns: a workgroup is groups of 2^LANES_LOG2
// invocations. A group makes ROWS x COLS results, 4 x 4 at most, its invocations stride along k
// together and add up in a tree. The order of a sum depends on k and LANES_LOG2 alone. The grid is
// (rows, columns). matmul_wg_floats.wgsl and matmul_wg_blocks.wgsl have units: what an invocation
// reads of a row at once.
//!include matmul_weights
//!include vectors
//!include columns4
//!include sums
var<workgroup> partial: array<f32, ROWS * COLS * local_size>;

var<private> x_at: vec4<u32>; // where the columns begin
var<private> mean: vec4<f32>; // of MATMUL_NORM, one a column
var<private> factor: vec4<f32>;

// The workgroup's columns are read here and again below: they are in a cache by then.
fn find_norms(local: u32) {
    for (var c = 0u; c < COLS; c++) {
        var part = 0.0;
        if ((FLAGS & MATMUL_NORM_LAYER) != 0u) {
            for (var i = local; i < p.k; i += local_size) {
                part += load_x_word(x_at[c] + i);
            }
            mean[c] = group_sum(local, part) / f32(p.k);
            part = 0.0;
        }
        for (var i = local; i < p.k; i += local_size) {
            let d = load_x_word(x_at[c] + i) - mean[c];
            part = fma(d, d, part);
        }
        factor[c] = 1.0 / sqrt(group_sum(local, part) / f32(p.k) + p.eps);
    }
}

// n elements of column c from element i on, then zeros
fn load_column(c: u32, i: u32, n: u32) -> vec4<f32> {
    let v = load_x(x_at[c] + i, n);
    if ((FLAGS & MATMUL_NORM) == 0u) {
        return v;
    }
    let four = vec4<u32>(0u, 1u, 2u, 3u);
    let at = i + min(four, vec4<u32>(n - 1u));
    let weight = vec4<f32>(scale[at.x], scale[at.y], scale[at.z], scale[at.w]);
    if ((FLAGS & MATMUL_NORM_RMS) != 0u) {
        return v * (weight * factor[c]);
    }
    let offset = vec4<f32>(bias[at.x], bias[at.y], bias[at.z], bias[at.w]);
    let normalized = fma((v - mean[c]) * factor[c], weight, offset);
    return select(vec4<f32>(0.0), normalized, four < vec4<u32>(n));
}

fn load_columns(i: u32, n: u32) -> mat4x4<f32> {
    var v = mat4x4<f32>();
    v[0] = load_column(0u, i, n);
    if (COLS > 1u) {
        v[1] = load_column(1u, i, n);
    }
    if (COLS > 2u) {
        v[2] = load_column(2u, i, n);
        v[3] = load_column(3u, i, n);
    }
    return v;
}

@compute @workgroup_size(local_size)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>,
        @builtin(local_invocation_index) local: u32) {
    let lanes = 1u << LANES_LOG2;
    let lane = local & (lanes - 1u);
    let group = workgroup.x * (local_size >> LANES_LOG2) + (local >> LANES_LOG2);
    let first_row = group * ROWS;
    let first_col = workgroup.y * COLS;
    let four = vec4<u32>(0u, 1u, 2u, 3u);
    let row = p.w_row + min(first_row + four, vec4<u32>(p.rows - 1u));
    let col = min(first_col + four, vec4<u32>(p.cols - 1u));
    x_at = p.x_base + col / p.per_slot * p.x_slot_stride + col % p.per_slot * p.x_col_stride;
    if ((FLAGS & MATMUL_NORM) != 0u) {
        find_norms(local);
    }

    var acc = mat4x4<f32>(); // [row][column]
    let units = unit_count();
    for (var i = lane; i < units; i += lanes) {
        acc = multiply_unit(row, i, units, acc);
    }
    for (var r = 0u; r < ROWS; r++) {
        for (var c = 0u; c < COLS; c++) {
            partial[(r * COLS + c) * local_size + local] = acc[r][c];
        }
    }
    workgroupBarrier();
    for (var half_lanes = lanes / 2u; half_lanes > 0u; half_lanes /= 2u) {
        if (lane < half_lanes) {
            for (var rc = 0u; rc < ROWS * COLS; rc++) {
                partial[rc * local_size + local] += partial[rc * local_size + local + half_lanes];
            }
        }
        workgroupBarrier();
    }

    let step = select(1u, 2u, (FLAGS & MATMUL_GATE) != 0u);
    let leader = local - lane;
    for (var i = lane; i < ROWS / step * COLS; i += lanes) {
        let r = i / COLS * step;
        let c = i % COLS;
        let to_col = first_col + c;
        if (first_row + r < p.rows && to_col < p.cols) {
            finish((first_row + r) / step, to_col / p.per_slot, to_col % p.per_slot,
                   partial[(r * COLS + c) * local_size + leader],
                   partial[((r + step - 1u) * COLS + c) * local_size + leader]);
        }
    }
}
