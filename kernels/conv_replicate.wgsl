// SPDX-License-Identifier: MIT
//!include common
//!include state

@group(0) @binding(1) var<storage, read_write> vectors: array<u32>;

// an invocation a channel (x) of a slot (y)
@compute @workgroup_size(local_size)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let channel = id.x;
    let slot = id.y;
    if (channel >= p.channels || slot >= p.slots) {
        return;
    }
    if ((slot_state(slot, STATE_FLAGS) & SLOT_AUDIO) == 0u ||
        slot_state(slot, STATE_FRAME) != 0u) {
        return;
    }
    let to = p.base + slot * p.slot_stride + channel;
    let value = vectors[to + p.prefix * p.channels];
    for (var i = 0u; i < p.prefix; i++) {
        vectors[to + i * p.channels] = value;
    }
}
