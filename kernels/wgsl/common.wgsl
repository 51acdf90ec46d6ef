// SPDX-License-Identifier: MIT
//
// Twin of common.glsl: what all shaders share. Loads of packed words, and elementary functions
// whose error is known on every device (the built-in exp may be off by 3 + 2 |x| units). WGSL has
// no `precise`: where the order of operations matters, fma or exact products leave no choice.
//!include params

@id(0) override local_size: u32 = 64u;

// Index of an invocation in a grid of one dimension, which plans fold to stay within the limit of
// workgroups a dimension. id: global_invocation_id, groups: num_workgroups.
fn global_index(id: vec3<u32>, groups: vec3<u32>) -> u32 {
    return id.y * groups.x * local_size + id.x;
}

// group: workgroup_id, groups: num_workgroups
fn group_index(group: vec3<u32>, groups: vec3<u32>) -> u32 {
    return group.y * groups.x + group.x;
}

fn load_f16(word: u32) -> vec2<f32> {
    return unpack2x16float(word);
}

fn load_bf16(word: u32) -> vec2<f32> {
    return vec2<f32>(bitcast<f32>(word << 16u), bitcast<f32>(word & 0xffff0000u));
}

// four signed bytes, the lowest first
fn load_i8(word: u32) -> vec4<f32> {
    let w = bitcast<i32>(word);
    return vec4<f32>(vec4<i32>(w << 24u, w << 16u, w << 8u, w) >> vec4<u32>(24u));
}

struct Expm1 {
    value: f32, // expm1(r)
    scale: f32, // 2^n
}

// x = n ln 2 + r, x within [-87, 88]. ln 2 is split so that n * high is exact.
fn expm1_reduce(x: f32) -> Expm1 {
    let n = floor(fma(x, 1.44269504, 0.5));
    let r = fma(n, 2.12194440e-4, fma(n, -0.693359375, x));
    var q = 1.3926204e-3;
    q = fma(q, r, 8.3631948e-3);
    q = fma(q, r, 4.1666556e-2);
    q = fma(q, r, 1.6666577e-1);
    q = fma(q, r, 0.5);
    return Expm1(fma(r * r, q, r), bitcast<f32>(u32(i32(n) + 127) << 23u));
}

// within 2 ulp; 0 below -87, at most exp(88)
fn exp_f32(x: f32) -> f32 {
    let e = expm1_reduce(clamp(x, -87.0, 88.0));
    // as fma(scale, value, scale), but for products that are flushed to zero
    return select(e.scale * (e.value + 1.0), 0.0, x < -87.0);
}

fn expm1_f32(x: f32) -> f32 {
    let e = expm1_reduce(clamp(x, -87.0, 88.0));
    return fma(e.scale, e.value, e.scale - 1.0);
}

fn elu(x: f32) -> f32 {
    return select(expm1_f32(x), x, x > 0.0);
}

fn silu(x: f32) -> f32 {
    let e = exp_f32(-abs(x));
    return x * (select(e, 1.0, x >= 0.0) / (1.0 + e));
}

// Correctly rounded (but for near-halves, should there be any) for x in [1e-20, 3.4e38], unlike the
// built-in one: the residual is exact, from products of 12-bit halves.
fn sqrt_f32(x: f32) -> f32 {
    let s = sqrt(x);
    if (!(x >= 1e-20 && x <= 3.4e38)) {
        return s;
    }
    let high = bitcast<f32>(bitcast<u32>(s) & 0xfffff000u);
    let low = s - high;
    let residual = ((x - high * high) - 2.0 * high * low) - low * low;
    return s + residual * (0.5 / s);
}

// absolute error below 1e-7; both approximations are Chebyshev fits, the second of ln(erfc)
fn erf_f32(x: f32) -> f32 {
    let u = x * x;
    let t = abs(x);
    var a = -5.6480599e-4;
    a = fma(a, u, 4.9217618e-3);
    a = fma(a, u, -2.6715055e-2);
    a = fma(a, u, 1.1280317e-1);
    a = fma(a, u, -3.7612343e-1);
    a = fma(a, u, 1.2837912e-1);
    a = fma(a, x, x);
    let v = min(t, 4.0);
    var b = 1.6371514e-6;
    b = fma(b, v, -4.6058041e-5);
    b = fma(b, v, 5.9680565e-4);
    b = fma(b, v, -4.7595962e-3);
    b = fma(b, v, 2.6421135e-2);
    b = fma(b, v, -1.1008008e-1);
    b = fma(b, v, -6.3182604e-1);
    b = fma(b, v, -1.1302334);
    b = fma(b, v, 3.2013806e-4);
    b = 1.0 - exp_f32(b);
    return select(select(b, -b, x < 0.0), a, t < 1.0);
}

fn gelu(x: f32) -> f32 {
    return 0.5 * x * (1.0 + erf_f32(x * 0.70710678));
}
