// SPDX-License-Identifier: MIT
//
// Twin of ring.glsl: which ring slots of the KV cache a query sees (rule in params.h). Needs p with
// the members of attention_params.
//!include state

// the last position of the call
fn last_position(slot: u32) -> u32 {
    return first_position(slot, p.source, p.static_position, p.per_slot) + p.per_slot - 1u;
}

// ring slots in use
fn ring_used(last: u32) -> u32 {
    return min(last, p.capacity - 1u) + 1u;
}

// What visible() asks for in loops, without a division: how far ring slot r is behind the newest
// one, last % capacity; r < ring_used(last).
fn behind(newest: u32, r: u32) -> u32 {
    return select(newest + p.capacity - r, newest - r, newest >= r);
}

// query t of the call, at position last - (per_slot - 1 - t)
fn visible(newest: u32, r: u32, t: u32) -> bool {
    return behind(newest, r) >= p.per_slot - 1u - t;
}
