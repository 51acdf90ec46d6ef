/* SPDX-License-Identifier: MIT
 *
 * The state of the slots, read only, at binding 0 (or STATE_BINDING), and the positions of a call's
 * columns.
 */
#ifndef STATE_BINDING
#define STATE_BINDING 0
#endif
layout(set = 0, binding = STATE_BINDING, std430) readonly buffer State
{
    uint state[];
};

uint slot_state(uint slot, uint word)
{
    return state[STATE_HEAD + slot * STATE_SLOT + word];
}

bool slot_runs(uint slot, uint source)
{
    uint flag = source == POSITION_FRAME ? SLOT_AUDIO : SLOT_STEP;
    return (slot_state(slot, STATE_FLAGS) & flag) != 0u;
}

uint first_position(uint slot, uint source, uint static_position, uint per_slot)
{
    if (source == POSITION_STATIC)
        return static_position;
    return slot_state(slot, source == POSITION_FRAME ? STATE_FRAME : STATE_STEP) * per_slot;
}
