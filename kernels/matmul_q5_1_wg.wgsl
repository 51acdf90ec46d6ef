// SPDX-License-Identifier: MIT
//!include matmul_wg_blocks
//!include halves_nibbles
const TYPE = TYPE_Q5_1;
