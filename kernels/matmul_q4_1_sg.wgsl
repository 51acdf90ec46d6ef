// SPDX-License-Identifier: MIT
enable subgroups;
//!include matmul_sg_nibbles
const TYPE = TYPE_Q4_1;
