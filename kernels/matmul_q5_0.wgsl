// SPDX-License-Identifier: MIT
//!include matmul_blocks
const TYPE = TYPE_Q5_0;
