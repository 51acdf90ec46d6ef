/* SPDX-License-Identifier: MIT
 *
 * IN_FLOATS(binding, name) declares an input of floats: name(i) is word i, name##4(i) the four from
 * word i on. With TEXELS it is a texel buffer, and the i of name##4 a multiple of 4: lavapipe loads
 * from storage buffers lane by lane through the stack, its texel fetches are plain vector code.
 */
#ifdef TEXELS
#define IN_FLOATS(BINDING, NAME)                                                                   \
    layout(set = 0, binding = BINDING) uniform usamplerBuffer NAME##_texels;                       \
    vec4 NAME##4(uint i)                                                                           \
    {                                                                                              \
        return uintBitsToFloat(texelFetch(NAME##_texels, int(i >> 2)));                            \
    }                                                                                              \
    float NAME(uint i)                                                                             \
    {                                                                                              \
        return NAME##4(i)[i & 3u];                                                                 \
    }
#else
#define IN_FLOATS(BINDING, NAME)                                                                   \
    layout(set = 0, binding = BINDING, std430) readonly buffer NAME##_in { float NAME##_words[]; };\
    float NAME(uint i)                                                                             \
    {                                                                                              \
        return NAME##_words[i];                                                                    \
    }                                                                                              \
    vec4 NAME##4(uint i)                                                                           \
    {                                                                                              \
        return vec4(NAME(i), NAME(i + 1u), NAME(i + 2u), NAME(i + 3u));                            \
    }
#endif
