// SPDX-License-Identifier: MIT
//
// Twin of embed.glsl: an invocation makes a unit of one slot's sum. embed_floats.wgsl and
// embed_blocks.wgsl say what a unit is: how many there are, its first element and its one or two
// quads, of elements 16 apart. The grid is (units, slots).
//!include common
@group(0) @binding(2) var<storage, read> ids: array<u32>;
@group(0) @binding(3) var<storage, read_write> x: array<f32>;

@compute @workgroup_size(local_size)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let unit = id.x;
    let slot = id.y;
    if (unit >= unit_count()) {
        return;
    }
    let first = first_element(unit);
    let n = min(4u, p.dim - first);
    let x_at = slot * p.x_slot_stride + first;
    var sum = mat2x4<f32>();
    if (p.accumulate != 0u) {
        for (var j = 0u; j < QUADS; j++) {
            for (var i = 0u; i < n; i++) {
                sum[j][i] = x[x_at + 16u * j + i];
            }
        }
    }
    for (var t = 0u; t < p.tables; t++) {
        let entry = ids[slot * p.ids_slot_stride + p.ids_base + t] - p.first_id;
        if (entry < p.table_rows) {
            sum = add_unit(t * p.table_rows + entry, unit, sum);
        }
    }
    for (var j = 0u; j < QUADS; j++) {
        for (var i = 0u; i < n; i++) {
            x[x_at + 16u * j + i] = sum[j][i];
        }
    }
}
