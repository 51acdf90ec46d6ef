// SPDX-License-Identifier: MIT
//
// f32, f16 or bf16 rows to plane 0 of f32. An invocation makes four elements.
//!include repack

// exact on every device, denormals included, which unpack2x16float may flush
fn f16_to_f32_bits(h: u32) -> u32 {
    let sign = (h & 0x8000u) << 16u;
    let exponent = (h >> 10u) & 31u;
    let mantissa = h & 1023u;
    if (exponent == 31u) {
        return sign | 0x7f800000u | (mantissa << 13u);
    }
    if (exponent != 0u) {
        return sign | ((exponent + 112u) << 23u) | (mantissa << 13u);
    }
    if (mantissa == 0u) {
        return sign;
    }
    let top = firstLeadingBit(mantissa);
    return sign | ((top + 103u) << 23u) | ((mantissa << (23u - top)) & 0x7fffffu);
}

fn load_element(at: u32) -> u32 {
    if (p.src_type == TYPE_F32) {
        return source[at];
    }
    let h = load_u16(at);
    if (p.src_type == TYPE_BF16) {
        return h << 16u;
    }
    return f16_to_f32_bits(h);
}

@compute @workgroup_size(local_size)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let quads = (p.k + 3u) / 4u;
    let index = global_index(id, groups);
    let row = index / quads;
    if (row >= p.rows) {
        return;
    }
    let e = index % quads * 4u;
    let at = (target_row(row) * quads * 4u) + e;
    for (var i = 0u; i < 4u; i++) {
        var bits = 0u;
        if (e + i < p.k) {
            bits = load_element(row * p.k + source_element(e + i));
        }
        plane0[at + i] = bits;
    }
}
