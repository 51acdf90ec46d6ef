#version 450
/* SPDX-License-Identifier: MIT */
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"

PARAMS(argmax_params);

#include "state.glsl"

layout(set = 0, binding = 1, std430) readonly buffer Logits { float logits[]; };
layout(set = 0, binding = 2, std430) buffer Tokens { uint tokens[]; };
layout(set = 0, binding = 3, std430) buffer Margins { float margins[]; };

/* an invocation a slot; NaN never wins, and index 0 does where nothing is above LEAST */
#define LEAST -3.4e38

void main()
{
    uint slot = global_index();
    if (slot >= p.slots || (slot_state(slot, STATE_FLAGS) & SLOT_STEP) == 0u)
        return;
    uint base = slot * p.logits_slot_stride, best_at = 0u;
    float best = LEAST, second = LEAST;
    for (uint i = 0u; i < p.n; i++) {
        float v = logits[base + i];
        if (v > best) {
            second = best;
            best = v;
            best_at = i;
        } else if (v > second) {
            second = v;
        }
    }
    uint to = slot * p.tokens_slot_stride + p.index;
    tokens[to] = best_at;
    margins[to] = p.n > 1u ? best - second : 0.0;
}
