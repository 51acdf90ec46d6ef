/* SPDX-License-Identifier: MIT
 *
 * Picks of the quantizer: vec4(least distance, least of the others, bin of the first, of the second).
 */
const vec4 NO_PICK = vec4(VQ_FARTHEST, VQ_FARTHEST, 0.0, 0.0);

bool nearer(vec2 a, vec2 b) /* distance, bin */
{
    return a.x < b.x || (a.x == b.x && a.y < b.y);
}

vec4 merge_picks(vec4 a, vec4 b)
{
    bool swap = nearer(b.xz, a.xz);
    vec4 winner = swap ? b : a, loser = swap ? a : b;
    /* the second of the side that won competes with the other's best */
    bool first = nearer(loser.xz, winner.yw);
    return vec4(winner.x, first ? loser.x : winner.y, winner.z, first ? loser.z : winner.w);
}

/* A distance that comes after all lower bins. */
vec4 take_distance(vec4 pick, float d, uint bin)
{
    if (d < pick.x)
        return vec4(d, pick.x, float(bin), pick.z);
    return d < pick.y ? vec4(pick.x, d, pick.z, float(bin)) : pick;
}
