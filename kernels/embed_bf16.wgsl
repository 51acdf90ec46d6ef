// SPDX-License-Identifier: MIT
//!include embed_floats
//!include quads_16
const TYPE = TYPE_BF16;
