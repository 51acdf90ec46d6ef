/* SPDX-License-Identifier: MIT
 *
 * multiply() of matmul_tx.glsl for the types with nibbles. A code is masked where it lies, so that
 * it becomes a float without a shift or a subtraction: sum (q - 8) x = sum (16^n q) (x / 16^n) - 8
 * sum x, and the powers of two are exact. What is done to x is done once for all rows. Codes of 5
 * and 6 bits are made of both planes' bits first, four to a word.
 */
layout(constant_id = 6) const uint SHARED = 0u; /* all invocations have the same columns */
layout(constant_id = 7) const uint TURN = 1u;   /* blocks; it divides k, and 4 of them k if above 1 */

#if defined(WEIGHT_Q5_0) || defined(WEIGHT_Q5_1) || defined(WEIGHT_Q6_K)
#define BYTES
#endif
#define PART_QUADS (8u / PARTS)

vec4 x_scaled[COLS * TURN * 8u];    /* by 16^-n: the code begins at the nth nibble of a half word */
float x_sum[COLS * TURN * PARTS];   /* without minima: of -CODE_OFFSET x */
uvec4 first_w[ROWS];
float steps[TURN * PARTS];
float minima[TURN];
#if defined(BYTES)
uint high[TURN * HIGH_WORDS];
#endif

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
#if defined(BYTES)
        float place = 1.0;
#else
        float place = j < 4u ? 1.0 : 0.0625;
#endif
        x_scaled[(c * TURN + g) * 8u + j] = v * vec4(place, place / 256.0, place, place / 256.0);
        if ((j + 1u) % PART_QUADS == 0u) {
            precise float whole = (sum.x + sum.y) + (sum.z + sum.w);
#if !defined(MINIMA)
            whole = whole * -float(CODE_OFFSET);
#endif
            x_sum[(c * TURN + g) * PARTS + j / PART_QUADS] = whole;
            sum = vec4(0.0);
        }
    }
}

/* n words of plane 1, 1, 2 or 4, from a multiple of n on */
uvec4 load_words(uint at, uint n)
{
    uvec4 texel = texelFetch(plane1, int(at >> 2));
    if (n == 4u)
        return texel;
    uvec2 words = (at & 2u) == 0u ? texel.xy : texel.zw;
    if (n == 2u)
        return uvec4(words, 0u, 0u);
    return uvec4((at & 1u) == 0u ? words.x : words.y, 0u, 0u, 0u);
}

/* steps, minima and high of TURN blocks from b on, a multiple of TURN */
void load_heads(uint r, uint b)
{
    uint scales = head_at[r] + HIGH_WORDS * (p.k / 32u);
#if defined(WEIGHT_Q4_K)
    uvec4 words = load_words(head_at[r] + b / 8u * 4u, 4u);
    uint sixes = (b & 4u) == 0u ? words.y : words.z, first = TURN == 4u ? 0u : b & 3u;
    [[unroll]] for (uint g = 0u; g < TURN; g++) {
        uvec4 head = uvec4(words.x, sixes, words.w, 0u);
        steps[g] = block_step(head, first + g, 0u);
        minima[g] = block_min(head, (b & 4u) + first + g);
    }
#elif defined(WEIGHT_Q6_K)
    vec2 pair = load_f16(load_words(scales + p.k / 64u + b / 16u, 1u).x);
    float d = (b & 8u) == 0u ? pair.x : pair.y;
    uvec4 words = load_words(scales + b / 2u, TURN / 2u);
    [[unroll]] for (uint i = 0u; i < 2u * TURN; i++)
        steps[i] = d * float(bitfieldExtract(int(words[i / 4u]), int(8u * (i % 4u)), 8));
#elif defined(MINIMA)
    uvec4 words = load_words(scales + b, TURN);
    [[unroll]] for (uint g = 0u; g < TURN; g++) {
        vec2 pair = load_f16(words[g]);
        steps[g] = pair.x;
        minima[g] = pair.y;
    }
#else
    uvec4 words = load_words(scales + b / 2u, TURN == 4u ? 2u : 1u);
    if (TURN == 1u && (b & 1u) != 0u)
        words.x >>= 16;
    [[unroll]] for (uint g = 0u; g < TURN; g++)
        steps[g] = load_f16(words[g / 2u])[g % 2u];
#endif
#if defined(BYTES)
    [[unroll]] for (uint i = 0u; i < (HIGH_WORDS * TURN + 3u) / 4u; i++) {
        uvec4 bits = load_words(head_at[r] + HIGH_WORDS * b + 4u * i, min(HIGH_WORDS * TURN, 4u));
        [[unroll]] for (uint j = 0u; j < 4u; j++)
            if (4u * i + j < HIGH_WORDS * TURN)
                high[4u * i + j] = bits[j];
    }
#endif
}

/* The word that has the codes of quad m of block g of the turn, and code i of four where it lies in
 * a half of such a word. */
uint code_word(uvec4 w, uint m, uint g)
{
#if defined(BYTES)
    return quad_codes(w[m & 3u], m,
                      uvec4(0u, 0u, high[g * HIGH_WORDS], high[(g + 1u) * HIGH_WORDS - 1u]));
#else
    return w[m & 3u];
#endif
}

float code_in_place(uint word, uint m, uint i)
{
    word = i < 2u ? word : word >> 16;
#if defined(BYTES)
    return float(int(word & ((i & 1u) == 0u ? 0xffu : 0xff00u)));
#else
    uint mask = (i & 1u) == 0u ? 0xfu : 0xf00u;
    return float(int(word & (m < 4u ? mask : mask << 4)));
#endif
}

/* a quarter of a part at a time, so that the sums stay in registers */
void multiply_part(uint r, uint g, uint part, uint codes[8])
{
    precise float sum[COLS * 4u];
    [[unroll]] for (uint i = 0u; i < 4u; i++) {
        [[unroll]] for (uint c = 0u; c < COLS; c++)
            sum[c * 4u + i] = 0.0;
        [[unroll]] for (uint j = 0u; j < PART_QUADS; j++) { /* bounds that are known beforehand */
            uint m = part * PART_QUADS + j;
            float q = code_in_place(codes[m], m, i);
            [[unroll]] for (uint c = 0u; c < COLS; c++)
                sum[c * 4u + i] += q * x_scaled[(c * TURN + g) * 8u + m][i];
        }
    }
    [[unroll]] for (uint c = 0u; c < COLS; c++) {
        float x_all = x_sum[(c * TURN + g) * PARTS + part];
        precise float s = (sum[c * 4u] + sum[c * 4u + 1u]) +
                          (sum[c * 4u + 2u] + sum[c * 4u + 3u]);
#if defined(MINIMA)
        acc[r * COLS + c] = fma(minima[g], x_all, acc[r * COLS + c]);
#else
        s = s + x_all;
#endif
        acc[r * COLS + c] = fma(steps[g * PARTS + part], s, acc[r * COLS + c]);
    }
}

void multiply_block(uint r, uint g, uvec4 w)
{
    uint codes[8];
    [[unroll]] for (uint m = 0u; m < 8u; m++)
        codes[m] = code_word(w, m, g);
    [[unroll]] for (uint part = 0u; part < PARTS; part++)
        multiply_part(r, g, part, codes);
}

void multiply()
{
    for (uint b = 0u; b < p.k / 32u; b += TURN) {
        /* all rows' cache lines are asked for at once; what follows in a line is there then */
        [[unroll]] for (uint r = 0u; r < ROWS; r++)
            first_w[r] = texelFetch(plane0, int(w_at[r] + b));
        [[unroll]] for (uint c = 0u; c < COLS; c++) {
            [[unroll]] for (uint g = 0u; g < TURN; g++)
                load_x_block(c, b, g);
        }
        [[unroll]] for (uint r = 0u; r < ROWS; r++) {
            uvec4 w[TURN];
            w[0] = first_w[r];
            [[unroll]] for (uint g = 1u; g < TURN; g++)
                w[g] = texelFetch(plane0, int(w_at[r] + b + g));
            load_heads(r, b);
            [[unroll]] for (uint g = 0u; g < TURN; g++)
                multiply_block(r, g, w[g]);
        }
    }
}
