// SPDX-License-Identifier: MIT
enable subgroups;
//!include matmul_sg_nibbles
const TYPE = TYPE_Q5_0;
