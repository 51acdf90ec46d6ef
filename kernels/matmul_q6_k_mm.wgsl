// SPDX-License-Identifier: MIT
//!include matmul_mm_blocks
const TYPE = TYPE_Q6_K;
