// SPDX-License-Identifier: MIT
//
// Twin of vq_write.glsl: what one invocation writes for a codebook of a slot. Needs buffers codes
// and info, p.n_codes and p.codes_ring.
//!include common
//!include state

fn write_pick(slot: u32, codebook: u32, pick: vec4<f32>) {
    if ((slot_state(slot, STATE_FLAGS) & SLOT_AUDIO) != 0u) {
        let frame = slot_state(slot, STATE_FRAME) % p.codes_ring;
        codes[(slot * p.codes_ring + frame) * p.n_codes + codebook] = u32(pick.z);
    }
    let to = 3u * (slot * p.n_codes + codebook);
    info[to] = bitcast<u32>(sqrt_f32(pick.x));
    info[to + 1u] = bitcast<u32>(sqrt_f32(pick.y));
    info[to + 2u] = u32(pick.w);
}
