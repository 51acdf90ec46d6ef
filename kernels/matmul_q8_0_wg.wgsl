// SPDX-License-Identifier: MIT
//!include matmul_wg_blocks
//!include halves_q8_0
const TYPE = TYPE_Q8_0;
