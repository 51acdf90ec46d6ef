// SPDX-License-Identifier: MIT
//
// Twin of argmax.comp: an invocation a slot. NaN never wins; where nothing is above LEAST, index 0
// is told with the margin ARGMAX_NOTHING.
//!include common
//!include state

@group(0) @binding(1) var<storage, read> logits: array<f32>;
@group(0) @binding(2) var<storage, read_write> tokens: array<u32>;
@group(0) @binding(3) var<storage, read_write> margins: array<f32>;

const LEAST = -3.4e38;

// of every fourth logit
var<private> best: vec4<f32> = vec4<f32>(LEAST);
var<private> second: vec4<f32> = vec4<f32>(LEAST);
var<private> best_at: vec4<u32> = vec4<u32>(0u, 1u, 2u, 3u);

// The last n % 4 logits. Behind them anything may lie, or nothing at all.
fn load_tail(at: u32, n: u32) -> vec4<f32> {
    var v = vec4<f32>(logits[at], LEAST, LEAST, LEAST);
    if (n > 1u) {
        v.y = logits[at + 1u];
    }
    if (n > 2u) {
        v.z = logits[at + 2u];
    }
    return v;
}

fn take(v: vec4<f32>, i: u32) {
    let above = v > best;
    second = select(select(second, v, v > second), best, above);
    best_at = select(best_at, i + vec4<u32>(0u, 1u, 2u, 3u), above);
    best = select(best, v, above);
}

@compute @workgroup_size(local_size)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let slot = global_index(id, groups);
    if (slot >= p.slots || (slot_state(slot, STATE_FLAGS) & SLOT_STEP) == 0u) {
        return;
    }
    let base = slot * p.logits_slot_stride;
    let quads = p.n / 4u * 4u;
    for (var i = 0u; i < quads; i += 4u) {
        let at = base + i;
        take(vec4<f32>(logits[at], logits[at + 1u], logits[at + 2u], logits[at + 3u]), i);
    }
    if (quads < p.n) {
        take(load_tail(base + quads, p.n - quads), quads);
    }

    var most = best.x;
    var other = second.x;
    var winner = best_at.x;
    for (var c = 1u; c < 4u; c++) {
        if (best[c] > most || (best[c] == most && best_at[c] < winner)) {
            other = max(most, second[c]);
            most = best[c];
            winner = best_at[c];
        } else {
            other = max(other, best[c]);
        }
    }
    let to = slot * p.tokens_slot_stride + p.index;
    tokens[to] = winner;
    margins[to] = select(select(0.0, most - other, p.n > 1u), ARGMAX_NOTHING, most <= LEAST);
}
