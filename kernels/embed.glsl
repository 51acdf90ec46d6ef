/* SPDX-License-Identifier: MIT
 *
 * embed: an invocation makes UNIT elements of one slot's sum. One of WEIGHT_F32, WEIGHT_F16,
 * WEIGHT_BF16 and those of blocks.glsl is defined before. The grid is (elements, slots).
 */
#include "common.glsl"
#include "blocks.glsl"

#if defined(WEIGHT_F32)
layout(set = 0, binding = 0) readonly buffer Plane0 { vec4 plane0[]; };
#elif defined(WEIGHT_F16) || defined(WEIGHT_BF16)
layout(set = 0, binding = 0) readonly buffer Plane0 { uvec2 plane0[]; };
#else
layout(set = 0, binding = 0) readonly buffer Plane0 { uint plane0[]; };
#endif
layout(set = 0, binding = 2) readonly buffer Ids { uint ids[]; };
layout(set = 0, binding = 3) buffer X { float x[]; };

PARAMS(embed_params);

#if defined(BLOCKS)
#define UNIT (32u / BLOCK_WORDS) /* a word; of nibbles four elements, and the four 16 behind */
#else
#define UNIT 4u
#endif
#define QUADS (UNIT / 4u)

#if defined(BLOCKS)
/* adds word `word` of block `block` of a row */
void add_word(uint row, uint block, uint word, inout vec4 sum[QUADS])
{
    uvec4 head = load_head(row * PLANE1_WORDS(WEIGHT_TYPE, p.dim), block, p.dim);
    uint w = plane0[row * (p.dim / UNIT) + block * BLOCK_WORDS + word];
    for (uint j = 0u; j < QUADS; j++) {
        vec4 codes = unpack_quad(w, word + 4u * j, head);
        vec4 step = vec4(block_step(head, block, PARTS > 1u ? j : 0u));
#if defined(MINIMA)
        sum[j] += fma(step, codes, vec4(block_min(head, block)));
#else
        sum[j] = fma(step, codes, sum[j]);
#endif
    }
}
#endif

void main()
{
    uint unit = gl_WorkGroupID.x * gl_WorkGroupSize.x + gl_LocalInvocationID.x;
    uint units = (p.dim + UNIT - 1u) / UNIT;
    uint slot = gl_WorkGroupID.y;
    if (unit >= units)
        return;

#if defined(BLOCKS)
    uint first = unit / BLOCK_WORDS * 32u + unit % BLOCK_WORDS * 4u;
#else
    uint first = unit * 4u;
#endif
    uint n = min(4u, p.dim - first);
    uint x_at = slot * p.x_slot_stride + first;
    vec4 sum[QUADS];
    for (uint j = 0u; j < QUADS; j++) {
        sum[j] = vec4(0.0);
        for (uint i = 0u; i < n && p.accumulate != 0u; i++)
            sum[j][i] = x[x_at + 16u * j + i];
    }

    for (uint t = 0u; t < p.tables; t++) {
        uint id = ids[slot * p.ids_slot_stride + p.ids_base + t] - p.first_id;
        if (id >= p.table_rows)
            continue;
        uint row = t * p.table_rows + id;
#if defined(WEIGHT_F32)
        sum[0] += plane0[row * units + unit];
#elif defined(WEIGHT_F16)
        uvec2 w = plane0[row * units + unit];
        sum[0] += vec4(load_f16(w.x), load_f16(w.y));
#elif defined(WEIGHT_BF16)
        uvec2 w = plane0[row * units + unit];
        sum[0] += vec4(load_bf16(w.x), load_bf16(w.y));
#else
        add_word(row, unit / BLOCK_WORDS, unit % BLOCK_WORDS, sum);
#endif
    }

    for (uint j = 0u; j < QUADS; j++)
        for (uint i = 0u; i < n; i++)
            x[x_at + 16u * j + i] = sum[j][i];
}
