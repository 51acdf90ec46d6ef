/* SPDX-License-Identifier: MIT
 *
 * attention_combine: an invocation four dims of a head of a column; the parts in order.
 */
#include "common.glsl"
#include "texels.glsl"

PARAMS(attention_params);

#include "ring.glsl"

IN_FLOATS(1, partials)
layout(set = 0, binding = 2, std430) writeonly buffer Out { float result[]; };

void main()
{
    uint quads = (p.head_dim + 3u) / 4u, index = global_index();
    uint quad = index % quads, row = index / quads, slot = row / (p.per_slot * p.heads);
    if (slot >= p.slots)
        return;
    vec4 sum = vec4(0.0);
    if (slot_runs(slot, p.source)) {
        uint used = ring_used(last_position(slot)), share = ATTENTION_SHARE(used, p.splits);
        uint parts = (used + share - 1u) / share, words = PARTIAL_WORDS(p.head_dim);
        uint at = row * p.splits * words, most_at = at + PARTIAL_MOST(p.head_dim);
        float most = -3.0e38, weights = 0.0;
        for (uint i = 0u; i < parts; i++)
            most = max(most, partials4(most_at + i * words).x);
        for (uint i = 0u; i < parts; i++) {
            vec4 part = partials4(most_at + i * words); /* most, sum, nothing */
            precise float below = part.x - most;
            float weight = exp_f32(below) * part.y;
            sum = fma(vec4(weight), partials4(at + i * words + 4u * quad), sum);
            weights += weight;
        }
        sum *= 1.0 / weights;
    }
    for (uint i = 0u; i < 4u; i++) {
        if (4u * quad + i < p.head_dim)
            result[row * p.head_dim + 4u * quad + i] = sum[i];
    }
}
