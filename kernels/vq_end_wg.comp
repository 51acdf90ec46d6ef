#version 450
/* SPDX-License-Identifier: MIT */
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"

PARAMS(vq_end_params);

#include "state.glsl"
#include "vq.glsl"

layout(set = 0, binding = 1, std430) readonly buffer First { vec4 first[]; };
layout(set = 0, binding = 2, std430) readonly buffer Rest { vec4 rest[]; };
layout(set = 0, binding = 3, std430) buffer Codes { uint codes[]; };
layout(set = 0, binding = 4, std430) buffer Info { uint info[]; };

#include "vq_write.glsl"
#include "vq_merge.glsl"

/* a workgroup a chain (x) of a slot (y) */
void main()
{
    uint lane = gl_LocalInvocationID.x, slot = gl_WorkGroupID.y, tiles = VQ_TILES(p.bins);
    uint row = slot * (VQ_ROW(p.bins, p.dim) / 4u);
    bool last = gl_WorkGroupID.x != 0u;
    vec4 found = NO_PICK;
    for (uint t = lane; t < tiles; t += gl_WorkGroupSize.x)
        found = merge_picks(found, last ? rest[row + t] : first[row + t]);
    picks[lane] = found;
    found = merge_group(min(tiles, gl_WorkGroupSize.x));
    if (lane == 0u)
        write_pick(slot, last ? p.n_codes - 1u : 0u, found);
}
