// SPDX-License-Identifier: MIT
//
// Constants, bindings and epilogue that the forms of matmul share. The vectors that are read, x,
// bias and scale, are declared in columns.wgsl or, where they are read in fours, columns4.wgsl.
//!include common
//!include params
@id(1) override ROWS: u32 = 1u; // a tile: rows and columns of an invocation
@id(2) override COLS: u32 = 1u;
@id(3) override LANES_LOG2: u32 = 0u;
@id(4) override X_ALIGNED: u32 = 0u; // all columns of x begin at multiples of 4 words
@id(5) override FLAGS: u32 = 0u;     // MATMUL_*

@group(0) @binding(5) var<storage, read> residual: array<f32>;
@group(0) @binding(6) var<storage, read_write> y: array<f32>;
@group(0) @binding(7) var<storage, read_write> y2: array<f32>;

fn dot_fma(w: vec4<f32>, v: vec4<f32>, sum: f32) -> f32 {
    return fma(w.w, v.w, fma(w.z, v.z, fma(w.y, v.y, fma(w.x, v.x, sum))));
}

// sums, one a column, plus four elements of a row times those of up to four columns
fn dot_columns(w: vec4<f32>, v: mat4x4<f32>, sums: vec4<f32>) -> vec4<f32> {
    var s = sums;
    s.x = dot_fma(w, v[0], s.x);
    if (COLS > 1u) {
        s.y = dot_fma(w, v[1], s.y);
    }
    if (COLS > 2u) {
        s.z = dot_fma(w, v[2], s.z);
        s.w = dot_fma(w, v[3], s.w);
    }
    return s;
}

// row: of the output, slot and t: of the column; odd is what the second row of a gated pair gave
fn finish(row: u32, slot: u32, t: u32, even: f32, odd: f32) {
    let o = p.row_offset + row;
    let at = p.y_base + slot * p.y_slot_stride + t * p.y_col_stride + o;
    var v = even;
    if ((FLAGS & MATMUL_GATE) != 0u) {
        v = silu(even) * odd;
    }
    if ((FLAGS & MATMUL_BIAS) != 0u) {
        v = v + bias_at(o);
    }
    if ((FLAGS & MATMUL_GELU) != 0u) {
        v = gelu(v);
    }
    if ((FLAGS & MATMUL_SCALE) != 0u) {
        v = v * scale_at(o);
    }
    if ((FLAGS & MATMUL_ADD) != 0u) {
        v = v + residual[p.res_base + slot * p.res_slot_stride + t * p.res_col_stride + o];
    }
    if ((FLAGS & MATMUL_ADD_TO) != 0u) {
        v = v + y[at];
    }
    if ((FLAGS & (MATMUL_ELU | MATMUL_DUAL)) == 0u) {
        y[at] = v;
        return;
    }
    let activated = elu(v);
    y[at] = select(v, activated, (FLAGS & MATMUL_ELU) != 0u);
    if ((FLAGS & MATMUL_DUAL) != 0u) {
        y2[p.y2_base + slot * p.y2_slot_stride + t * p.y2_col_stride + o] = activated;
    }
}
