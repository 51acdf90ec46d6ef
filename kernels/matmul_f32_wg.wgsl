// SPDX-License-Identifier: MIT
//!include matmul_wg_floats
//!include quads_f32
const TYPE = TYPE_F32;
