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

/* an invocation a slot of a chain */
void main()
{
    uint chains = min(p.n_codes, 2u), index = global_index();
    uint slot = index / chains, row = slot * (VQ_ROW(p.bins, p.dim) / 4u);
    bool last = index % chains != 0u;
    if (slot >= p.slots)
        return;
    vec4 pick = NO_PICK;
    for (uint t = 0u; t < VQ_TILES(p.bins); t++)
        pick = merge_picks(pick, last ? rest[row + t] : first[row + t]);
    write_pick(slot, last ? p.n_codes - 1u : 0u, pick);
}
