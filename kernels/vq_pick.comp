#version 450
/* SPDX-License-Identifier: MIT */
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
#include "vq_pick_end.glsl"

/* an invocation a slot */
void main()
{
    uint slot = global_index();
    if (slot >= p.slots)
        return;
    float best = FARTHEST, second = FARTHEST;
    uint best_at = 0u, second_at = 0u;
    for (uint i = 0u; i < p.bins; i++) {
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
    write_pick(slot, best, best_at, second, second_at);
    for (uint i = 0u; i < p.dim; i++)
        r[slot * p.dim + i] -= centroids[best_at * p.dim + i];
}
