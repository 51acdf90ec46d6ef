/* SPDX-License-Identifier: MIT
 *
 * vq_step: an invocation a tile of bins (fastest) of SLOTS slots. Each finds the best of the picks
 * of the codebook before by itself; the first tile's writes what it found.
 */
#extension GL_EXT_control_flow_attributes : require
#include "common.glsl"
#include "texels.glsl"

PARAMS(vq_step_params);

#include "state.glsl"
#include "vq.glsl"

layout(constant_id = 1) const uint SLOTS = 1u;
layout(constant_id = 2) const bool PICKS = false;

#define BINS 4u /* at a time, of the VQ_TILE */

IN_FLOATS(1, from)
IN_FLOATS(2, previous)
IN_FLOATS(3, centroids)
layout(set = 0, binding = 4, std430) writeonly buffer To { float to[]; };
layout(set = 0, binding = 5, std430) buffer Codes { uint codes[]; };
layout(set = 0, binding = 6, std430) buffer Info { uint info[]; };

#include "vq_write.glsl"

uint slot_of[SLOTS], r_at[SLOTS], previous_at[SLOTS];
vec4 found[SLOTS];

vec4 residual4(uint s, uint i)
{
    precise vec4 v = from4(r_at[s] + i);
    if (PICKS)
        v -= previous4(previous_at[s] + i);
    return v;
}

/* What the codebook before has left of slot s. */
void pick_previous(uint s, bool write)
{
    uint row = slot_of[s] * VQ_ROW(p.bins, p.dim), tiles = VQ_TILES(p.bins);
    r_at[s] = row + 4u * tiles;
    previous_at[s] = 0u;
    if (PICKS) {
        vec4 pick = from4(row);
        for (uint t = 1u; t < tiles; t++)
            pick = merge_picks(pick, from4(row + 4u * t));
        previous_at[s] = uint(pick.z) * p.dim;
        if (write)
            write_pick(slot_of[s], p.codebook, pick);
    }
}

void measure(uint bin0)
{
    uint c_at[BINS];
    float acc[SLOTS * BINS];
    [[unroll]] for (uint b = 0u; b < BINS; b++)
        c_at[b] = min(bin0 + b, p.bins - 1u) * p.dim;
    [[unroll]] for (uint j = 0u; j < SLOTS * BINS; j++)
        acc[j] = 0.0;
    for (uint i = 0u; i < p.dim; i += 4u) {
        vec4 values[SLOTS];
        [[unroll]] for (uint s = 0u; s < SLOTS; s++)
            values[s] = residual4(s, i);
        [[unroll]] for (uint b = 0u; b < BINS; b++) {
            vec4 c = centroids4(c_at[b] + i);
            [[unroll]] for (uint s = 0u; s < SLOTS; s++) {
                precise vec4 d = values[s] - c, square = d * d;
                precise float sum = (square.x + square.y) + (square.z + square.w);
                acc[s * BINS + b] += sum;
            }
        }
    }
    [[unroll]] for (uint b = 0u; b < BINS; b++) {
        [[unroll]] for (uint s = 0u; s < SLOTS; s++) {
            float d = bin0 + b < p.bins ? acc[s * BINS + b] : VQ_FARTHEST;
            found[s] = take_distance(found[s], d, bin0 + b);
        }
    }
}

void main()
{
    uint tiles = VQ_TILES(p.bins), index = global_index();
    uint tile = index % tiles, slot0 = index / tiles * SLOTS;
    if (slot0 >= p.slots)
        return;
    [[unroll]] for (uint s = 0u; s < SLOTS; s++) {
        slot_of[s] = min(slot0 + s, p.slots - 1u);
        found[s] = NO_PICK;
        pick_previous(s, tile == 0u && slot0 + s < p.slots);
    }
    for (uint b = 0u; b < VQ_TILE; b += BINS)
        measure(tile * VQ_TILE + b);
    [[unroll]] for (uint s = 0u; s < SLOTS; s++) {
        if (slot0 + s >= p.slots)
            break;
        uint row = slot_of[s] * VQ_ROW(p.bins, p.dim);
        [[unroll]] for (uint c = 0u; c < 4u; c++)
            to[row + 4u * tile + c] = found[s][c];
        for (uint i = 0u; tile == 0u && i < p.dim; i += 4u) {
            vec4 v = residual4(s, i);
            [[unroll]] for (uint c = 0u; c < 4u; c++)
                to[r_at[s] + i + c] = v[c];
        }
    }
}
