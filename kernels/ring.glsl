/* SPDX-License-Identifier: MIT
 *
 * Which ring slots of the KV cache a query sees (rule in params.h). Needs PARAMS(attention_params).
 */
#include "state.glsl"

/* the last position of the call */
uint last_position(uint slot)
{
    return first_position(slot, p.source, p.static_position, p.per_slot) + p.per_slot - 1u;
}

/* ring slots in use */
uint ring_used(uint last)
{
    return min(last, p.capacity - 1u) + 1u;
}

/* What visible() asks for in loops, without a division: how far ring slot r is behind the newest
 * one, last % capacity; r < ring_used(last). */
uint behind(uint newest, uint r)
{
    return newest >= r ? newest - r : newest + p.capacity - r;
}

/* query t of the call, at position last - (per_slot - 1 - t) */
bool visible(uint newest, uint r, uint t)
{
    return behind(newest, r) >= p.per_slot - 1u - t;
}
