/* SPDX-License-Identifier: MIT
 *
 * The part of matmul_sg.glsl that differs where products are those of integers: x is staged as
 * signed bytes, rounded as params.h says, and multiplied four bytes at a time. An
 * invocation rounds a block of 32 elements.
 */
#extension GL_EXT_spirv_intrinsics : require

/* OpSDot of four signed bytes each; glslang of Debian 12 has no name for it. format: 0. */
spirv_instruction(extensions = ["SPV_KHR_integer_dot_product"], capabilities = [6018, 6019],
                  id = 4450)
int dot_bytes(uint a, uint b, spirv_literal int format);

#if defined(WEIGHT_Q4_0)
shared int offsets[COLS * STAGED / 32u]; /* 8 times the sum of a block's bytes: nibbles are 0 to 15 */
#endif

int dot_16(uvec4 a, uvec4 b, int sum)
{
    [[unroll]] for (uint i = 0u; i < 4u; i++)
        sum += dot_bytes(a[i], b[i], 0);
    return sum;
}

/* Elements 16 i to 16 i + 15 of what is staged of column c; neighbouring blocks go to different
 * banks. */
uint staged_at(uint c, uint i)
{
    return c * (STAGED / 16u) + (i ^ (i >> 3 & 1u));
}

#define TWO_TO_127 0x7f000000u
#define NOT_A_NUMBER 0x7fc00000u

/* bits: of the largest magnitude, below 2^127. From integers, because divisions of floats differ
 * between devices. */
float inverse_step(uint bits)
{
    uint exponent = bits >> 23;
    if (exponent < 27u)
        return 0.0;
    uint quotient = (127u << 24) / ((bits >> 11 & 0xfffu) + 4097u);
    return float(quotient) * (1.0 / 4096.0) * uintBitsToFloat((254u - exponent) << 23);
}

/* Block `block` of what is staged of column c, which begins at element e; from: its first word. */
void stage_block(uint c, uint from, uint block, uint e)
{
    precise vec4 v[8];
    uvec4 most = uvec4(0u); /* magnitudes' bits: NaN is above all, and none is lost */
    [[unroll]] for (uint i = 0u; i < 8u; i++) {
        v[i] = load_x(from + 4u * i);
        if ((FLAGS & MATMUL_NORM_RMS) != 0u)
            v[i] *= norm_weight(e + 4u * i);
        most = max(most, floatBitsToUint(v[i]) & 0x7fffffffu);
    }
    uint bits = max(max(most.x, most.y), max(most.z, most.w));
    bool bounded = bits < TWO_TO_127;
    float inverse = bounded ? inverse_step(bits) : 0.0;
    uvec4 halves[2];
    int sum = 0;
    [[unroll]] for (uint i = 0u; i < 8u; i++) {
        precise vec4 scaled = v[i] * inverse;
        ivec4 q = bounded ? ivec4(roundEven(scaled)) : ivec4(0);
        sum += q.x + q.y + q.z + q.w;
        uvec4 bytes = uvec4(q & 255) << uvec4(0u, 8u, 16u, 24u);
        halves[i / 4u][i % 4u] = bytes.x | bytes.y | bytes.z | bytes.w;
    }
    staged[staged_at(c, 2u * block)] = halves[0];
    staged[staged_at(c, 2u * block + 1u)] = halves[1];
    uint at = c * (STAGED / 32u) + block;
    steps[at] = inverse > 0.0 ? 1.0 / inverse : bounded ? 0.0 : uintBitsToFloat(NOT_A_NUMBER);
#if defined(WEIGHT_Q4_0)
    offsets[at] = 8 * sum;
#endif
}

void stage(uint first)
{
    const uint blocks = STAGED / 32u;
    barrier(); /* until what was staged before has been read */
    if ((FLAGS & MATMUL_NORM_RMS) != 0u) {
        /* In an order that does not depend on the number of columns, unlike the blocks below. */
        uint end = min(first + STAGED, p.k);
        for (uint e = first + 4u * gl_LocalInvocationID.x; e < end; e += 4u * gl_WorkGroupSize.x) {
            [[unroll]] for (uint c = 0u; c < COLS; c++) {
                vec4 v = load_x(x_at[c] + e);
                squares[c] = dot_fma(v, v, squares[c]);
            }
        }
    }
    for (uint i = gl_LocalInvocationID.x; i < COLS * blocks; i += gl_WorkGroupSize.x) {
        uint column = i / blocks, block = i % blocks, e = first + 32u * block, from = 0u;
        [[unroll]] for (uint c = 0u; c < COLS; c++)
            from = c == column ? x_at[c] + e : from;
        if (e < p.k)
            stage_block(column, from, block, e);
    }
    barrier();
}

/* Unit j of the step, which begins at element 4 quad of what is staged. */
void multiply(uint j, uint u, uint quad)
{
    uint i = quad / 4u, block = quad / 8u;
    [[unroll]] for (uint c = 0u; c < COLS; c++) {
        uvec4 v = staged[staged_at(c, i)];
        uint at = c * (STAGED / 32u) + block;
        float step = steps[at];
#if defined(WEIGHT_Q4_0)
        uvec4 behind = staged[staged_at(c, i + 1u)];
        int offset = offsets[at];
#endif
        [[unroll]] for (uint r = 0u; r < ROWS; r++) {
            uvec4 w = now[j * ROWS + r];
            float d = block_step(heads_now[j * ROWS + r], u * UNIT / 32u, 0u);
#if defined(WEIGHT_Q4_0)
            int sum = dot_16(w & 0x0f0f0f0fu, v, -offset);
            sum = dot_16(w >> 4 & 0x0f0f0f0fu, behind, sum);
#else
            int sum = dot_16(w, v, 0);
#endif
            acc[r * COLS + c] = fma(d * step, float(sum), acc[r * COLS + c]);
        }
    }
}
