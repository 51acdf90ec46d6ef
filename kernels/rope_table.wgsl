// SPDX-License-Identifier: MIT
//!include common
//!include state

@group(0) @binding(1) var<storage, read> freq: array<f32>;
@group(0) @binding(2) var<storage, read_write> table: array<f32>;

// float(n) to nearest even, for n < 2^32 - 128; WGSL leaves open which neighbour a conversion
// takes.
fn nearest_float(n: u32) -> f32 {
    let shift = 8u - min(countLeadingZeros(n), 8u);
    if (shift == 0u) {
        return f32(n);
    }
    let carried = n + (1u << (shift - 1u)) - 1u + ((n >> shift) & 1u);
    return f32((carried >> shift) << shift);
}

// 32 bits of 1 / (2 pi), from bit 32 * word - 32 of its fraction on
fn inverse_turn(word: u32) -> u32 {
    switch word {
        case 1u: { return 0x28be60dbu; }
        case 2u: { return 0x9391054au; }
        case 3u: { return 0x7f09d5f4u; }
        case 4u: { return 0x7d4d3770u; }
        default: { return 0u; }
    }
}

// the high word of m * n, for m < 2^24
fn multiply_high(m: u32, n: u32) -> u32 {
    let low = (m & 0xffffu) * (n & 0xffffu);
    let cross = (m & 0xffffu) * (n >> 16u);
    let middle = (m >> 16u) * (n & 0xffffu) + (cross & 0xffffu) + (low >> 16u);
    return (m >> 16u) * (n >> 16u) + (cross >> 16u) + (middle >> 16u);
}

// (cos a, sin a) for 0 <= a < 2^60, within 1.2e-7: the built-in functions may be off by 2^-11, and by
// anything for large a. a = m 2^e exactly; the bits of 1 / (2 pi) from weight 2^-(e + 1) on, times
// m, give the fraction of a turn with 40 bits behind the point (Payne and Hanek). All of that is
// integers, so the compiler cannot take the rounded a for anything else.
fn cos_sin(a: f32) -> vec2<f32> {
    let bits = bitcast<u32>(a);
    var quadrant = 0u;
    var r = a;
    if (a > 0.78539816) {
        let m = (bits & 0x7fffffu) | 0x800000u;
        let start = min((bits >> 23u) - 118u, 95u); // e + 32
        let word = start >> 5u;
        let shift = start & 31u;
        var high = inverse_turn(word);
        var low = inverse_turn(word + 1u);
        if (shift != 0u) {
            high = (high << shift) | (low >> (32u - shift));
            low = (low << shift) | (inverse_turn(word + 2u) >> (32u - shift));
        }
        let turns = m * high + multiply_high(m, low);
        quadrant = (turns + 0x20000000u) >> 30u;
        r = f32(bitcast<i32>(turns - (quadrant << 30u))) * 1.46291812e-9; // 2 pi / 2^32
    }
    let u = r * r;
    var s = fma(fma(-1.9587866e-4, u, 8.3327480e-3), u, -1.6666664e-1);
    s = fma(s * u, r, r);
    var c = fma(fma(2.4547917e-5, u, -1.3888302e-3), u, 4.1666664e-2);
    c = fma(fma(c, u, -0.5), u, 1.0);
    let swapped = select(vec2<f32>(c, s), vec2<f32>(s, c), (quadrant & 1u) != 0u);
    let negative = vec2<bool>(quadrant == 1u || quadrant == 2u, (quadrant & 2u) != 0u);
    return select(swapped, -swapped, negative);
}

// an invocation a frequency of a column
@compute @workgroup_size(local_size)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let index = global_index(id, groups);
    if (index >= p.slots * p.per_slot * p.half) {
        return;
    }
    let col = index / p.half;
    let slot = col / p.per_slot;
    let position = first_position(slot, p.source, 0u, p.per_slot) + col % p.per_slot;
    let cs = cos_sin(freq[index % p.half] * nearest_float(position));
    table[2u * index] = cs.x;
    table[2u * index + 1u] = cs.y;
}
