/* SPDX-License-Identifier: MIT
 *
 * vq_dist: an invocation a tile: slots, bins (fastest).
 */
#extension GL_EXT_control_flow_attributes : require
#include "common.glsl"
#include "texels.glsl"

PARAMS(vq_dist_params);

layout(constant_id = 1) const uint BINS = 4u;  /* a tile */
layout(constant_id = 2) const uint SLOTS = 1u; /* a tile */

IN_FLOATS(0, r)
IN_FLOATS(1, centroids)
layout(set = 0, binding = 2, std430) writeonly buffer Dist { float dist[]; };

void main()
{
    uint bin_tiles = (p.bins + BINS - 1u) / BINS;
    uint index = global_index();
    uint bin0 = index % bin_tiles * BINS, slot0 = index / bin_tiles * SLOTS;
    if (slot0 >= p.slots)
        return;
    uint r_at[SLOTS], c_at[BINS];
    float acc[SLOTS * BINS];
    [[unroll]] for (uint s = 0u; s < SLOTS; s++)
        r_at[s] = min(slot0 + s, p.slots - 1u) * p.dim;
    [[unroll]] for (uint b = 0u; b < BINS; b++)
        c_at[b] = min(bin0 + b, p.bins - 1u) * p.dim;
    [[unroll]] for (uint j = 0u; j < SLOTS * BINS; j++)
        acc[j] = 0.0;
    uint i = 0u;
    for (; i + 4u <= p.dim; i += 4u) {
        vec4 values[SLOTS];
        [[unroll]] for (uint s = 0u; s < SLOTS; s++)
            values[s] = r4(r_at[s] + i);
        [[unroll]] for (uint b = 0u; b < BINS; b++) {
            vec4 c = centroids4(c_at[b] + i);
            [[unroll]] for (uint s = 0u; s < SLOTS; s++) {
                precise vec4 d = values[s] - c, square = d * d;
                precise float sum = (square.x + square.y) + (square.z + square.w);
                acc[s * BINS + b] += sum;
            }
        }
    }
    for (; i < p.dim; i++) {
        [[unroll]] for (uint b = 0u; b < BINS; b++) {
            float c = centroids(c_at[b] + i);
            [[unroll]] for (uint s = 0u; s < SLOTS; s++) {
                float d = r(r_at[s] + i) - c;
                acc[s * BINS + b] = fma(d, d, acc[s * BINS + b]);
            }
        }
    }
    [[unroll]] for (uint s = 0u; s < SLOTS; s++) {
        [[unroll]] for (uint b = 0u; b < BINS; b++) {
            if (slot0 + s < p.slots && bin0 + b < p.bins)
                dist[(slot0 + s) * p.bins + bin0 + b] = acc[s * BINS + b];
        }
    }
}
