// SPDX-License-Identifier: MIT
//!include common

@group(0) @binding(0) var<storage, read> ring: array<u32>;
@group(0) @binding(1) var<storage, read_write> state: array<u32>;
@group(0) @binding(2) var<storage, read_write> pcm: array<u32>;
@group(0) @binding(3) var<storage, read_write> codes: array<u32>;

// An invocation a word (x) of a slot (y). Others must not read what invocation 0 of a slot writes:
// the flags come from the ring, and the frame does not change where there are codes.
@compute @workgroup_size(local_size)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let word = id.x;
    let slot = id.y;
    if (slot >= p.slots) {
        return;
    }
    let tick = state[STATE_TICK];
    let entry = ((tick % p.ring) * p.max_slots + slot) * p.input_slot;
    let flags = ring[entry + INPUT_FLAGS];
    let control = STATE_HEAD + slot * STATE_SLOT;
    if (word == 0u) {
        state[control + STATE_FLAGS] = flags;
        if ((flags & SLOT_RESET) != 0u) {
            state[control + STATE_STEP] = 0u;
            state[control + STATE_FRAME] = 0u;
        }
        if (slot == 0u) {
            state[STATE_NEXT_TICK] = tick + 1u;
        }
    }
    if ((flags & SLOT_AUDIO) != 0u && word < p.samples) {
        pcm[slot * p.pcm_slot_stride + p.pcm_offset + word] = ring[entry + INPUT_SLOT_HEAD + word];
    }
    if ((flags & SLOT_CODES) != 0u && word < p.n_codes) {
        let frame = state[control + STATE_FRAME] % p.codes_ring;
        let to = (slot * p.codes_ring + frame) * p.n_codes + word;
        codes[to] = ring[entry + INPUT_SLOT_HEAD + word];
    }
}
