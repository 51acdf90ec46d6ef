#version 450
/* SPDX-License-Identifier: MIT */
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"

PARAMS(frame_end_params);

layout(set = 0, binding = 0, std430) buffer State { uint state[]; };
layout(set = 0, binding = 1, std430) readonly buffer Tokens { uint tokens[]; };
layout(set = 0, binding = 2, std430) readonly buffer Margins { uint margins[]; };
layout(set = 0, binding = 3, std430) readonly buffer Probs { uint probs[]; };
layout(set = 0, binding = 4, std430) readonly buffer Codes { uint codes[]; };
layout(set = 0, binding = 5, std430) buffer Results { uint results[]; };

/* an invocation a slot: all words of its record depend on the step that it counts up */
void main()
{
    uint slot = global_index();
    if (slot >= p.slots)
        return;
    uint next = state[STATE_NEXT_TICK], tick = next - 1u;
    uint control = STATE_HEAD + slot * STATE_SLOT;
    uint flags = state[control + STATE_FLAGS], s = state[control + STATE_STEP];
    uint to = ((tick % p.ring) * p.max_slots + slot) * p.result_slot;
    uint from = slot * (1u + p.dep_q);
    results[to + RESULT_TICK] = next;
    results[to + RESULT_FLAGS] = flags;
    results[to + RESULT_STEP] = s;
    results[to + RESULT_TOKEN] = tokens[from];
    results[to + RESULT_MARGIN] = margins[from];
    to += RESULT_HEAD;
    for (uint h = 0u; h < p.n_heads; h++)
        results[to + h] = probs[(slot * p.n_heads + h) * p.head_dim];
    to += p.n_heads;
    for (uint k = 0u; k < p.dep_q; k++)
        results[to + k] = tokens[from + 1u + k];
    to += p.dep_q;
    uint codes_at = (slot * p.codes_ring + (s - 1u) % p.codes_ring) * p.n_codes;
    for (uint k = 0u; k < p.n_codes; k++)
        results[to + k] = s > 0u ? codes[codes_at + k] : 0u;

    if ((flags & SLOT_STEP) != 0u)
        state[control + STATE_STEP] = s + 1u;
    if ((flags & (SLOT_AUDIO | SLOT_CODES)) != 0u)
        state[control + STATE_FRAME] += 1u;
    if (slot == 0u)
        state[STATE_TICK] = next;
}
