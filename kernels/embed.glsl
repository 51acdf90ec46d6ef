/* SPDX-License-Identifier: MIT
 *
 * embed: an invocation makes UNIT elements of one slot's sum. One of WEIGHT_F32 .. WEIGHT_Q4_0 is
 * defined before. The grid is (elements, slots).
 */
#include "common.glsl"

#if defined(WEIGHT_F32)
layout(set = 0, binding = 0) readonly buffer Plane0 { vec4 plane0[]; };
#elif defined(WEIGHT_F16) || defined(WEIGHT_BF16)
layout(set = 0, binding = 0) readonly buffer Plane0 { uvec2 plane0[]; };
#else
layout(set = 0, binding = 0) readonly buffer Plane0 { uint plane0[]; };
layout(set = 0, binding = 1) readonly buffer Plane1 { uint plane1[]; };
#endif
layout(set = 0, binding = 2) readonly buffer Ids { uint ids[]; };
layout(set = 0, binding = 3) buffer X { float x[]; };

PARAMS(embed_params);

#if defined(WEIGHT_Q4_0)
#define UNIT 8u /* one word: four elements, and the four 16 behind them */
#else
#define UNIT 4u
#endif

void main()
{
    uint unit = gl_WorkGroupID.x * gl_WorkGroupSize.x + gl_LocalInvocationID.x;
    uint units = (p.dim + UNIT - 1u) / UNIT;
    uint slot = gl_WorkGroupID.y;
    if (unit >= units)
        return;

    vec4 sum = vec4(0.0);
#if defined(WEIGHT_Q4_0)
    vec4 high = vec4(0.0);
    uint first = unit / 4u * 32u + unit % 4u * 4u;
#else
    uint first = unit * 4u;
#endif
    uint n = min(4u, p.dim - first);
    uint x_at = slot * p.x_slot_stride + first;
    if (p.accumulate != 0u) {
        for (uint i = 0u; i < n; i++)
            sum[i] = x[x_at + i];
#if defined(WEIGHT_Q4_0)
        for (uint i = 0u; i < 4u; i++)
            high[i] = x[x_at + 16u + i];
#endif
    }

    for (uint t = 0u; t < p.tables; t++) {
        uint id = ids[slot * p.ids_slot_stride + p.ids_base + t] - p.first_id;
        if (id >= p.table_rows)
            continue;
        uint row = t * p.table_rows + id;
#if defined(WEIGHT_F32)
        sum += plane0[row * units + unit];
#elif defined(WEIGHT_F16)
        uvec2 w = plane0[row * units + unit];
        sum += vec4(load_f16(w.x), load_f16(w.y));
#elif defined(WEIGHT_BF16)
        uvec2 w = plane0[row * units + unit];
        sum += vec4(load_bf16(w.x), load_bf16(w.y));
#else
        uint block = first / 32u;
        vec2 pair = load_f16(plane1[row * ((p.dim / 32u + 1u) / 2u) + block / 2u]);
        float d = (block & 1u) == 0u ? pair.x : pair.y;
        uint w = plane0[row * units + unit];
#if defined(WEIGHT_Q8_0)
        sum = fma(vec4(d), load_i8(w), sum);
#else
        sum = fma(vec4(d), load_low_nibbles(w), sum);
        high = fma(vec4(d), load_high_nibbles(w), high);
#endif
#endif
    }

    for (uint i = 0u; i < n; i++)
        x[x_at + i] = sum[i];
#if defined(WEIGHT_Q4_0)
    for (uint i = 0u; i < 4u; i++)
        x[x_at + 16u + i] = high[i];
#endif
}
