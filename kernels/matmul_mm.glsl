/* SPDX-License-Identifier: MIT
 *
 * matmul for many columns: a workgroup makes a tile of rows and columns. CHUNK elements of each are
 * unpacked into shared memory at a time, while the next ones are on their way into registers; an
 * invocation makes ROWS x COLS results of what lies there, in quads of 4 rows and 4 columns. The
 * sum of a result runs along k in order, whatever the tile and the number of columns. The workgroup
 * is 2^LANES_LOG2 invocations along the rows, the rest along the columns; the grid is (rows,
 * columns), the columns folded into two dimensions.
 */
#extension GL_EXT_control_flow_attributes : require
#include "matmul_weights.glsl"

layout(constant_id = 6) const uint CHUNK = 16u; /* a multiple of 4 */

#if defined(WEIGHT_F32)
layout(set = 0, binding = 0) readonly buffer Plane0 { uvec4 plane0[]; };
#elif defined(WEIGHT_F16) || defined(WEIGHT_BF16)
layout(set = 0, binding = 0) readonly buffer Plane0 { uvec2 plane0[]; };
#else
layout(set = 0, binding = 0) readonly buffer Plane0 { uint plane0[]; };
#endif

/* A unit is what an invocation brings at once: 4 elements of a quad of rows, or of columns. */
const uint ROW_LANES = 1u << LANES_LOG2;
const uint COL_LANES = gl_WorkGroupSize.x >> LANES_LOG2;
const uint ROW_QUADS = ROWS / 4u * ROW_LANES;
const uint COL_QUADS = COLS / 4u * COL_LANES;
const uint STEPS = CHUNK / 4u;
const uint ROW_UNITS = ROW_QUADS * STEPS;
const uint UNITS = ROW_UNITS + COL_QUADS * STEPS;
const uint SHARE = (UNITS + gl_WorkGroupSize.x - 1u) / gl_WorkGroupSize.x; /* of an invocation */

shared vec4 row_tile[CHUNK * ROW_QUADS]; /* [element][quad]: four rows */
shared vec4 col_tile[CHUNK * COL_QUADS]; /* the same of columns */

/* Globals, because arrays of a specialized size are miscompiled as parameters of functions. */
vec4 acc[ROWS / 4u * COLS]; /* four rows of a column */
uint at[SHARE * 4u];        /* rows of the weights, or words where columns begin */
uvec4 staged[SHARE * 4u];

/* Where quad `quad` lies among those of an element of step `s`. Steps are stored side by side by
 * neighbours, quads are read so: turned by the step, neither meets the same bank. */
uint place(uint quad, uint s, uint quads)
{
    return quad ^ (s * max(8u / STEPS, 1u) & (min(quads, 8u) - 1u));
}

/* the packed elements i .. i + 3 of a row */
uvec4 load_row(uint row, uint i)
{
#if defined(WEIGHT_F32)
    return plane0[row * ((p.k + 3u) / 4u) + i / 4u];
#elif defined(WEIGHT_F16) || defined(WEIGHT_BF16)
    return uvec4(plane0[row * ((p.k + 3u) / 4u) + i / 4u], 0u, 0u);
#else
    uint block = i / 32u, quad = i / 4u % 8u;
    uvec4 head = load_head(row * PLANE1_WORDS(WEIGHT_TYPE, p.k), block, p.k);
    uint word = plane0[row * PLANE0_WORDS(WEIGHT_TYPE, p.k) + block * BLOCK_WORDS + quad_word(quad)];
    return uvec4(word, head.xy, quad < 4u ? head.z : head.w);
#endif
}

/* A scale times a whole number is exact: it takes 23 bits at most. */
vec4 unpack_row(uvec4 packed, uint i)
{
#if defined(WEIGHT_F32)
    return uintBitsToFloat(packed);
#elif defined(WEIGHT_F16)
    return vec4(load_f16(packed.x), load_f16(packed.y));
#elif defined(WEIGHT_BF16)
    return vec4(load_bf16(packed.x), load_bf16(packed.y));
#else
    uvec4 head = packed.yzww;
    uint block = i / 32u, quad = i / 4u % 8u;
    vec4 codes = unpack_quad(packed.x, quad, head);
    float d = block_step(head, block, quad / 4u);
#if defined(MINIMA)
    return fma(vec4(d), codes, vec4(block_min(head, block)));
#else
    return d * codes;
#endif
#endif
}

/* The elements i .. i + 3 of the column that begins at word `base`, zeros beyond k. */
vec4 load_col(uint base, uint i)
{
    if (X_ALIGNED != 0u)
        return x4[(base + i) >> 2];
    uvec4 e = i + uvec4(0u, 1u, 2u, 3u), from = base + min(e, uvec4(p.k - 1u));
    vec4 v = vec4(x[from.x], x[from.y], x[from.z], x[from.w]);
    return mix(vec4(0.0), v, lessThan(e, uvec4(p.k)));
}

void find_units(uint first_row, uint first_col)
{
    [[unroll]] for (uint s = 0u; s < SHARE; s++) {
        uint unit = gl_LocalInvocationID.x + s * gl_WorkGroupSize.x;
        uint quad = unit / STEPS;
        [[unroll]] for (uint j = 0u; j < 4u; j++) {
            if (unit < ROW_UNITS) {
                at[4u * s + j] = p.w_row + min(first_row + 4u * quad + j, p.rows - 1u);
            } else {
                uint col = min(first_col + 4u * (quad - ROW_QUADS) + j, p.cols - 1u);
                at[4u * s + j] = p.x_base + col / p.per_slot * p.x_slot_stride
                                 + col % p.per_slot * p.x_col_stride;
            }
        }
    }
}

/* The units of the chunk that begins at element `from`, as far as k reaches. */
void load(uint from)
{
    [[unroll]] for (uint s = 0u; s < SHARE; s++) {
        uint unit = gl_LocalInvocationID.x + s * gl_WorkGroupSize.x;
        uint i = from + 4u * (unit % STEPS);
        if (unit < ROW_UNITS && i < p.k) {
            [[unroll]] for (uint j = 0u; j < 4u; j++)
                staged[4u * s + j] = load_row(at[4u * s + j], i);
        } else if (unit < UNITS && i < p.k) {
            [[unroll]] for (uint j = 0u; j < 4u; j++)
                staged[4u * s + j] = floatBitsToUint(load_col(at[4u * s + j], i));
        }
    }
}

void store(uint from)
{
    [[unroll]] for (uint s = 0u; s < SHARE; s++) {
        uint unit = gl_LocalInvocationID.x + s * gl_WorkGroupSize.x;
        uint step = unit % STEPS, quad = unit / STEPS;
        mat4 m;
        if (unit < ROW_UNITS) {
            [[unroll]] for (uint j = 0u; j < 4u; j++)
                m[j] = unpack_row(staged[4u * s + j], from + 4u * step);
            m = transpose(m);
            quad = place(quad, step, ROW_QUADS);
            [[unroll]] for (uint j = 0u; j < 4u; j++)
                row_tile[(4u * step + j) * ROW_QUADS + quad] = m[j];
        } else if (unit < UNITS) {
            [[unroll]] for (uint j = 0u; j < 4u; j++)
                m[j] = uintBitsToFloat(staged[4u * s + j]);
            m = transpose(m);
            quad = place(quad - ROW_QUADS, step, COL_QUADS);
            [[unroll]] for (uint j = 0u; j < 4u; j++)
                col_tile[(4u * step + j) * COL_QUADS + quad] = m[j];
        }
    }
}

/* acc += the first `steps` fours of elements of the chunk that is stored */
void multiply(uint steps, uint row_lane, uint col_lane)
{
    for (uint s = 0u; s < steps; s++) {
        [[unroll]] for (uint j = 0u; j < 4u; j++) {
            vec4 w[ROWS / 4u], v[COLS / 4u];
            [[unroll]] for (uint q = 0u; q < ROWS / 4u; q++)
                w[q] = row_tile[(4u * s + j) * ROW_QUADS + place(q * ROW_LANES + row_lane, s, ROW_QUADS)];
            [[unroll]] for (uint q = 0u; q < COLS / 4u; q++)
                v[q] = col_tile[(4u * s + j) * COL_QUADS + place(q * COL_LANES + col_lane, s, COL_QUADS)];
            [[unroll]] for (uint q = 0u; q < ROWS / 4u; q++)
                [[unroll]] for (uint c = 0u; c < COLS; c += 4u) {
                    acc[q * COLS + c] = fma(w[q], v[c / 4u].xxxx, acc[q * COLS + c]);
                    acc[q * COLS + c + 1u] = fma(w[q], v[c / 4u].yyyy, acc[q * COLS + c + 1u]);
                    acc[q * COLS + c + 2u] = fma(w[q], v[c / 4u].zzzz, acc[q * COLS + c + 2u]);
                    acc[q * COLS + c + 3u] = fma(w[q], v[c / 4u].wwww, acc[q * COLS + c + 3u]);
                }
        }
    }
}

/* The invocation's rows are every ROW_LANES-th quad from first_row on, its columns likewise. */
void write(uint first_row, uint first_col)
{
    const uint step = (FLAGS & MATMUL_GATE) != 0u ? 2u : 1u;
    /* A copy that a loop may index: acc itself stays in registers, and the epilogue is compiled once
     * instead of once a result. */
    vec4 result[ROWS / 4u * COLS];
    [[unroll]] for (uint i = 0u; i < ROWS / 4u * COLS; i++)
        result[i] = acc[i];
    [[dont_unroll]] for (uint c = 0u; c < COLS; c++) {
        uint col = first_col + c / 4u * 4u * COL_LANES + c % 4u;
        if (col >= p.cols)
            break;
        uint slot = col / p.per_slot, t = col % p.per_slot;
        [[dont_unroll]] for (uint q = 0u; q < ROWS / 4u; q++) {
            uint row = first_row + q * 4u * ROW_LANES;
            vec4 four = result[q * COLS + c];
            [[dont_unroll]] for (uint r = 0u; r < 4u && row + r < p.rows; r += step)
                finish((row + r) / step, slot, t, four[r], four[r + step - 1u]);
        }
    }
}

void main()
{
    uint first_row = gl_WorkGroupID.x * 4u * ROW_QUADS;
    uint first_col = (gl_WorkGroupID.z * gl_NumWorkGroups.y + gl_WorkGroupID.y) * 4u * COL_QUADS;
    uint row_lane = gl_LocalInvocationID.x % ROW_LANES, col_lane = gl_LocalInvocationID.x / ROW_LANES;
    if (first_col >= p.cols)
        return;
    find_units(first_row, first_col);
    [[unroll]] for (uint i = 0u; i < ROWS / 4u * COLS; i++)
        acc[i] = vec4(0.0);

    for (uint from = 0u;; from += CHUNK) {
        load(from);
        if (from > 0u)
            multiply(min(STEPS, (p.k + CHUNK - from + 3u) / 4u), row_lane, col_lane);
        if (from >= p.k)
            break;
        barrier(); /* the chunk before has been read */
        store(from);
        barrier();
    }
    write(first_row + 4u * row_lane, first_col + 4u * col_lane);
}
