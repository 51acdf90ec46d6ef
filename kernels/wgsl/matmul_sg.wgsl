// SPDX-License-Identifier: MIT
//
// Twin of matmul_sg.glsl, matmul for few columns: a subgroup makes ROWS x COLS results, 4 x 8 at
// most. Its lanes read 16 bytes of a row at a time (a unit), several rows at once and one step
// ahead of the arithmetic. The workgroup stages x in shared memory, because units of packed types
// are too far apart in x for coalesced reads, and normalizes it on the way where the flags ask for
// it. The grid is (columns, rows): neighbours read the same weights.
//
// matmul_sg_stage.wgsl or matmul_dp.wgsl stages; what loads and multiplies units knows the type.
//
// Unit u of a row belongs to lane u % lanes whatever is staged at once: the order of a sum depends
// on k and the subgroup's size alone.
//!include matmul_weights
//!include columns4
//!include vectors4
//!include words4
@id(6) override STAGED: u32 = 512u; // elements of a column in shared memory
@id(7) override UNROLL: u32 = 1u;   // units of a row that a lane reads at once

const GROUPS = 4u; // of ROWS rows that a workgroup has at least

struct Rows {
    a: vec4<u32>,
    b: vec4<u32>,
    c: vec4<u32>,
    d: vec4<u32>,
}

var<private> lane: u32;
var<private> lanes: u32;
var<private> subgroup: u32; // which one of the workgroup
var<private> row: vec4<u32>;

// Of columns 0 to 3 and of columns 4 to 7:
var<private> x_at: vec4<u32>;
var<private> x_at_4: vec4<u32>;
var<private> mean: vec4<f32>;
var<private> mean_4: vec4<f32>;
var<private> factor: vec4<f32>;
var<private> factor_4: vec4<f32>;
var<private> squares: vec4<f32>; // of what this invocation staged
var<private> squares_4: vec4<f32>;
var<private> acc: mat4x4<f32>; // [row][column], of matmul_dp [column][row]
var<private> acc_4: mat4x4<f32>;

// Browsers do not agree on the numbers of subgroups, and subgroups may have fewer invocations than
// their size, and not the first ones: all of it is counted. Returns how many there are.
fn find_lane(local: u32) -> u32 {
    lanes = subgroupAdd(1u);
    lane = subgroupExclusiveAdd(1u);
    let leader = subgroupMin(local);
    set_scratch(local, select(0.0, 1.0, lane == 0u));
    workgroupBarrier();
    var before = 0.0;
    var all = 0.0;
    for (var i = lane; i < local_size; i += lanes) {
        before += select(0.0, scratch(i), i < leader);
        all += scratch(i);
    }
    subgroup = u32(subgroupAdd(before));
    all = subgroupAdd(all);
    workgroupBarrier();
    if (local == 0u) {
        set_scratch(0u, all);
    }
    return u32(uniform_scratch());
}

// The sum over the workgroup, in what is staged; all invocations call it and get it.
fn group_sum(value: f32, subgroups: u32) -> f32 {
    let part = subgroupAdd(value);
    workgroupBarrier();
    if (lane == 0u) {
        set_scratch(subgroup, part);
    }
    workgroupBarrier();
    var total = 0.0;
    for (var i = 0u; i < subgroups; i++) {
        total += scratch(i);
    }
    return total;
}

fn column_at(c: u32) -> u32 {
    return select(x_at_4, x_at, c < 4u)[c & 3u];
}

// four elements of column c, zeros behind its end
fn load_column(c: u32, e: u32) -> vec4<f32> {
    let first = min(e, p.k - 1u);
    let v = load_x(column_at(c) + first, p.k - first);
    return select(vec4<f32>(0.0), v, e < p.k);
}

// which of the elements e to e + 3 there are
fn inside(e: u32) -> vec4<bool> {
    return e + vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(p.k);
}

// four elements of a norm's vector, zeros behind its end
fn norm_weight(e: u32) -> vec4<f32> {
    return select(vec4<f32>(0.0), scale[e >> 2u], inside(e));
}

fn norm_bias(e: u32) -> vec4<f32> {
    return select(vec4<f32>(0.0), bias[e >> 2u], inside(e));
}

fn layer_statistics(local: u32, subgroups: u32) {
    for (var c = 0u; c < COLS; c++) {
        var part = 0.0;
        for (var e = 4u * local; e < p.k; e += 4u * local_size) {
            part += dot(load_column(c, e), vec4<f32>(1.0));
        }
        let m = group_sum(part, subgroups) / f32(p.k);
        part = 0.0;
        for (var e = 4u * local; e < p.k; e += 4u * local_size) {
            let d = select(vec4<f32>(0.0), load_column(c, e) - m, inside(e));
            part = dot_fma(d, d, part);
        }
        let f = 1.0 / sqrt(group_sum(part, subgroups) / f32(p.k) + p.eps);
        if (c < 4u) {
            mean[c] = m;
            factor[c] = f;
        } else {
            mean_4[c & 3u] = m;
            factor_4[c & 3u] = f;
        }
    }
}

fn add_squares(c: u32, v: vec4<f32>) {
    if (c < 4u) {
        squares[c] = dot_fma(v, v, squares[c]);
    } else {
        squares_4[c & 3u] = dot_fma(v, v, squares_4[c & 3u]);
    }
}

// A root mean square is known when all has been staged: its factor waits until the sums are done.
fn rms_factors(subgroups: u32) {
    for (var c = 0u; c < COLS; c++) {
        let square = select(squares_4, squares, c < 4u)[c & 3u];
        let f = 1.0 / sqrt(p.eps + group_sum(square, subgroups) / f32(p.k));
        if (c < 4u) {
            factor[c] = f;
        } else {
            factor_4[c & 3u] = f;
        }
    }
}

fn begin_rows(first_row: u32) {
    row = p.w_row + min(first_row + vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(p.rows - 1u));
    acc = mat4x4<f32>();
    acc_4 = mat4x4<f32>();
}

// unit u of the rows; rows are a whole number of units
fn load_words(u: u32) -> Rows {
    let at = row * ((p.k + 3u) / 4u * 4u / UNIT) + u;
    var words: Rows;
    words.a = plane0[at.x];
    if (ROWS > 1u) {
        words.b = plane0[at.y];
    }
    if (ROWS > 2u) {
        words.c = plane0[at.z];
        words.d = plane0[at.w];
    }
    return words;
}

// acc = the rows times the columns, each lane its part. Subgroups without rows help to stage. What
// is loaded behind the rows' end is not used.
fn multiply_rows(has_rows: bool, local: u32) {
    let chunk = STAGED / UNIT;
    let units = (p.k + UNIT - 1u) / UNIT;
    let last = units - 1u;
    var ahead = load_unit(min(lane, last));
    var ahead_1: Unit;
    var ahead_2: Unit;
    var ahead_3: Unit;
    if (UNROLL > 1u) {
        ahead_1 = load_unit(min(lanes + lane, last));
    }
    if (UNROLL > 2u) {
        ahead_2 = load_unit(min(2u * lanes + lane, last));
        ahead_3 = load_unit(min(3u * lanes + lane, last));
    }
    for (var first = 0u; first < units; first += chunk) {
        let end = min(first + chunk, units);
        stage(local, first * UNIT);
        var at = select(end, first, has_rows);
        while (at < end) {
            // A step begins at a multiple of lanes, also if what is staged does not.
            let u = at / lanes * lanes + lane;
            at = min(u - lane + UNROLL * lanes, end);
            let unit = ahead;
            let unit_1 = ahead_1;
            let unit_2 = ahead_2;
            let unit_3 = ahead_3;
            let next = at / lanes * lanes + lane;
            if (at < units) {
                ahead = load_unit(min(next, last));
                if (UNROLL > 1u) {
                    ahead_1 = load_unit(min(next + lanes, last));
                }
                if (UNROLL > 2u) {
                    ahead_2 = load_unit(min(next + 2u * lanes, last));
                    ahead_3 = load_unit(min(next + 3u * lanes, last));
                }
            }
            if (u >= first && u < end) {
                multiply_unit(unit, u, u - first);
            }
            if (UNROLL > 1u && u + lanes >= first && u + lanes < end) {
                multiply_unit(unit_1, u + lanes, u + lanes - first);
            }
            if (UNROLL > 2u && u + 2u * lanes >= first && u + 2u * lanes < end) {
                multiply_unit(unit_2, u + 2u * lanes, u + 2u * lanes - first);
            }
            if (UNROLL > 2u && u + 3u * lanes >= first && u + 3u * lanes < end) {
                multiply_unit(unit_3, u + 3u * lanes, u + 3u * lanes - first);
            }
        }
    }
}

fn add_lanes(sums: mat4x4<f32>, factors: vec4<f32>) -> mat4x4<f32> {
    var total = mat4x4<f32>(subgroupAdd(sums[0]), vec4<f32>(), vec4<f32>(), vec4<f32>());
    if (ROWS > 1u) {
        total[1] = subgroupAdd(sums[1]);
    }
    if (ROWS > 2u) {
        total[2] = subgroupAdd(sums[2]);
        total[3] = subgroupAdd(sums[3]);
    }
    if ((FLAGS & MATMUL_NORM_RMS) != 0u) {
        return mat4x4<f32>(total[0] * factors, total[1] * factors, total[2] * factors,
                           total[3] * factors);
    }
    return total;
}

// an element of a matrix that is not to be moved to memory
fn element(m: mat4x4<f32>, r: u32, c: u32) -> f32 {
    return select(select(m[0], m[1], r == 1u), select(m[2], m[3], r == 3u), r > 1u)[c];
}

fn finish_rows(first_row: u32, first_col: u32, has_rows: bool) {
    let step = select(1u, 2u, (FLAGS & MATMUL_GATE) != 0u);
    if (INTEGER_DOT) {
        acc = transpose(acc);
        acc_4 = transpose(acc_4);
    }
    let sums = add_lanes(acc, factor);
    var sums_4 = mat4x4<f32>();
    if (COLS > 4u) {
        sums_4 = add_lanes(acc_4, factor_4);
    }
    for (var i = lane; i < ROWS / step * COLS; i += lanes) {
        let r = i / COLS * step;
        let c = i % COLS;
        let col = first_col + c;
        let behind = r + step - 1u;
        let even = select(element(sums_4, r, c & 3u), element(sums, r, c & 3u), c < 4u);
        let odd = select(element(sums_4, behind, c & 3u), element(sums, behind, c & 3u), c < 4u);
        if (has_rows && first_row + r < p.rows && col < p.cols) {
            finish((first_row + r) / step, col / p.per_slot, col % p.per_slot, even, odd);
        }
    }
}

fn find_columns(first: u32) -> vec4<u32> {
    let col = min(first + vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(p.cols - 1u));
    return p.x_base + col / p.per_slot * p.x_slot_stride + col % p.per_slot * p.x_col_stride;
}

@compute @workgroup_size(local_size)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>,
        @builtin(local_invocation_index) local: u32) {
    let first_col = workgroup.x * COLS;
    let subgroups = find_lane(local);
    x_at = find_columns(first_col);
    x_at_4 = find_columns(first_col + 4u);
    // Where subgroups are small and many, the last workgroups have nothing left to do.
    let groups = max(GROUPS, subgroups);
    let first_group = workgroup.y * groups;
    if (first_group * ROWS >= p.rows) {
        return;
    }
    if ((FLAGS & MATMUL_NORM_LAYER) != 0u) {
        layer_statistics(local, subgroups);
    }
    for (var turn = 0u; turn < groups; turn += subgroups) {
        let group = turn + subgroup;
        let first_row = (first_group + group) * ROWS;
        let has_rows = group < groups && first_row < p.rows;
        begin_rows(first_row);
        multiply_rows(has_rows, local);
        if ((FLAGS & MATMUL_NORM_RMS) != 0u && turn == 0u) {
            rms_factors(subgroups);
        }
        finish_rows(first_row, first_col, has_rows);
    }
}
