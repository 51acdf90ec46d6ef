// SPDX-License-Identifier: MIT
enable subgroups;
//!include matmul_sg_floats
const TYPE = TYPE_BF16;
