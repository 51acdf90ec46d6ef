#version 450
/* SPDX-License-Identifier: MIT */
#extension GL_GOOGLE_include_directive : require
#define WEIGHT_Q8_0
#define INTEGER_DOT
#include "matmul_sg.glsl"
