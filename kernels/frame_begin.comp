#version 450
/* SPDX-License-Identifier: MIT */
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"

PARAMS(frame_begin_params);

layout(set = 0, binding = 0, std430) readonly buffer Ring { uint ring[]; };
layout(set = 0, binding = 1, std430) buffer State { uint state[]; };
layout(set = 0, binding = 2, std430) writeonly buffer Pcm { uint pcm[]; };
layout(set = 0, binding = 3, std430) writeonly buffer Codes { uint codes[]; };

/* An invocation a word (x) of a slot (y). Others must not read what invocation 0 of a slot writes:
 * the flags come from the ring, and the frame does not change where there are codes. */
void main()
{
    uint word = gl_GlobalInvocationID.x, slot = gl_WorkGroupID.y;
    if (slot >= p.slots)
        return;
    uint tick = state[STATE_TICK];
    uint from = ((tick % p.ring) * p.max_slots + slot) * p.input_slot;
    uint flags = ring[from + INPUT_FLAGS], control = STATE_HEAD + slot * STATE_SLOT;
    if (word == 0u) {
        state[control + STATE_FLAGS] = flags;
        if ((flags & SLOT_RESET) != 0u) {
            state[control + STATE_STEP] = 0u;
            state[control + STATE_FRAME] = 0u;
        }
        if (slot == 0u)
            state[STATE_NEXT_TICK] = tick + 1u;
    }
    if ((flags & SLOT_AUDIO) != 0u && word < p.samples)
        pcm[slot * p.pcm_slot_stride + p.pcm_offset + word] = ring[from + INPUT_SLOT_HEAD + word];
    if ((flags & SLOT_CODES) != 0u && word < p.n_codes) {
        uint frame = state[control + STATE_FRAME] % p.codes_ring;
        uint to = (slot * p.codes_ring + frame) * p.n_codes + word;
        codes[to] = ring[from + INPUT_SLOT_HEAD + word];
    }
}
