#version 450
/* SPDX-License-Identifier: MIT */
#extension GL_GOOGLE_include_directive : require
#define REPACK
#define WEIGHT_Q5_0
#include "repack_blocks.glsl"
