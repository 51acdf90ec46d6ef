// SPDX-License-Identifier: MIT
//!include matmul_floats
const TYPE = TYPE_BF16;
