// SPDX-License-Identifier: MIT
//
// f16 or bf16 rows to plane 0 of the same type. An invocation makes two words, four elements.
//!include repack

fn load_element(row: u32, e: u32) -> u32 {
    if (e >= p.k) {
        return 0u;
    }
    return load_u16(row * p.k + source_element(e));
}

@compute @workgroup_size(local_size)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let quads = (p.k + 3u) / 4u;
    let index = global_index(id, groups);
    let row = index / quads;
    if (row >= p.rows) {
        return;
    }
    let quad = index % quads;
    let at = (target_row(row) * quads + quad) * 2u;
    let e = quad * 4u;
    plane0[at] = load_element(row, e) | (load_element(row, e + 1u) << 16u);
    plane0[at + 1u] = load_element(row, e + 2u) | (load_element(row, e + 3u) << 16u);
}
