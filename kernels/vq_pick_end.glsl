/* SPDX-License-Identifier: MIT
 *
 * Bindings of vq_pick, how the results of two shares of the bins become one, and the words that one
 * invocation writes for a slot.
 */
#include "texels.glsl"

PARAMS(vq_pick_params);

#include "state.glsl"

IN_FLOATS(1, dist)
IN_FLOATS(2, centroids)
layout(set = 0, binding = 3, std430) buffer R { float r[]; };
layout(set = 0, binding = 4, std430) buffer Codes { uint codes[]; };
layout(set = 0, binding = 5, std430) buffer Info { uint info[]; };

#define FARTHEST 3.4e38 /* found nothing nearer: index 0, also where distances are NaN */
#define NOWHERE 0xffffffffu

bool before(float a, uint a_at, float b, uint b_at)
{
    return a < b || (a == b && a_at < b_at);
}

struct pick {
    float best, second;
    uint best_at, second_at;
};

pick merge(pick a, pick b)
{
    bool swap = before(b.best, b.best_at, a.best, a.best_at);
    pick winner = a, loser = b;
    if (swap) {
        winner = b;
        loser = a;
    }
    /* the second of the side that won competes with the other's best */
    if (before(loser.best, loser.best_at, winner.second, winner.second_at)) {
        winner.second = loser.best;
        winner.second_at = loser.best_at;
    }
    return winner;
}

uint bin_of(uint at)
{
    return at == NOWHERE ? 0u : at;
}

void write_pick(uint slot, pick a)
{
    if ((slot_state(slot, STATE_FLAGS) & SLOT_AUDIO) != 0u) {
        uint frame = slot_state(slot, STATE_FRAME) % p.codes_ring;
        codes[(slot * p.codes_ring + frame) * p.n_codes + p.codebook] = bin_of(a.best_at);
    }
    uint to = 3u * (slot * p.n_codes + p.codebook);
    info[to] = floatBitsToUint(sqrt_f32(a.best));
    info[to + 1u] = floatBitsToUint(sqrt_f32(a.second));
    info[to + 2u] = bin_of(a.second_at);
}
