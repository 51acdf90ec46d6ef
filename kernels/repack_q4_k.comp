#version 450
/* SPDX-License-Identifier: MIT */
#extension GL_GOOGLE_include_directive : require
#define REPACK
#define WEIGHT_Q4_K
#include "repack_superblocks.glsl"
