/* SPDX-License-Identifier: MIT
 *
 * vq_pick: PARTS invocations a slot, which all search and share what is left to do.
 */
#include "common.glsl"
#include "vq_pick_end.glsl"

layout(constant_id = 1) const uint PARTS = 1u;

/* of every fourth bin */
vec4 best = vec4(FARTHEST), second = vec4(FARTHEST);
uvec4 best_at = uvec4(NOWHERE), second_at = uvec4(NOWHERE);

void take(vec4 d, uint i)
{
    uvec4 at = i + uvec4(0u, 1u, 2u, 3u);
    bvec4 below = lessThan(d, best), next = lessThan(d, second);
    second = mix(mix(second, d, next), best, below);
    second_at = mix(mix(second_at, at, next), best_at, below);
    best = mix(best, d, below);
    best_at = mix(best_at, at, below);
}

void main()
{
    uint index = global_index();
    uint slot = index / PARTS, part = index % PARTS;
    if (slot >= p.slots)
        return;
    uint base = slot * p.bins, quads = p.bins / 4u * 4u;
    for (uint i = 0u; i < quads; i += 4u)
        take(dist4(base + i), i);
    for (uint i = quads; i < p.bins; i++)
        take(vec4(dist(base + i), vec3(FARTHEST)), i);

    pick found = pick(best.x, second.x, best_at.x, second_at.x);
    for (uint c = 1u; c < 4u; c++)
        found = merge(found, pick(best[c], second[c], best_at[c], second_at[c]));
    if (part == 0u)
        write_pick(slot, found);

    uint from = bin_of(found.best_at) * p.dim, to = slot * p.dim;
    for (uint i = 4u * part; i + 4u <= p.dim; i += 4u * PARTS) {
        vec4 c = centroids4(from + i);
        r[to + i] -= c.x;
        r[to + i + 1u] -= c.y;
        r[to + i + 2u] -= c.z;
        r[to + i + 3u] -= c.w;
    }
    for (uint i = p.dim / 4u * 4u + part; i < p.dim; i += PARTS)
        r[to + i] -= centroids(from + i);
}
