/* SPDX-License-Identifier: MIT
 *
 * The block types: blocks of 32 elements, also where a superblock of the file has 256, as
 * kernels/params.h lays them out. For them BLOCKS is defined. Of a block, plane 0 has BLOCK_WORDS
 * words; `quad` is four elements of it, 0 to 7, of PARTS parts. A head is what plane 1 has for it:
 * x scales, y or z and w high bits of codes or more scales.
 */
#if defined(WEIGHT_Q8_0)
#define WEIGHT_TYPE TYPE_Q8_0
#define BLOCK_WORDS 8u
#define CODE_OFFSET 0
#elif defined(WEIGHT_Q4_0)
#define WEIGHT_TYPE TYPE_Q4_0
#define CODE_OFFSET 8
#elif defined(WEIGHT_Q4_1)
#define WEIGHT_TYPE TYPE_Q4_1
#define MINIMA
#elif defined(WEIGHT_Q5_0)
#define WEIGHT_TYPE TYPE_Q5_0
#define CODE_OFFSET 16
#define HIGH_WORDS 1u
#elif defined(WEIGHT_Q5_1)
#define WEIGHT_TYPE TYPE_Q5_1
#define MINIMA
#define HIGH_WORDS 1u
#elif defined(WEIGHT_Q4_K)
#define WEIGHT_TYPE TYPE_Q4_K
#define MINIMA
#elif defined(WEIGHT_Q6_K)
#define WEIGHT_TYPE TYPE_Q6_K
#define CODE_OFFSET 32
#define HIGH_WORDS 2u
#define PARTS 2u
#endif

#if defined(WEIGHT_TYPE)
#define BLOCKS
#ifndef BLOCK_WORDS
#define BLOCK_WORDS 4u /* of nibbles */
#endif
#ifndef CODE_OFFSET
#define CODE_OFFSET 0
#endif
#ifndef HIGH_WORDS
#define HIGH_WORDS 0u
#endif
#ifndef PARTS
#define PARTS 1u
#endif

/* the word of a block that has the quad */
uint quad_word(uint quad)
{
    return quad % BLOCK_WORDS;
}

/* four codes of 4 to 6 bits, a byte each */
uint quad_codes(uint word, uint quad, uvec4 head)
{
    uint codes = word >> quad / 4u * 4u & 0x0f0f0f0fu;
#if defined(WEIGHT_Q6_K)
    uint high = quad < 4u ? head.z : head.w;
    codes |= (high >> 2u * (quad % 4u) & 0x03030303u) << 4;
#elif defined(WEIGHT_Q5_0) || defined(WEIGHT_Q5_1)
    codes |= (head.z >> quad & 0x01010101u) << 4;
#endif
    return codes;
}

/* the codes of a quad as whole numbers, around 0 where the type's are */
vec4 unpack_quad(uint word, uint quad, uvec4 head)
{
#if defined(WEIGHT_Q8_0)
    return load_i8(word);
#else
    uint codes = quad_codes(word, quad, head);
    return vec4(ivec4(uvec4(codes, codes >> 8, codes >> 16, codes >> 24) & 255u) - CODE_OFFSET);
#endif
}

/* what codes count; scales of scales are multiplied exactly: they take 19 bits at most */
float block_step(uvec4 head, uint block, uint part)
{
    vec2 pair = load_f16(head.x);
#if defined(WEIGHT_Q4_1) || defined(WEIGHT_Q5_1)
    return pair.x;
#elif defined(WEIGHT_Q4_K)
    return pair.x * float(head.y >> 6u * (block % 4u) & 63u);
#elif defined(WEIGHT_Q6_K)
    float d = (block / 8u & 1u) == 0u ? pair.x : pair.y;
    return d * float(bitfieldExtract(int(head.y), int(16u * (block & 1u) + 8u * part), 8));
#else
    return (block & 1u) == 0u ? pair.x : pair.y;
#endif
}

/* what is added to each element */
float block_min(uvec4 head, uint block)
{
#if defined(WEIGHT_Q4_K)
    uint low = head.y >> 24u + 2u * (block % 4u) & 3u, high = head.z >> 4u * (block % 8u) & 15u;
    return -load_f16(head.x).y * float(high << 2 | low);
#elif defined(MINIMA)
    return load_f16(head.x).y;
#else
    return 0.0;
#endif
}

#if !defined(MATMUL_TEXELS) && !defined(REPACK)
layout(set = 0, binding = 1) readonly buffer Plane1 { uint plane1[]; };

/* of a block of the row of plane 1 that begins at word `at`; k elements a row */
uvec4 load_head(uint at, uint block, uint k)
{
    uint scales = at + HIGH_WORDS * (k / 32u);
#if defined(WEIGHT_Q4_K)
    at += block / 8u * 4u;
    uint minima = plane1[at + 3u];
    return uvec4(plane1[at], plane1[at + 1u + block / 4u % 2u], minima, minima);
#elif defined(WEIGHT_Q6_K)
    return uvec4(plane1[scales + k / 64u + block / 16u], plane1[scales + block / 2u],
                 plane1[at + 2u * block], plane1[at + 2u * block + 1u]);
#elif defined(MINIMA)
    uint scale = plane1[scales + block];
#else
    uint scale = plane1[scales + block / 2u];
#endif
#if defined(WEIGHT_Q5_0) || defined(WEIGHT_Q5_1)
    uint high = plane1[at + block];
    return uvec4(scale, 0u, high, high);
#elif !defined(WEIGHT_Q4_K) && !defined(WEIGHT_Q6_K)
    return uvec4(scale, 0u, 0u, 0u);
#endif
}
#endif
#endif
