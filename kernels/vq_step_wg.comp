#version 450
/* SPDX-License-Identifier: MIT */
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"

PARAMS(vq_step_params);

#include "state.glsl"
#include "vq.glsl"

layout(constant_id = 1) const uint DIM = 4u; /* p.dim */
layout(constant_id = 2) const bool PICKS = false;

layout(set = 0, binding = 1, std430) readonly buffer From { vec4 from[]; };
layout(set = 0, binding = 2, std430) readonly buffer Previous { vec4 previous[]; };
layout(set = 0, binding = 3, std430) readonly buffer Centroids { vec4 centroids[]; };
layout(set = 0, binding = 4, std430) writeonly buffer To { vec4 to[]; };
layout(set = 0, binding = 5, std430) buffer Codes { uint codes[]; };
layout(set = 0, binding = 6, std430) buffer Info { uint info[]; };

#include "vq_write.glsl"
#include "vq_merge.glsl"

#define SHARES 8u /* lanes that share a bin, so that they read neighbours */

shared float partial[VQ_TILE * SHARES];
shared vec4 residual[DIM / 4u];

vec4 pick_previous(uint row)
{
    uint lane = gl_LocalInvocationID.x, tiles = VQ_TILES(p.bins);
    vec4 found = NO_PICK;
    for (uint t = lane; t < tiles; t += gl_WorkGroupSize.x)
        found = merge_picks(found, from[row + t]);
    picks[lane] = found;
    return merge_group(min(tiles, gl_WorkGroupSize.x));
}

float distance_share(uint bin, uint share)
{
    vec4 sum = vec4(0.0);
    uint at = bin * (DIM / 4u);
    for (uint i = share; i < DIM / 4u; i += SHARES) {
        vec4 d = residual[i] - centroids[at + i];
        sum = fma(d, d, sum);
    }
    return (sum.x + sum.y) + (sum.z + sum.w);
}

/* a workgroup of 256: a tile of bins (x) of a slot (y) */
void main()
{
    uint lane = gl_LocalInvocationID.x, tile = gl_WorkGroupID.x, slot = gl_WorkGroupID.y;
    uint row = slot * (VQ_ROW(p.bins, DIM) / 4u), r_at = row + VQ_TILES(p.bins);
    uint previous_at = 0u;
    if (PICKS) {
        vec4 pick = pick_previous(row);
        previous_at = uint(pick.z) * (DIM / 4u);
        if (tile == 0u && lane == 0u)
            write_pick(slot, p.codebook, pick);
    }
    for (uint i = lane; i < DIM / 4u; i += VQ_TILE * SHARES) {
        vec4 v = from[r_at + i];
        if (PICKS)
            v -= previous[previous_at + i];
        residual[i] = v;
        if (tile == 0u)
            to[r_at + i] = v;
    }
    barrier();
    uint bin = tile * VQ_TILE + lane / SHARES;
    partial[lane] = bin < p.bins ? distance_share(bin, lane % SHARES) : 0.0;
    barrier();
    bin = tile * VQ_TILE + lane;
    if (lane < VQ_TILE && bin < p.bins) {
        float sum = 0.0;
        for (uint i = 0u; i < SHARES; i++)
            sum += partial[lane * SHARES + i];
        picks[lane] = take_distance(NO_PICK, sum, bin);
    }
    vec4 found = merge_group(min(VQ_TILE, p.bins - tile * VQ_TILE));
    if (lane == 0u)
        to[row + tile] = found;
}
