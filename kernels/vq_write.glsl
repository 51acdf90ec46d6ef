/* SPDX-License-Identifier: MIT
 *
 * What one invocation writes for a codebook of a slot. Needs the state and buffers codes and info.
 */
void write_pick(uint slot, uint codebook, vec4 pick)
{
    if ((slot_state(slot, STATE_FLAGS) & SLOT_AUDIO) != 0u) {
        uint frame = slot_state(slot, STATE_FRAME) % p.codes_ring;
        codes[(slot * p.codes_ring + frame) * p.n_codes + codebook] = uint(pick.z);
    }
    uint to = 3u * (slot * p.n_codes + codebook);
    info[to] = floatBitsToUint(sqrt_f32(pick.x));
    info[to + 1u] = floatBitsToUint(sqrt_f32(pick.y));
    info[to + 2u] = uint(pick.w);
}
