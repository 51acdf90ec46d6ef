// SPDX-License-Identifier: MIT
//
// Twin of kv.glsl: caches that are read, at bindings 2 and 3, and what is in a unit of four words.
//!include common
//!include kv

@group(0) @binding(2) var<storage, read> k_cache: array<vec4<u32>>;
@group(0) @binding(3) var<storage, read> v_cache: array<vec4<u32>>;

// Up to 16 elements, as many as a unit has. Not an array, which would be indexed at run time.
struct Quads {
    a: vec4<f32>,
    b: vec4<f32>,
    c: vec4<f32>,
    d: vec4<f32>,
}

// the scale of unit u of a head of a position whose scales begin at word `at`
fn k_scale(at: u32, u: u32) -> f32 {
    if (KV_TYPE != KV_Q8) {
        return 1.0;
    }
    let word = at + u / 4u;
    return load_f16(k_cache[word >> 2u][word & 3u])[u / 2u % 2u];
}

fn v_scale(at: u32, u: u32) -> f32 {
    if (KV_TYPE != KV_Q8) {
        return 1.0;
    }
    let word = at + u / 4u;
    return load_f16(v_cache[word >> 2u][word & 3u])[u / 2u % 2u];
}

// the elements of a unit, without the scale; those that it does not have are zeros
fn kv_load(unit: vec4<u32>) -> Quads {
    if (KV_TYPE == KV_F32) {
        return Quads(bitcast<vec4<f32>>(unit), vec4<f32>(), vec4<f32>(), vec4<f32>());
    }
    if (KV_TYPE == KV_Q8) {
        return Quads(load_i8(unit.x), load_i8(unit.y), load_i8(unit.z), load_i8(unit.w));
    }
    return Quads(vec4<f32>(load_f16(unit.x), load_f16(unit.y)),
                 vec4<f32>(load_f16(unit.z), load_f16(unit.w)), vec4<f32>(), vec4<f32>());
}

// the product of a unit's elements with x, without the scale
fn kv_dot(x: Quads, unit: vec4<u32>) -> f32 {
    let y = kv_load(unit);
    var products = x.a * y.a;
    if (KV_QUADS > 1u) {
        products = fma(x.b, y.b, products);
    }
    if (KV_QUADS > 2u) {
        products = fma(x.c, y.c, products);
        products = fma(x.d, y.d, products);
    }
    return (products.x + products.y) + (products.z + products.w);
}

// sum * shrink
fn kv_shrink(sum: Quads, shrink: f32) -> Quads {
    var x = sum;
    x.a *= shrink;
    if (KV_QUADS > 1u) {
        x.b *= shrink;
    }
    if (KV_QUADS > 2u) {
        x.c *= shrink;
        x.d *= shrink;
    }
    return x;
}

// sum + weight * a unit's elements
fn kv_add(sum: Quads, weight: f32, unit: vec4<u32>) -> Quads {
    let y = kv_load(unit);
    let w = vec4<f32>(weight);
    var x = sum;
    x.a = fma(w, y.a, x.a);
    if (KV_QUADS > 1u) {
        x.b = fma(w, y.b, x.b);
    }
    if (KV_QUADS > 2u) {
        x.c = fma(w, y.c, x.c);
        x.d = fma(w, y.d, x.d);
    }
    return x;
}
