#version 450
/* SPDX-License-Identifier: MIT */
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"

PARAMS(argmax_params);

#include "state.glsl"

layout(set = 0, binding = 1, std430) readonly buffer Logits { float logits[]; };
layout(set = 0, binding = 2, std430) buffer Tokens { uint tokens[]; };
layout(set = 0, binding = 3, std430) buffer Margins { float margins[]; };

#define LEAST -3.4e38
#define NOWHERE 0xffffffffu

shared float best_of[256], second_of[256];
shared uint best_at_of[256];

/* a workgroup a slot; NaN never wins, and index 0 does where nothing is above LEAST */
void main()
{
    uint slot = group_index(), lane = gl_LocalInvocationID.x;
    if (slot >= p.slots || (slot_state(slot, STATE_FLAGS) & SLOT_STEP) == 0u)
        return;
    uint base = slot * p.logits_slot_stride, best_at = NOWHERE;
    float best = LEAST, second = LEAST;
    for (uint i = lane; i < p.n; i += gl_WorkGroupSize.x) {
        float v = logits[base + i];
        if (v > best) {
            second = best;
            best = v;
            best_at = i;
        } else if (v > second) {
            second = v;
        }
    }
    best_of[lane] = best;
    second_of[lane] = second;
    best_at_of[lane] = best_at;
    barrier();
    for (uint n = gl_WorkGroupSize.x / 2u; n > 0u; n /= 2u) {
        if (lane < n) {
            float other = best_of[lane + n];
            uint other_at = best_at_of[lane + n];
            if (other > best || (other == best && other_at < best_at)) {
                second = max(best, second_of[lane + n]);
                best = other;
                best_at = other_at;
            } else {
                second = max(second, other);
            }
            best_of[lane] = best;
            second_of[lane] = second;
            best_at_of[lane] = best_at;
        }
        barrier();
    }
    if (lane != 0u)
        return;
    uint to = slot * p.tokens_slot_stride + p.index;
    tokens[to] = best_at == NOWHERE ? 0u : best_at;
    margins[to] = best <= LEAST ? ARGMAX_NOTHING : p.n > 1u ? best - second : 0.0;
}
