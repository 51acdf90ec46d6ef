// SPDX-License-Identifier: MIT
//!include matmul_mm_floats
//!include packed_16
const TYPE = TYPE_F16;
