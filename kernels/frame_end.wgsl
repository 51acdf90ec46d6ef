// SPDX-License-Identifier: MIT
//!include common

@group(0) @binding(0) var<storage, read_write> state: array<u32>;
@group(0) @binding(1) var<storage, read> tokens: array<u32>;
@group(0) @binding(2) var<storage, read> margins: array<u32>;
@group(0) @binding(3) var<storage, read> probs: array<u32>;
@group(0) @binding(4) var<storage, read> codes: array<u32>;
@group(0) @binding(5) var<storage, read_write> results: array<u32>;

// an invocation a slot: all words of its record depend on the step that it counts up
@compute @workgroup_size(local_size)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let slot = global_index(id, groups);
    if (slot >= p.slots) {
        return;
    }
    let next = state[STATE_NEXT_TICK];
    let control = STATE_HEAD + slot * STATE_SLOT;
    let flags = state[control + STATE_FLAGS];
    let s = state[control + STATE_STEP];
    var to = (((next - 1u) % p.ring) * p.max_slots + slot) * p.result_slot;
    let sampled = slot * (1u + p.dep_q);
    results[to + RESULT_TICK] = next;
    results[to + RESULT_FLAGS] = flags;
    results[to + RESULT_STEP] = s;
    results[to + RESULT_TOKEN] = tokens[sampled];
    results[to + RESULT_MARGIN] = margins[sampled];
    to += RESULT_HEAD;
    for (var h = 0u; h < p.n_heads; h++) {
        results[to + h] = probs[(slot * p.n_heads + h) * p.head_dim];
    }
    to += p.n_heads;
    for (var k = 0u; k < p.dep_q; k++) {
        results[to + k] = tokens[sampled + 1u + k];
    }
    to += p.dep_q;
    let codes_at = (slot * p.codes_ring + (s - 1u) % p.codes_ring) * p.n_codes;
    for (var k = 0u; k < p.n_codes; k++) {
        results[to + k] = select(0u, codes[codes_at + k], s > 0u);
    }

    if ((flags & SLOT_STEP) != 0u) {
        state[control + STATE_STEP] = s + 1u;
    }
    if ((flags & (SLOT_AUDIO | SLOT_CODES)) != 0u) {
        state[control + STATE_FRAME] += 1u;
    }
    if (slot == 0u) {
        state[STATE_TICK] = next;
    }
}
