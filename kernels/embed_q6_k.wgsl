// SPDX-License-Identifier: MIT
//!include embed_blocks
const TYPE = TYPE_Q6_K;
