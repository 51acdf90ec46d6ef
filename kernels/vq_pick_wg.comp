#version 450
/* SPDX-License-Identifier: MIT */
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
#include "vq_pick_end.glsl"

#define NOWHERE 0xffffffffu

shared float best_of[256], second_of[256];
shared uint best_at_of[256], second_at_of[256];

bool before(float a, uint a_at, float b, uint b_at)
{
    return a < b || (a == b && a_at < b_at);
}

/* a workgroup a slot */
void main()
{
    uint slot = group_index(), lane = gl_LocalInvocationID.x;
    if (slot >= p.slots)
        return;
    float best = FARTHEST, second = FARTHEST;
    uint best_at = NOWHERE, second_at = NOWHERE;
    for (uint i = lane; i < p.bins; i += gl_WorkGroupSize.x) {
        float d = dist[slot * p.bins + i];
        if (d < best) {
            second = best;
            second_at = best_at;
            best = d;
            best_at = i;
        } else if (d < second) {
            second = d;
            second_at = i;
        }
    }
    best_of[lane] = best;
    best_at_of[lane] = best_at;
    second_of[lane] = second;
    second_at_of[lane] = second_at;
    barrier();
    for (uint n = gl_WorkGroupSize.x / 2u; n > 0u; n /= 2u) {
        if (lane < n) {
            float loser = best_of[lane + n], other = second_of[lane + n];
            uint loser_at = best_at_of[lane + n], other_at = second_at_of[lane + n];
            if (before(loser, loser_at, best, best_at)) {
                float f = best;
                best = loser;
                loser = f;
                uint u = best_at;
                best_at = loser_at;
                loser_at = u;
                /* the second of the side that won competes with the loser */
                second = other;
                second_at = other_at;
            }
            if (before(loser, loser_at, second, second_at)) {
                second = loser;
                second_at = loser_at;
            }
            best_of[lane] = best;
            best_at_of[lane] = best_at;
            second_of[lane] = second;
            second_at_of[lane] = second_at;
        }
        barrier();
    }
    best_at = best_at_of[0] == NOWHERE ? 0u : best_at_of[0];
    if (lane == 0u)
        write_pick(slot, best_of[0], best_at, second_of[0], second_at == NOWHERE ? 0u : second_at);
    for (uint i = lane; i < p.dim; i += gl_WorkGroupSize.x)
        r[slot * p.dim + i] -= centroids[best_at * p.dim + i];
}
