/* SPDX-License-Identifier: MIT
 *
 * matmul for few columns: a subgroup makes ROWS x COLS results. Its lanes read 16 bytes of a row at
 * a time (a unit), several rows at once and one step ahead of the arithmetic. The workgroup stages
 * x in shared memory, because units of packed types are too far apart in x for coalesced reads, and
 * normalizes it on the way where the flags ask for it. The grid is (columns, rows): neighbours read
 * the same weights.
 *
 * With INTEGER_DOT, matmul_dp.glsl stages and multiplies.
 *
 * Unit u of a row belongs to lane u % lanes whatever is staged at once: the order of a sum depends
 * on k and the subgroup's size alone.
 */
#extension GL_EXT_control_flow_attributes : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_arithmetic : require
#include "matmul_weights.glsl"

layout(constant_id = 6) const uint STAGED = 512u; /* elements of a column in shared memory */
layout(constant_id = 7) const uint UNROLL = 1u;   /* units of a row that a lane reads at once */

#define GROUPS 4u /* of ROWS rows that a workgroup has at least */

layout(set = 0, binding = 0) readonly buffer Plane0 { uvec4 plane0[]; };
layout(set = 0, binding = 3) readonly buffer Bias4 { vec4 bias4[]; };
layout(set = 0, binding = 4) readonly buffer Scale4 { vec4 scale4[]; };

#if defined(WEIGHT_F32)
#define QUADS 1u /* of elements, a unit */
#elif defined(WEIGHT_F16) || defined(WEIGHT_BF16)
#define QUADS 2u
#elif defined(WEIGHT_Q8_0)
#define QUADS 4u
#else
#define QUADS 8u
#endif
#define UNIT (4u * QUADS)

#if defined(INTEGER_DOT)
shared uvec4 staged[COLS * STAGED / 16u]; /* elements as signed bytes, in order */
shared float steps[COLS * STAGED / 32u + gl_WorkGroupSize.x]; /* what 1 stands for in a block */
#define SCRATCH(i) steps[i]
#else
shared vec4 staged[COLS * STAGED / 4u];
#define SCRATCH(i) staged[i].x
#endif

uint lane, lanes;
uint x_at[COLS];
uint w_at[ROWS]; /* the row's first unit */
uvec4 ahead[ROWS * UNROLL], now[ROWS * UNROLL];
float acc[ROWS * COLS];
#ifdef BLOCKS
uint head_at[ROWS];
uvec4 heads_ahead[ROWS * UNROLL], heads_now[ROWS * UNROLL];
float sum[ROWS * COLS]; /* of a unit, or of its part */
float x_sum[COLS];
#define SUM sum
#else
#define SUM acc
#endif
vec2 norm[COLS];     /* mean, factor */
float squares[COLS]; /* of what this invocation staged */

/* A subgroup may have fewer invocations than gl_SubgroupSize, and not the first ones. */
void find_lane()
{
    if (gl_NumSubgroups * gl_SubgroupSize == gl_WorkGroupSize.x) {
        lanes = gl_SubgroupSize;
        lane = gl_SubgroupInvocationID;
    } else {
        lanes = subgroupAdd(1u);
        lane = subgroupExclusiveAdd(1u);
    }
}

/* The sum over the workgroup, in what is staged; all invocations call it and get it. */
float group_sum(float value)
{
    value = subgroupAdd(value);
    barrier();
    if (lane == 0u)
        SCRATCH(gl_SubgroupID) = value;
    barrier();
    float total = 0.0;
    for (uint i = 0u; i < gl_NumSubgroups; i++)
        total += SCRATCH(i);
    return total;
}

vec4 x_quad(uint c, uint e)
{
    if (e + 4u <= p.k)
        return load_x(x_at[c] + e);
    return e < p.k ? load_x_tail(x_at[c] + e, p.k - e) : vec4(0.0);
}

/* four elements of a norm's vector, zeros behind its end */
vec4 norm_weight(uint e)
{
    if (e + 4u <= p.k)
        return scale4[e / 4u];
    return vec4(e < p.k ? scale[e] : 0.0, e + 1u < p.k ? scale[e + 1u] : 0.0,
                e + 2u < p.k ? scale[e + 2u] : 0.0, 0.0);
}

vec4 norm_bias(uint e)
{
    if (e + 4u <= p.k)
        return bias4[e / 4u];
    return vec4(e < p.k ? bias[e] : 0.0, e + 1u < p.k ? bias[e + 1u] : 0.0,
                e + 2u < p.k ? bias[e + 2u] : 0.0, 0.0);
}

void layer_statistics()
{
    for (uint c = 0u; c < COLS; c++) {
        float part = 0.0;
        for (uint e = 4u * gl_LocalInvocationID.x; e < p.k; e += 4u * gl_WorkGroupSize.x)
            part += dot(x_quad(c, e), vec4(1.0));
        float mean = group_sum(part) / float(p.k);
        part = 0.0;
        for (uint e = 4u * gl_LocalInvocationID.x; e < p.k; e += 4u * gl_WorkGroupSize.x) {
            vec4 d = x_quad(c, e) - mean;
            vec4 inside = vec4(lessThan(uvec4(e, e + 1u, e + 2u, e + 3u), uvec4(p.k)));
            part = dot_fma(d * inside, d, part);
        }
        precise float var = group_sum(part) / float(p.k);
        norm[c] = vec2(mean, 1.0 / sqrt(var + p.eps));
    }
}

/* A root mean square is known when all has been staged: its factor waits until the sums are done.
 */
void rms_factors()
{
    for (uint c = 0u; c < COLS; c++) {
        precise float mean = group_sum(squares[c]) / float(p.k);
        norm[c] = vec2(0.0, 1.0 / sqrt(p.eps + mean));
    }
}

#if defined(INTEGER_DOT)
#include "matmul_dp.glsl"
#else
/* Quads of neighbouring units go to different banks. */
uint staged_at(uint c, uint quad)
{
    return c * (STAGED / 4u) + (quad ^ (quad >> 3 & 7u));
}

void stage(uint first)
{
    barrier(); /* until what was staged before has been read */
    for (uint quad = gl_LocalInvocationID.x; quad < STAGED / 4u; quad += gl_WorkGroupSize.x) {
        uint e = first + 4u * quad;
        if (e >= (p.k + UNIT - 1u) / UNIT * UNIT)
            break;
        [[unroll]] for (uint c = 0u; c < COLS; c++) {
            vec4 v = x_quad(c, e);
            if ((FLAGS & MATMUL_NORM_RMS) != 0u) {
                squares[c] = dot_fma(v, v, squares[c]);
                v *= norm_weight(e);
            }
            if ((FLAGS & MATMUL_NORM_LAYER) != 0u)
                v = fma((v - norm[c].x) * norm[c].y, norm_weight(e), norm_bias(e));
            staged[staged_at(c, quad)] = v;
        }
    }
    barrier();
}
#endif

/* Starts a step: the units from `from` on that are this lane's. Those behind the row's end are not
 * used. */
void load_ahead(uint from, uint units)
{
    [[unroll]] for (uint j = 0u; j < UNROLL; j++) {
        uint u = min(from + j * lanes + lane, units - 1u);
        [[unroll]] for (uint r = 0u; r < ROWS; r++) {
            ahead[j * ROWS + r] = plane0[w_at[r] + u];
#ifdef BLOCKS
            heads_ahead[j * ROWS + r] = load_head(head_at[r], u * UNIT / 32u, p.k);
#endif
        }
    }
}

#if !defined(INTEGER_DOT)
#ifdef BLOCKS
/* Bits of a word become floats without a conversion: below the leading one of 2^n, n bits from the
 * top of the mantissa. What 2^n and the type's offset add is taken away exactly. */
vec4 low_nibbles(uint word)
{
    const float offset = float(CODE_OFFSET);
    uint high = word >> 16;
    uvec4 bits = uvec4(word & 0xfu, word & 0xf00u, high & 0xfu, high & 0xf00u);
    return uintBitsToFloat(bits | uvec4(0x4b000000u, 0x47000000u, 0x4b000000u, 0x47000000u)) -
           (vec4(8388608.0, 32768.0, 8388608.0, 32768.0) + offset);
}

vec4 high_nibbles(uint word)
{
    const float offset = float(CODE_OFFSET);
    uint high = word >> 16;
    uvec4 bits = uvec4(word & 0xf0u, word & 0xf000u, high & 0xf0u, high & 0xf000u);
    return uintBitsToFloat(bits | uvec4(0x49000000u, 0x45000000u, 0x49000000u, 0x45000000u)) -
           (vec4(524288.0, 2048.0, 524288.0, 2048.0) + offset);
}

vec4 bytes(uint word, float offset)
{
    uint high = word >> 16;
    uvec4 bits = uvec4(word & 0xffu, word & 0xff00u, high & 0xffu, high & 0xff00u);
    return uintBitsToFloat(bits | uvec4(0x4b000000u, 0x47000000u, 0x4b000000u, 0x47000000u)) -
           (vec4(8388608.0, 32768.0, 8388608.0, 32768.0) + offset);
}
#endif

/* the elements 4 i to 4 i + 3 of unit `at` of those that were loaded */
vec4 unpack(uint at, uint i)
{
    uvec4 w = now[at];
#if defined(WEIGHT_F32)
    return uintBitsToFloat(w);
#elif defined(WEIGHT_F16)
    return vec4(load_f16(w[2u * i]), load_f16(w[2u * i + 1u]));
#elif defined(WEIGHT_BF16)
    return vec4(load_bf16(w[2u * i]), load_bf16(w[2u * i + 1u]));
#elif defined(WEIGHT_Q8_0)
    return bytes(w[i] ^ 0x80808080u, 128.0);
#elif defined(WEIGHT_Q5_0) || defined(WEIGHT_Q5_1) || defined(WEIGHT_Q6_K)
    return bytes(quad_codes(w[i & 3u], i, heads_now[at]), float(CODE_OFFSET));
#else
    return i < 4u ? low_nibbles(w[i]) : high_nibbles(w[i - 4u]);
#endif
}

#ifdef BLOCKS
/* Adds the sums of a part of unit j, which is unit u of the rows, and begins anew. */
void finish_part(uint j, uint u, uint part)
{
    uint block = u * UNIT / 32u;
    [[unroll]] for (uint r = 0u; r < ROWS; r++) {
        float d = block_step(heads_now[j * ROWS + r], block, part);
        [[unroll]] for (uint c = 0u; c < COLS; c++) {
            acc[r * COLS + c] = fma(d, sum[r * COLS + c], acc[r * COLS + c]);
            sum[r * COLS + c] = 0.0;
        }
#if defined(MINIMA)
        float least = block_min(heads_now[j * ROWS + r], block);
        [[unroll]] for (uint c = 0u; c < COLS; c++)
            acc[r * COLS + c] = fma(least, x_sum[c], acc[r * COLS + c]);
#endif
    }
}
#endif

/* Unit j of the step, which is unit u of the rows and begins at quad `quad` of what is staged. */
void multiply(uint j, uint u, uint quad)
{
#ifdef BLOCKS
    [[unroll]] for (uint rc = 0u; rc < ROWS * COLS; rc++)
        sum[rc] = 0.0;
    [[unroll]] for (uint c = 0u; c < COLS; c++)
        x_sum[c] = 0.0;
#endif
    [[unroll]] for (uint i = 0u; i < QUADS; i++) {
        vec4 v[COLS];
        [[unroll]] for (uint c = 0u; c < COLS; c++) {
            v[c] = staged[staged_at(c, quad + i)];
#if defined(MINIMA)
            x_sum[c] += dot(v[c], vec4(1.0));
#endif
        }
        [[unroll]] for (uint r = 0u; r < ROWS; r++) {
            vec4 w = unpack(j * ROWS + r, i);
            [[unroll]] for (uint c = 0u; c < COLS; c++)
                SUM[r * COLS + c] = dot_fma(w, v[c], SUM[r * COLS + c]);
        }
#ifdef BLOCKS
        if ((i + 1u) % (QUADS / PARTS) == 0u)
            finish_part(j, u, (i + 1u) / (QUADS / PARTS) - 1u);
#endif
    }
}
#endif

void begin_rows(uint first_row)
{
    [[unroll]] for (uint r = 0u; r < ROWS; r++) {
        uint row = p.w_row + min(first_row + r, p.rows - 1u);
        w_at[r] = row * ((p.k + 3u) / 4u * 4u / UNIT);
#ifdef BLOCKS
        head_at[r] = row * PLANE1_WORDS(WEIGHT_TYPE, p.k);
#endif
    }
    [[unroll]] for (uint rc = 0u; rc < ROWS * COLS; rc++)
        acc[rc] = 0.0;
}

/* acc = the rows times the columns, each lane its part. Subgroups without rows help to stage. */
void multiply_rows(bool has_rows)
{
    const uint chunk = STAGED / UNIT;
    uint units = (p.k + UNIT - 1u) / UNIT;
    if (has_rows)
        load_ahead(0u, units);
    for (uint first = 0u; first < units; first += chunk) {
        uint end = min(first + chunk, units);
        stage(first * UNIT);
        for (uint at = first; has_rows && at < end;) {
            /* A step begins at a multiple of lanes, also if what is staged does not. */
            uint from = at / lanes * lanes;
            at = min(from + UNROLL * lanes, end);
            [[unroll]] for (uint i = 0u; i < ROWS * UNROLL; i++) {
                now[i] = ahead[i];
#ifdef BLOCKS
                heads_now[i] = heads_ahead[i];
#endif
            }
            if (at < units)
                load_ahead(at / lanes * lanes, units);
            [[unroll]] for (uint j = 0u; j < UNROLL; j++) {
                uint u = from + j * lanes + lane;
                if (u >= first && u < end)
                    multiply(j, u, (u - first) * QUADS);
            }
        }
    }
}

void finish_rows(uint first_row, uint first_col)
{
    const uint step = (FLAGS & MATMUL_GATE) != 0u ? 2u : 1u;
    [[unroll]] for (uint r = 0u; r < ROWS; r++) {
        [[unroll]] for (uint c = 0u; c < COLS; c++) {
            float total = subgroupAdd(acc[r * COLS + c]);
            acc[r * COLS + c] = (FLAGS & MATMUL_NORM_RMS) != 0u ? total * norm[c].y : total;
        }
    }
    for (uint i = lane; i < ROWS / step * COLS; i += lanes) {
        uint r = i / COLS * step, c = i % COLS;
        uint row = first_row + r, col = first_col + c;
        float even = 0.0, odd = 0.0;
        [[unroll]] for (uint rc = 0u; rc < ROWS * COLS; rc++) {
            even = rc == r * COLS + c ? acc[rc] : even;
            odd = rc == (r + step - 1u) * COLS + c ? acc[rc] : odd;
        }
        if (row < p.rows && col < p.cols)
            finish(row / step, col / p.per_slot, col % p.per_slot, even, odd);
    }
}

void main()
{
    uint first_col = gl_WorkGroupID.x * COLS;
    find_lane();
    [[unroll]] for (uint c = 0u; c < COLS; c++) {
        uint col = min(first_col + c, p.cols - 1u);
        x_at[c] = p.x_base + (col / p.per_slot) * p.x_slot_stride +
                  (col % p.per_slot) * p.x_col_stride;
        squares[c] = 0.0;
    }
    /* Where subgroups are small and many, the last workgroups have nothing left to do. */
    uint groups = max(GROUPS, gl_NumSubgroups);
    uint first_group = gl_WorkGroupID.y * groups;
    if (first_group * ROWS >= p.rows)
        return;
    if ((FLAGS & MATMUL_NORM_LAYER) != 0u)
        layer_statistics();
    for (uint pass = 0u; pass < groups; pass += gl_NumSubgroups) {
        uint group = pass + gl_SubgroupID;
        uint first_row = (first_group + group) * ROWS;
        bool has_rows = group < groups && first_row < p.rows;
        begin_rows(first_row);
        multiply_rows(has_rows);
        if ((FLAGS & MATMUL_NORM_RMS) != 0u && pass == 0u)
            rms_factors();
        if (has_rows)
            finish_rows(first_row, first_col);
    }
}
