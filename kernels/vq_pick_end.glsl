/* SPDX-License-Identifier: MIT
 *
 * Bindings of vq_pick and the words that one invocation writes for a slot.
 */
PARAMS(vq_pick_params);

#include "state.glsl"

layout(set = 0, binding = 1, std430) readonly buffer Dist { float dist[]; };
layout(set = 0, binding = 2, std430) readonly buffer Centroids { float centroids[]; };
layout(set = 0, binding = 3, std430) buffer R { float r[]; };
layout(set = 0, binding = 4, std430) buffer Codes { uint codes[]; };
layout(set = 0, binding = 5, std430) buffer Info { uint info[]; };

#define FARTHEST 3.4e38 /* found nothing nearer: index 0, also where distances are NaN */

void write_pick(uint slot, float best, uint best_at, float second, uint second_at)
{
    if ((slot_state(slot, STATE_FLAGS) & SLOT_AUDIO) != 0u) {
        uint frame = slot_state(slot, STATE_FRAME) % p.codes_ring;
        codes[(slot * p.codes_ring + frame) * p.n_codes + p.codebook] = best_at;
    }
    uint at = 3u * (slot * p.n_codes + p.codebook);
    info[at] = floatBitsToUint(sqrt_f32(best));
    info[at + 1u] = floatBitsToUint(sqrt_f32(second));
    info[at + 2u] = second_at;
}
