/* SPDX-License-Identifier: MIT
 *
 * The rotation of a pair (2i, 2i + 1) of a head; the order of its operations is the same wherever
 * it is done.
 */
vec2 rotate(vec2 v, vec2 cs)
{
    precise float a = v.x * cs.x - v.y * cs.y;
    precise float b = v.x * cs.y + v.y * cs.x;
    return vec2(a, b);
}
