#version 450
/* SPDX-License-Identifier: MIT */
#extension GL_GOOGLE_include_directive : require
#define WEIGHT_Q6_K
#include "matmul_sg.glsl"
