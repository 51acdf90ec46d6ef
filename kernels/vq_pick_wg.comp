#version 450
/* SPDX-License-Identifier: MIT */
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
#include "vq_pick_end.glsl"

shared pick picks[256];

/* a workgroup a slot */
void main()
{
    uint slot = group_index(), lane = gl_LocalInvocationID.x;
    if (slot >= p.slots)
        return;
    pick found = pick(FARTHEST, FARTHEST, NOWHERE, NOWHERE);
    for (uint i = lane; i < p.bins; i += gl_WorkGroupSize.x) {
        float d = dist(slot * p.bins + i);
        if (d < found.best) {
            found.second = found.best;
            found.second_at = found.best_at;
            found.best = d;
            found.best_at = i;
        } else if (d < found.second) {
            found.second = d;
            found.second_at = i;
        }
    }
    picks[lane] = found;
    barrier();
    for (uint n = gl_WorkGroupSize.x / 2u; n > 0u; n /= 2u) {
        if (lane < n) {
            found = merge(found, picks[lane + n]);
            picks[lane] = found;
        }
        barrier();
    }
    uint nearest = bin_of(picks[0].best_at);
    if (lane == 0u)
        write_pick(slot, found);
    for (uint i = lane; i < p.dim; i += gl_WorkGroupSize.x)
        r[slot * p.dim + i] -= centroids(nearest * p.dim + i);
}
