// SPDX-License-Identifier: MIT
//
// Twin of state.glsl: the state of the slots, read only, at binding 0, and the positions of a
// call's columns.

@group(0) @binding(0) var<storage, read> state: array<u32>;

fn slot_state(slot: u32, word: u32) -> u32 {
    return state[STATE_HEAD + slot * STATE_SLOT + word];
}

fn slot_runs(slot: u32, source: u32) -> bool {
    let flag = select(SLOT_STEP, SLOT_AUDIO, source == POSITION_FRAME);
    return (slot_state(slot, STATE_FLAGS) & flag) != 0u;
}

fn first_position(slot: u32, source: u32, static_position: u32, per_slot: u32) -> u32 {
    if (source == POSITION_STATIC) {
        return static_position;
    }
    return slot_state(slot, select(STATE_STEP, STATE_FRAME, source == POSITION_FRAME)) * per_slot;
}
