// SPDX-License-Identifier: MIT
//!include embed_floats
//!include quads_f32
const TYPE = TYPE_F32;
