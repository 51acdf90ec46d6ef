// SPDX-License-Identifier: MIT
//!include repack_blocks
const TYPE = TYPE_Q8_0;
