// SPDX-License-Identifier: MIT
//!include matmul_wg_floats
//!include quads_16
const TYPE = TYPE_BF16;
