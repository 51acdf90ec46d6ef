// SPDX-License-Identifier: MIT
//
// The plain form of matmul: a tile of ROWS x COLS results an invocation, no barriers. Sums run
// along k in order, whatever the tile: a result does not depend on its neighbours.
// matmul_floats.wgsl and matmul_blocks.wgsl have multiply(). The workgroup is 2^LANES_LOG2
// invocations along the rows, the rest along the columns; the grid is (rows, columns of a strip,
// strips). A strip is a slot's columns, or all columns where a slot has one, so that no index needs
// a division.
//
// WGSL unrolls nothing, and arrays that a loop indexes are slow where nothing else unrolls them. So
// a tile is made in parts of up to 4 x 4, which are spelled out; what ROWS and COLS do not reach is
// left out when the pipeline is made.
//!include matmul_weights
//!include vectors
@group(0) @binding(0) var<storage, read> plane0: array<u32>;
@group(0) @binding(2) var<storage, read> x: array<f32>;

fn load_x(words: vec4<u32>) -> vec4<f32> {
    return vec4<f32>(x[words.x], x[words.y], x[words.z], x[words.w]);
}

// n elements of each column from element e on, at least one; 4 at most, then zeros
fn load_columns(x_at: vec4<u32>, e: u32, n: u32) -> mat4x4<f32> {
    let four = vec4<u32>(0u, 1u, 2u, 3u);
    let words = e + min(four, vec4<u32>(n - 1u));
    let there = four < vec4<u32>(n);
    var v = mat4x4<f32>();
    v[0] = select(vec4<f32>(0.0), load_x(x_at.x + words), there);
    if (COLS > 1u) {
        v[1] = select(vec4<f32>(0.0), load_x(x_at.y + words), there);
    }
    if (COLS > 2u) {
        v[2] = select(vec4<f32>(0.0), load_x(x_at.z + words), there);
        v[3] = select(vec4<f32>(0.0), load_x(x_at.w + words), there);
    }
    return v;
}

@compute @workgroup_size(local_size)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let lane = local & ((1u << LANES_LOG2) - 1u);
    let first_row = ((group.x << LANES_LOG2) + lane) * ROWS;
    let col_lanes = local_size >> LANES_LOG2;
    let first_col = (group.y * col_lanes + (local >> LANES_LOG2)) * COLS;
    let strip = select(p.per_slot, p.cols, p.per_slot == 1u);
    let end_row = min(first_row + ROWS, p.rows);
    let end_col = min(first_col + COLS, strip);
    for (var col = first_col; col < end_col; col += 4u) {
        for (var row = first_row; row < end_row; row += 4u) {
            make_part(row, end_row, col, end_col, group.z);
        }
    }
}

fn make_part(row: u32, end_row: u32, col: u32, end_col: u32, strip: u32) {
    let single = p.per_slot == 1u;
    let rows = min(vec4<u32>(row) + vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(end_row - 1u));
    let cols = min(vec4<u32>(col) + vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(end_col - 1u));
    let strip_at = select(strip * p.x_slot_stride, 0u, single);
    let stride = select(p.x_col_stride, p.x_slot_stride, single);
    let sums = multiply(p.w_row + rows, p.x_base + strip_at + cols * stride);

    let step = select(1u, 2u, (FLAGS & MATMUL_GATE) != 0u);
    let n_rows = min(4u, end_row - row);
    let n_cols = min(4u, end_col - col);
    for (var c = 0u; c < n_cols; c++) {
        let slot = select(strip, col + c, single);
        let t = select(col + c, 0u, single);
        for (var r = 0u; r < n_rows; r += step) {
            finish((row + r) / step, slot, t, sums[r][c], sums[r + step - 1u][c]);
        }
    }
}
