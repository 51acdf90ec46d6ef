#version 450
/* SPDX-License-Identifier: MIT */
#extension GL_GOOGLE_include_directive : require
#define WEIGHT_Q4_1
#include "matmul.glsl"
