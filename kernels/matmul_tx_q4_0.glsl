/* SPDX-License-Identifier: MIT
 *
 * multiply() of matmul_tx.glsl for q4_0. A nibble is masked where it lies, so that it becomes a
 * float without a shift or a subtraction: sum (q - 8) x = sum (16^n q) (x / 16^n) - 8 sum x, and
 * the powers of two are exact. What is done to x is done once for all rows.
 */
layout(constant_id = 6) const uint SHARED = 0u; /* all invocations have the same columns */
layout(constant_id = 7) const uint BLOCKS = 1u; /* a turn; it divides k */

vec4 x_scaled[COLS * BLOCKS * 8u]; /* by 16^-n: the element's nibble is the nth of a half word */
float x_offset[COLS * BLOCKS];     /* -8 sum x */
uvec4 first_w[ROWS];

/* Where they have the same columns, each invocation fetches one texel of a block's eight, and takes
 * the others from its neighbours: a shuffle is one instruction, a fetch fifty. The device has 8 or
 * 16 invocations a subgroup, and workgroups of 16 fill them. */
#define NEEDED_BY_NEIGHBOURS (SHARED != 0u)

void load_x_block(uint c, uint b, uint g)
{
    uint first = (b + g) * 8u;
    precise vec4 sum = vec4(0.0);
    vec4 mine;
    if (SHARED != 0u)
        mine = load_x4(c, first + (gl_SubgroupInvocationID & 7u));
    [[unroll]] for (uint j = 0u; j < 8u; j++) {
        vec4 v;
        if (SHARED != 0u)
            v = subgroupShuffle(mine, j);
        else
            v = load_x4(c, first + j);
        sum = sum + v;
        float place = j < 4u ? 1.0 : 0.0625;
        x_scaled[(c * BLOCKS + g) * 8u + j] =
            v * vec4(place, place / 256.0, place, place / 256.0);
    }
    precise float offset = ((sum.x + sum.y) + (sum.z + sum.w)) * -8.0;
    x_offset[c * BLOCKS + g] = offset;
}

/* of BLOCKS blocks from b on; b is a multiple of BLOCKS, and rows of scales begin at even words
 * where BLOCKS is 4 */
vec4 load_scales(uint r, uint b)
{
    uint word = scale_at[r] + b / 2u;
    uvec4 texel = texelFetch(plane1, int(word >> 2));
    uvec2 words = (word & 2u) == 0u ? texel.xy : texel.zw;
    if (BLOCKS == 4u)
        return vec4(load_f16(words.x), load_f16(words.y));
    vec2 pair = load_f16((word & 1u) == 0u ? words.x : words.y);
    if (BLOCKS == 1u)
        pair.x = (b & 1u) == 0u ? pair.x : pair.y;
    return vec4(pair, 0.0, 0.0);
}

/* a quarter of a block at a time, so that the sums stay in registers */
void multiply_block(uint r, uint g, uvec4 w, float scale)
{
    precise float sum[COLS * 4u];
    [[unroll]] for (uint i = 0u; i < 4u; i++) {
        uint mask = (i & 1u) == 0u ? 0xfu : 0xf00u;
        [[unroll]] for (uint c = 0u; c < COLS; c++)
            sum[c * 4u + i] = 0.0;
        [[unroll]] for (uint m = 0u; m < 8u; m++) {
            uint word = i < 2u ? w[m & 3u] : w[m & 3u] >> 16;
            float q = float(int(word & (m < 4u ? mask : mask << 4)));
            [[unroll]] for (uint c = 0u; c < COLS; c++)
                sum[c * 4u + i] += q * x_scaled[(c * BLOCKS + g) * 8u + m][i];
        }
    }
    [[unroll]] for (uint c = 0u; c < COLS; c++) {
        precise float s = ((sum[c * 4u] + sum[c * 4u + 1u]) +
                           (sum[c * 4u + 2u] + sum[c * 4u + 3u])) + x_offset[c * BLOCKS + g];
        acc[r * COLS + c] = fma(scale, s, acc[r * COLS + c]);
    }
}

void multiply()
{
    uint blocks = p.k / 32u;
    for (uint b = 0u; b < blocks; b += BLOCKS) {
        /* all rows' cache lines are asked for at once; what follows in a line is there then */
        [[unroll]] for (uint r = 0u; r < ROWS; r++)
            first_w[r] = texelFetch(plane0, int(w_at[r] + b));
        [[unroll]] for (uint c = 0u; c < COLS; c++) {
            [[unroll]] for (uint g = 0u; g < BLOCKS; g++)
                load_x_block(c, b, g);
        }
        [[unroll]] for (uint r = 0u; r < ROWS; r++) {
            uvec4 w[BLOCKS];
            w[0] = first_w[r];
            [[unroll]] for (uint g = 1u; g < BLOCKS; g++)
                w[g] = texelFetch(plane0, int(w_at[r] + b + g));
            vec4 scales = load_scales(r, b);
            [[unroll]] for (uint g = 0u; g < BLOCKS; g++)
                multiply_block(r, g, w[g], scales[g]);
        }
    }
}
