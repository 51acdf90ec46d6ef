// SPDX-License-Identifier: MIT
//
// Columns of matmul_sg as floats in shared memory.
//!include matmul_sg
const INTEGER_DOT = false;

var<workgroup> staged: array<vec4<f32>, COLS * STAGED / 4u>;

fn set_scratch(i: u32, value: f32) {
    staged[i] = vec4<f32>(value);
}

fn scratch(i: u32) -> f32 {
    return staged[i].x;
}

fn uniform_scratch() -> f32 {
    return workgroupUniformLoad(&staged[0]).x;
}

// Quads of neighbouring units go to different banks.
fn staged_at(c: u32, quad: u32) -> u32 {
    return c * (STAGED / 4u) + (quad ^ ((quad >> 3u) & 7u));
}

fn normalize(v: vec4<f32>, c: u32, e: u32) -> vec4<f32> {
    if ((FLAGS & MATMUL_NORM_RMS) != 0u) {
        return v * norm_weight(e);
    }
    if ((FLAGS & MATMUL_NORM_LAYER) != 0u) {
        let m = select(mean_4, mean, c < 4u)[c & 3u];
        let f = select(factor_4, factor, c < 4u)[c & 3u];
        return fma((v - m) * f, norm_weight(e), norm_bias(e));
    }
    return v;
}

fn stage(local: u32, first: u32) {
    workgroupBarrier(); // until what was staged before has been read
    let end = (p.k + UNIT - 1u) / UNIT * UNIT;
    for (var quad = local; quad < STAGED / 4u && first + 4u * quad < end; quad += local_size) {
        let e = first + 4u * quad;
        for (var c = 0u; c < COLS; c++) {
            let v = load_column(c, e);
            if ((FLAGS & MATMUL_NORM_RMS) != 0u) {
                add_squares(c, v);
            }
            staged[staged_at(c, quad)] = normalize(v, c, e);
        }
    }
    workgroupBarrier();
}

// a quad of columns 0 to 3, or 4 to 7, as far as there are some
fn staged_columns(first: u32, quad: u32) -> mat4x4<f32> {
    var v = mat4x4<f32>();
    v[0] = staged[staged_at(first, quad)];
    if (COLS > first + 1u) {
        v[1] = staged[staged_at(first + 1u, quad)];
    }
    if (COLS > first + 2u) {
        v[2] = staged[staged_at(first + 2u, quad)];
        v[3] = staged[staged_at(first + 3u, quad)];
    }
    return v;
}
