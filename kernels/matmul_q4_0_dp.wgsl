// SPDX-License-Identifier: MIT
enable subgroups;
requires packed_4x8_integer_dot_product;
//!include matmul_dp
const TYPE = TYPE_Q4_0;
