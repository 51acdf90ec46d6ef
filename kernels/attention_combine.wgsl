// SPDX-License-Identifier: MIT
//
// An invocation four dims of a head of a column; the parts in order.
//!include common
//!include ring

@group(0) @binding(1) var<storage, read> partials: array<f32>;
@group(0) @binding(2) var<storage, read_write> result: array<f32>;

@compute @workgroup_size(local_size)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let quads = (p.head_dim + 3u) / 4u;
    let index = global_index(id, groups);
    let quad = index % quads;
    let row = index / quads;
    let slot = row / (p.per_slot * p.heads);
    if (slot >= p.slots) {
        return;
    }
    var sum = vec4<f32>();
    if (slot_runs(slot, p.source)) {
        let used = ring_used(last_position(slot));
        let share = attention_share(used, p.splits);
        let parts = (used + share - 1u) / share;
        let words = partial_words(p.head_dim);
        let at = row * p.splits * words;
        let most_at = at + partial_most(p.head_dim);
        var most = -3.0e38;
        var weights = 0.0;
        for (var i = 0u; i < parts; i++) {
            most = max(most, partials[most_at + i * words]);
        }
        for (var i = 0u; i < parts; i++) {
            let part = at + i * words + 4u * quad;
            let below = partials[most_at + i * words] - most;
            let weight = exp_f32(below) * partials[most_at + i * words + 1u];
            sum = fma(vec4<f32>(weight),
                      vec4<f32>(partials[part], partials[part + 1u], partials[part + 2u],
                                partials[part + 3u]), sum);
            weights += weight;
        }
        sum *= 1.0 / weights;
    }
    for (var i = 0u; i < 4u; i++) {
        if (4u * quad + i < p.head_dim) {
            result[row * p.head_dim + 4u * quad + i] = sum[i];
        }
    }
}
