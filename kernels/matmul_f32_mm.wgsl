// SPDX-License-Identifier: MIT
//!include matmul_mm_floats
//!include packed_f32
const TYPE = TYPE_F32;
