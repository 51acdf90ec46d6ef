// SPDX-License-Identifier: MIT
//
// Twin of argmax_wg.comp: a workgroup a slot. NaN never wins, and index 0 does where nothing is
// above LEAST.
//!include common
//!include state

@group(0) @binding(1) var<storage, read> logits: array<f32>;
@group(0) @binding(2) var<storage, read_write> tokens: array<u32>;
@group(0) @binding(3) var<storage, read_write> margins: array<f32>;

const LEAST = -3.4e38;
const NOWHERE = 0xffffffffu;

var<workgroup> best_of: array<f32, 256>;
var<workgroup> second_of: array<f32, 256>;
var<workgroup> best_at_of: array<u32, 256>;

@compute @workgroup_size(local_size)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) lane: u32) {
    let slot = group_index(group, groups);
    if (slot >= p.slots || (slot_state(slot, STATE_FLAGS) & SLOT_STEP) == 0u) {
        return;
    }
    let base = slot * p.logits_slot_stride;
    var best_at = NOWHERE;
    var best = f32(LEAST);
    var second = f32(LEAST);
    for (var i = lane; i < p.n; i += local_size) {
        let v = logits[base + i];
        if (v > best) {
            second = best;
            best = v;
            best_at = i;
        } else if (v > second) {
            second = v;
        }
    }
    best_of[lane] = best;
    second_of[lane] = second;
    best_at_of[lane] = best_at;
    workgroupBarrier();
    for (var half = local_size / 2u; half > 0u; half /= 2u) {
        if (lane < half) {
            let other = best_of[lane + half];
            let other_at = best_at_of[lane + half];
            if (other > best || (other == best && other_at < best_at)) {
                second = max(best, second_of[lane + half]);
                best = other;
                best_at = other_at;
            } else {
                second = max(second, other);
            }
            best_of[lane] = best;
            second_of[lane] = second;
            best_at_of[lane] = best_at;
        }
        workgroupBarrier();
    }
    if (lane != 0u) {
        return;
    }
    let to = slot * p.tokens_slot_stride + p.index;
    tokens[to] = select(best_at, 0u, best_at == NOWHERE);
    margins[to] = select(select(0.0, best - second, p.n > 1u), ARGMAX_NOTHING, best <= LEAST);
}
