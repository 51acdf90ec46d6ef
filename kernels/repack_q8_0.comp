#version 450
/* SPDX-License-Identifier: MIT */
#extension GL_GOOGLE_include_directive : require
#define BLOCK_WORDS 8u
#include "repack_blocks.glsl"
