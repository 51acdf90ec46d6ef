/* SPDX-License-Identifier: MIT
 *
 * argmax: an invocation a slot. NaN never wins; where nothing is above LEAST, index 0 is told with the
 * margin ARGMAX_NOTHING.
 */
#include "common.glsl"
#include "texels.glsl"

PARAMS(argmax_params);

#include "state.glsl"

IN_FLOATS(1, logits)
layout(set = 0, binding = 2, std430) buffer Tokens { uint tokens[]; };
layout(set = 0, binding = 3, std430) buffer Margins { float margins[]; };

#define LEAST -3.4e38

/* The last n % 4 logits. Behind them anything may lie, or nothing at all. */
vec4 load_tail(uint at, uint n)
{
#ifdef TEXELS
    return mix(vec4(LEAST), logits4(at), lessThan(uvec4(0u, 1u, 2u, 3u), uvec4(n)));
#else
    vec4 v = vec4(logits(at), LEAST, LEAST, LEAST);
    if (n > 1u)
        v.y = logits(at + 1u);
    if (n > 2u)
        v.z = logits(at + 2u);
    return v;
#endif
}

/* of every fourth logit */
vec4 best = vec4(LEAST), second = vec4(LEAST);
uvec4 best_at = uvec4(0u, 1u, 2u, 3u);

void take(vec4 v, uint i)
{
    bvec4 above = greaterThan(v, best);
    second = mix(mix(second, v, greaterThan(v, second)), best, above);
    best_at = mix(best_at, i + uvec4(0u, 1u, 2u, 3u), above);
    best = mix(best, v, above);
}

void main()
{
    uint slot = global_index();
    if (slot >= p.slots || (slot_state(slot, STATE_FLAGS) & SLOT_STEP) == 0u)
        return;
    uint base = slot * p.logits_slot_stride, quads = p.n / 4u * 4u;
    for (uint i = 0u; i < quads; i += 4u)
        take(logits4(base + i), i);
    if (quads < p.n)
        take(load_tail(base + quads, p.n - quads), quads);

    float most = best.x, other = second.x;
    uint at = best_at.x;
    for (uint c = 1u; c < 4u; c++) {
        if (best[c] > most || (best[c] == most && best_at[c] < at)) {
            other = max(most, second[c]);
            most = best[c];
            at = best_at[c];
        } else {
            other = max(other, best[c]);
        }
    }
    uint to = slot * p.tokens_slot_stride + p.index;
    tokens[to] = at;
    margins[to] = most <= LEAST ? ARGMAX_NOTHING : p.n > 1u ? most - other : 0.0;
}
