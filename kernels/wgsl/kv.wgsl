// SPDX-License-Identifier: MIT
//
// Twin of kv.glsl: where a head of a position lies in a cache of keys or values (layouts in
// params.h). Needs p.heads, p.head_dim and p.capacity.
//!include params

@id(1) override KV_TYPE: u32 = KV_F32;
override KV_QUADS: u32 = 1u << KV_TYPE; // a unit: 4 elements each

// the first unit of a position of a head; those of the next position follow
fn kv_unit_at(slot: u32, head: u32, position: u32) -> u32 {
    let units = kv_slot_words(KV_TYPE, p.capacity, p.heads, p.head_dim) / 4u;
    return slot * units + (head * p.capacity + position) * kv_head_units(KV_TYPE, p.head_dim);
}

// the first word of its scales
fn kv_scale_at(slot: u32, head: u32, position: u32) -> u32 {
    return 4u * kv_unit_at(slot, p.heads, 0u) +
           (head * p.capacity + position) * kv_scale_words(KV_TYPE, p.head_dim);
}
