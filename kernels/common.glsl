/* SPDX-License-Identifier: MIT
 *
 * What all shaders share: parameters, loads of packed words, and elementary functions whose error
 * is known on every device (the built-in exp may be off by 3 + 2 |x| units).
 */
#ifndef STAPES_KERNELS_COMMON_GLSL
#define STAPES_KERNELS_COMMON_GLSL

#define uint32_t uint
#define half half_ /* a member name of params.h, a reserved word here */
#include "params.h"

layout(local_size_x_id = 0) in;

#define PARAMS(type) layout(push_constant, std430) uniform Params { type p; }

/* Index of an invocation in a grid of one dimension, which plans fold to stay within the limit of
 * workgroups a dimension. */
uint global_index()
{
    return (gl_WorkGroupID.y * gl_NumWorkGroups.x + gl_WorkGroupID.x) * gl_WorkGroupSize.x +
           gl_LocalInvocationID.x;
}

uint group_index()
{
    return gl_WorkGroupID.y * gl_NumWorkGroups.x + gl_WorkGroupID.x;
}

vec2 load_f16(uint word)
{
    return unpackHalf2x16(word);
}

vec2 load_bf16(uint word)
{
    return vec2(uintBitsToFloat(word << 16), uintBitsToFloat(word & 0xffff0000u));
}

/* four signed bytes, the lowest first */
vec4 load_i8(uint word)
{
    int w = int(word);
    return vec4(ivec4(w << 24, w << 16, w << 8, w) >> 24);
}

/* x = n ln 2 + r; returns expm1(r) and 2^n. x within [-87, 88]. ln 2 is split so that n * high is
 * exact without a fused multiply-add. */
float expm1_reduce(float x, out float scale)
{
    precise float turns = x * 1.44269504 + 0.5;
    float n = floor(turns);
    precise float r = (x - n * 0.693359375) - n * -2.12194440e-4;
    float q = 1.3926204e-3;
    q = fma(q, r, 8.3631948e-3);
    q = fma(q, r, 4.1666556e-2);
    q = fma(q, r, 1.6666577e-1);
    q = fma(q, r, 0.5);
    scale = uintBitsToFloat(uint(int(n) + 127) << 23);
    return fma(r * r, q, r);
}

/* within 2 ulp; 0 below -87, at most exp(88) */
float exp_f32(float x)
{
    float scale;
    float m = expm1_reduce(clamp(x, -87.0, 88.0), scale);
    return x < -87.0 ? 0.0 : fma(scale, m, scale);
}

float expm1_f32(float x)
{
    float scale;
    float m = expm1_reduce(clamp(x, -87.0, 88.0), scale);
    return fma(scale, m, scale - 1.0);
}

float elu(float x)
{
    return x > 0.0 ? x : expm1_f32(x);
}

float silu(float x)
{
    float e = exp_f32(-abs(x));
    return x * ((x >= 0.0 ? 1.0 : e) / (1.0 + e));
}

/* Correctly rounded (but for near-halves, should there be any) for x in [1e-20, 3.4e38], unlike the
 * built-in one: the residual is exact, from products of 12-bit halves. */
float sqrt_f32(float x)
{
    float s = sqrt(x);
    if (!(x >= 1e-20 && x <= 3.4e38))
        return s;
    float high = uintBitsToFloat(floatBitsToUint(s) & 0xfffff000u);
    precise float low = s - high;
    precise float residual = ((x - high * high) - 2.0 * high * low) - low * low;
    precise float corrected = s + residual * (0.5 / s);
    return corrected;
}

/* absolute error below 1e-7; both approximations are Chebyshev fits, the second of ln(erfc) */
float erf_f32(float x)
{
    float t = abs(x), u = x * x;
    float a = -5.6480599e-4;
    a = fma(a, u, 4.9217618e-3);
    a = fma(a, u, -2.6715055e-2);
    a = fma(a, u, 1.1280317e-1);
    a = fma(a, u, -3.7612343e-1);
    a = fma(a, u, 1.2837912e-1);
    a = fma(a, x, x);
    t = min(t, 4.0);
    float b = 1.6371514e-6;
    b = fma(b, t, -4.6058041e-5);
    b = fma(b, t, 5.9680565e-4);
    b = fma(b, t, -4.7595962e-3);
    b = fma(b, t, 2.6421135e-2);
    b = fma(b, t, -1.1008008e-1);
    b = fma(b, t, -6.3182604e-1);
    b = fma(b, t, -1.1302334);
    b = fma(b, t, 3.2013806e-4);
    b = 1.0 - exp_f32(b);
    return t < 1.0 ? a : (x < 0.0 ? -b : b);
}

float gelu(float x)
{
    return 0.5 * x * (1.0 + erf_f32(x * 0.70710678));
}

#endif
