// SPDX-License-Identifier: MIT
//
// Blocks of the file to two planes. An invocation moves two blocks of a row with move_block(), so
// that it owns the word that their scales share; of an odd row the last has one.
//!include repack
//!include blocks
@group(0) @binding(2) var<storage, read_write> plane1: array<u32>;

@compute @workgroup_size(local_size)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let blocks = p.k / type_block(TYPE);
    let pairs = (blocks + 1u) / 2u;
    let index = global_index(id, groups);
    let row = index / pairs;
    if (row >= p.rows) {
        return;
    }
    let pair = index % pairs;
    let to = target_row(row);
    var scales = move_block(row, to, 2u * pair);
    if (2u * pair + 1u < blocks) {
        scales |= move_block(row, to, 2u * pair + 1u) << 16u;
    }
    if (MINIMA) {
        return;
    }
    let words = plane1_words(TYPE, p.k);
    let first = HIGH_WORDS * (p.k / 32u) + select(0u, 4u * blocks, TYPE == TYPE_Q6_K);
    plane1[to * words + first + pair] = scales;
    if (pair == pairs - 1u) {
        for (var i = first + pairs; i < words; i++) {
            plane1[to * words + i] = 0u;
        }
    }
}
