/* SPDX-License-Identifier: MIT
 *
 * The tile of an invocation, for matmul.glsl and matmul_tx.glsl, which define acc, w_at, x_at,
 * row_words() and multiply() before. The workgroup is 2^LANES_LOG2 invocations along the rows, the
 * rest along the columns; the grid is (rows, columns of a strip, strips). A strip is a slot's
 * columns, or all columns where a slot has one, so that no index needs a division.
 */
#if !defined(NEEDED_BY_NEIGHBOURS)
#define NEEDED_BY_NEIGHBOURS false
#endif

void main()
{
    uint lane = gl_LocalInvocationID.x & ((1u << LANES_LOG2) - 1u);
    uint first_row = ((gl_WorkGroupID.x << LANES_LOG2) + lane) * ROWS;
    uint col_lanes = gl_WorkGroupSize.x >> LANES_LOG2;
    uint first_col = (gl_WorkGroupID.y * col_lanes + (gl_LocalInvocationID.x >> LANES_LOG2)) * COLS;
    bool single = p.per_slot == 1u;
    uint strip = single ? p.cols : p.per_slot;
    if (!NEEDED_BY_NEIGHBOURS && (first_row >= p.rows || first_col >= strip))
        return;

    [[unroll]] for (uint r = 0u; r < ROWS; r++) {
        uint row = p.w_row + min(first_row + r, p.rows - 1u);
        w_at[r] = row * row_words();
#if defined(BLOCKS)
        head_at[r] = row * PLANE1_WORDS(WEIGHT_TYPE, p.k);
#endif
    }
    [[unroll]] for (uint c = 0u; c < COLS; c++) {
        uint col = min(first_col + c, strip - 1u);
        x_at[c] = p.x_base + (single ? col * p.x_slot_stride
                                     : gl_WorkGroupID.z * p.x_slot_stride + col * p.x_col_stride);
    }
#if defined(MATMUL_TEXELS)
    [[unroll]] for (uint c = 0u; c < COLS; c++)
        x_at[c] /= 4u;
#endif
    [[unroll]] for (uint rc = 0u; rc < ROWS * COLS; rc++)
        acc[rc] = 0.0;

    multiply();

    /* A copy that a loop may index: acc itself stays in registers, and the epilogue is compiled once
     * instead of once a result. */
    float result[ROWS * COLS];
    [[unroll]] for (uint rc = 0u; rc < ROWS * COLS; rc++)
        result[rc] = acc[rc];
    const uint step = (FLAGS & MATMUL_GATE) != 0u ? 2u : 1u;
    uint n_rows = min(ROWS, p.rows - min(first_row, p.rows)), n_cols = min(COLS, strip - first_col);
    [[dont_unroll]] for (uint c = 0u; c < n_cols; c++) {
        uint slot = single ? first_col + c : gl_WorkGroupID.z;
        uint t = single ? 0u : first_col + c;
        [[dont_unroll]] for (uint r = 0u; r < n_rows; r += step)
            finish((first_row + r) / step, slot, t, result[r * COLS + c],
                   result[(r + step - 1u) * COLS + c]);
    }
}
